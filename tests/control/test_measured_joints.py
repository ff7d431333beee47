"""How far a joint can have moved between two readings, where simulated time is not that of here."""

import pytest

from robot_mbrl.control.measured import MeasuredJoints
from tests.control.robots import joint_state, robot

NAMES = ["a", "b"]


def measured(*, simulated: bool) -> MeasuredJoints:
    """Of joints that can move 3 and 1.5 rad a second."""
    config = robot("position")
    return MeasuredJoints(config.commands[0], config.sources["joints"], simulated=simulated)


@pytest.mark.parametrize(
    ("simulated", "stamps_apart_s", "is_possible"), [(True, 0.05, True), (True, 0.005, False), (False, 0.05, False)]
)
def test_a_simulator_that_hurries_moves_joints_as_far_as_its_time_allows(
    simulated: bool, stamps_apart_s: float, is_possible: bool
) -> None:
    """In lockstep fifty milliseconds of simulated time may pass in five; a real driver's stamps prove nothing."""
    joints = measured(simulated=simulated)
    joints.sense(joint_state(NAMES, [0.0, 0.0], stamp_s=10.0), 1.0)
    joints.sense(joint_state(NAMES, [0.14, 0.0], stamp_s=10.0 + stamps_apart_s), 1.005)
    assert (joints.leap == "") == is_possible
