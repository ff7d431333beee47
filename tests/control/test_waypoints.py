"""Way-points: each goal is told once the one before is reached, by what is observed."""

from robot_mbrl.control.waypoints import Waypoints
from robot_mbrl.steps import Observation, StepKey

GOALS = [{"x": 0.1, "y": 0.2}, {"x": 0.5}]


def observation(success: bool = False, **values: float) -> Observation:
    return Observation(StepKey("s", 1), {"x": 0.0, "y": 0.0} | values, {}, success=success)


def test_a_goal_is_known_once_an_observation_carries_all_of_it() -> None:
    waypoints = Waypoints(GOALS, await_last=True)
    assert not waypoints.observed(observation(x=0.1))
    assert waypoints.observed(observation(x=0.1, y=0.2))
    assert waypoints.goal == GOALS[0]


def test_the_next_is_told_when_the_task_has_said_for_some_steps_that_the_one_before_holds() -> None:
    waypoints = Waypoints(GOALS, await_last=True, reached_steps=3)
    there = observation(x=0.1, y=0.2, success=True)
    for seen in (there, there, observation(x=0.1, y=0.2), there, there):
        waypoints.observed(seen)
        assert waypoints.index == 0
    waypoints.observed(there)
    assert waypoints.goal == GOALS[1]


def test_success_at_an_older_goal_does_not_count_for_the_next() -> None:
    waypoints = Waypoints(GOALS, await_last=True, reached_steps=1)
    waypoints.observed(observation(x=0.1, y=0.2, success=True))
    waypoints.observed(observation(x=0.1, y=0.2, success=True))
    assert waypoints.goal == GOALS[1]
    waypoints.observed(observation(x=0.5, y=0.2, success=True))
    assert waypoints.goal is None


def test_a_single_goal_need_only_be_known_where_nobody_waits_for_it_to_be_reached() -> None:
    waypoints = Waypoints(GOALS[:1], await_last=False)
    waypoints.observed(observation())
    assert waypoints.goal == GOALS[0]
    waypoints.observed(observation(x=0.1, y=0.2))
    assert waypoints.goal is None
