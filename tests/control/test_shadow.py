"""A guard in shadow: it decides as ever, and expects no joint to follow."""

import pytest

from robot_mbrl.control.guard import Guard
from robot_mbrl.control.jogging import DONE
from robot_mbrl.specs import Source
from tests.control.guard_bench import GuardBench
from tests.control.robots import PERIOD_S


def shadowed(kind: str) -> GuardBench:
    bench = GuardBench(kind)
    bench.guard = Guard(bench.robot, PERIOD_S, enabled=True, shadow=True)
    return bench


@pytest.mark.parametrize("kind", ["position", "velocity", "effort"])
def test_joints_that_stand_still_are_no_fault_and_every_step_has_its_action(kind: str) -> None:
    bench = shadowed(kind)
    for _ in range(60):
        bench.step(1.0, 1.0)
    assert bench.guard.state == "moving (shadow)"
    assert len(bench.applied) == 60
    assert {action.source for action in bench.applied[5:]} == {Source.POLICY}
    assert not bench.guard.is_moving

    follower = GuardBench(kind)
    for _ in range(60):
        follower.step(1.0, 1.0)
    assert (follower.guard.state == "moving") is (kind == "effort"), "without shadow they must follow"


def test_nothing_is_jogged_and_home_is_not_waited_for() -> None:
    bench = shadowed("position")
    bench.run(0.3)
    bench.guard.jog(1, "a", 0.1, bench.now_s)
    assert "--shadow" in bench.guard.moves.jogging.told != DONE
    assert bench.guard.home(bench.now_s)
