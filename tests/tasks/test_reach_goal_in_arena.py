"""Reaching a goal in an arena: DayDreamer's reward of the Sphero."""

import pytest

from robot_mbrl.tasks.reach_goal_in_arena import ReachGoalInArena


def judged(x, y):
    return ReachGoalInArena().judge({"arena_x": x, "arena_y": y})


def test_reward_is_minus_the_distance_in_arena_units():
    assert judged(0.825, 0.165).reward == pytest.approx(0.0)
    assert judged(0.525, 0.565).reward == pytest.approx(-0.5)


def test_success_is_within_fifteen_hundredths():
    assert judged(0.825, 0.30).success
    assert not judged(0.825, 0.32).success
    assert not judged(0.825, 0.32).is_terminal
