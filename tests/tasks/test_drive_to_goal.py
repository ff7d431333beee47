"""Driving to a goal past obstacles: what the task computes and what it pays."""

import math

import pytest

from robot_mbrl.tasks.drive_to_goal import BEAMS, DriveToGoal, towards_goal


def base(x=0.0, y=0.0, yaw=0.0, goal=(3.0, 0.0), nearest_m=math.inf):
    values = {"x": x, "y": y, "yaw": yaw, "goal_x": goal[0], "goal_y": goal[1]}
    values |= {f"near_{number}": 0.0 for number in range(BEAMS)}
    return values | {"near_5": 1.0 / nearest_m}


@pytest.mark.parametrize(
    ("where", "distance_m", "bearing"),
    [
        ({}, 3.0, 0.0),
        ({"yaw": math.pi / 2.0}, 3.0, -math.pi / 2.0),
        ({"goal": (0.0, 2.0)}, 2.0, math.pi / 2.0),
        ({"x": 1.0, "y": 1.0, "yaw": -3.0, "goal": (0.0, 1.0)}, 1.0, -math.pi + 3.0),
    ],
)
def test_goal_is_told_as_the_robot_sees_it(where, distance_m, bearing):
    assert towards_goal(base(**where)) == pytest.approx((distance_m, bearing))
    computed = DriveToGoal().judge(base(**where)).values
    assert computed["goal_distance"] == pytest.approx(distance_m)
    assert math.atan2(computed["goal_left"], computed["goal_ahead"]) == pytest.approx(bearing)


def test_all_that_is_declared_is_computed():
    declared = {name for spec in DriveToGoal.computes.values() for name in spec.names}
    assert DriveToGoal().judge(base()).values.keys() == declared


def test_reward_grows_towards_the_goal_and_is_whole_at_it():
    task = DriveToGoal()
    rewards = [task.judge(base(x=x)).reward for x in (-3.0, 0.0, 1.5, 2.5, 3.0)]
    assert rewards == sorted(rewards)
    assert rewards[-1] == pytest.approx(1.0)


@pytest.mark.parametrize(("nearest_m", "share"), [(math.inf, 1.0), (0.9, 1.0), (0.65, 0.75), (0.4, 0.5), (0.1, 0.5)])
def test_an_obstacle_near_by_costs_up_to_half(nearest_m, share):
    clear = DriveToGoal().judge(base()).reward
    assert DriveToGoal().judge(base(nearest_m=nearest_m)).reward == pytest.approx(share * clear)


def test_success_is_within_half_a_metre():
    assert DriveToGoal().judge(base(x=2.51)).success
    assert not DriveToGoal().judge(base(x=2.49)).success
