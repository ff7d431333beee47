"""The final assertion finds by itself what a shaper would have to have done wrong."""

import math
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robot_mbrl.config import CommandConfig, CommandJoint
from robot_mbrl.control.command_interface import Command
from robot_mbrl.control.outgoing import Outgoing, OutgoingCheck

TICK_S = 0.01
LIMITS = {"max_rate": 2.0, "max_acceleration": 8.0, "max_jerk": 80.0}


def joint(**changes: float | None) -> CommandJoint:
    return CommandJoint.model_validate(
        {"name": "j", "unit": "", "low": -1.0, "high": 1.0, "max_rate": 2.0, "max_acceleration": 8.0} | changes
    )


def faults(check: OutgoingCheck, motion: Callable[[float], float], intervals: Sequence[float]) -> list[str]:
    """What is found wrong with a motion, as a function of time, that is sent at these intervals."""
    check.send(motion(0.0), TICK_S)
    found, time_s = [], 0.0
    for dt_s in intervals:
        time_s += dt_s
        found.append(check.fault(motion(time_s), dt_s))
        check.send(motion(time_s), dt_s)
    return [fault for fault in found if fault]


@pytest.mark.parametrize(
    ("value", "dt_s", "complaint"),
    [
        (math.nan, TICK_S, "not finite"),
        (1.1, TICK_S, "not within"),
        (0.5, TICK_S, "faster"),
        (0.02, TICK_S, "accelerates"),
        (0.0003, TICK_S, "its acceleration changes"),
        (0.00001, TICK_S, ""),
    ],
)
def test_it_knows_the_limits_by_itself(value: float, dt_s: float, complaint: str) -> None:
    check = OutgoingCheck(joint(max_jerk=80.0), of_position=True)
    check.send(0.0, TICK_S)
    assert complaint in check.fault(value, dt_s)
    assert bool(check.fault(value, dt_s)) == bool(complaint)


def ramp(order: int, size: float) -> Callable[[float], float]:
    """A motion whose rate (1), acceleration (2) or jerk (3) is of this size from rest on."""
    return lambda time_s: size * time_s**order / math.factorial(order)


def fastest(time_s: float) -> float:
    """From rest: at the greatest jerk up to the greatest acceleration, and with that up to the greatest rate."""
    jerk_s, speeding_s = LIMITS["max_acceleration"] / LIMITS["max_jerk"], 0.2
    position, rate, acceleration = -1.0, 0.0, 0.0
    for length_s, jerk in ((jerk_s, 80.0), (speeding_s - jerk_s, 0.0), (jerk_s, -80.0), (math.inf, 0.0)):
        passed_s = min(time_s, length_s)
        position += rate * passed_s + acceleration * passed_s**2 / 2 + jerk * passed_s**3 / 6
        rate += acceleration * passed_s + jerk * passed_s**2 / 2
        acceleration += jerk * passed_s
        time_s -= passed_s
    return position


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(intervals=st.lists(st.floats(1e-6, 0.03), min_size=8, max_size=40))
def test_a_motion_at_its_limits_is_let_through_whatever_the_intervals(intervals: list[float]) -> None:
    assert faults(OutgoingCheck(joint(**LIMITS), of_position=True), fastest, intervals) == []


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(
    intervals=st.lists(st.floats(0.002, 0.03), min_size=10, max_size=30),
    limit=st.sampled_from([(2, "max_acceleration"), (3, "max_jerk")]),
    excess=st.floats(1.05, 5.0),
)
def test_a_motion_beyond_a_limit_is_found_at_once(
    intervals: list[float], limit: tuple[int, str], excess: float
) -> None:
    order, name = limit
    alone = joint(low=-9.0, high=9.0, **{"max_rate": 1e6, "max_acceleration": 1e6} | {name: LIMITS[name]})
    check = OutgoingCheck(alone, of_position=True)
    assert len(faults(check, ramp(order, excess * LIMITS[name]), intervals)) == len(intervals)


def test_it_may_move_from_rest_again_after_it_has_settled() -> None:
    check = OutgoingCheck(joint(**LIMITS), of_position=True)
    assert faults(check, ramp(3, 80.0), [TICK_S] * 5) == []
    newest = check.sent
    assert newest is not None
    # To stand still at once is no motion that a joint could follow; having rested there is.
    assert "accelerat" in check.fault(newest, TICK_S)
    check.settle()
    assert check.fault(newest, TICK_S) == ""
    assert check.fault(newest + 80.0 * TICK_S**3 / 6, TICK_S) == ""
    assert "acceleration changes" in check.fault(newest + 90.0 * TICK_S**3 / 6, TICK_S)


@pytest.mark.parametrize(
    ("value", "stopping", "allowed"),
    [
        (0.4, True, True),
        (0.0, True, True),
        (0.4, False, False),
        (-0.01, True, False),
        (0.9, True, False),
        (0.79, False, True),
    ],
    ids=["fall", "fall to 0", "fall without a stop", "beyond 0", "rise", "usual"],
)
def test_stop_rate_is_for_stops_alone_and_only_towards_zero(value: float, stopping: bool, allowed: bool) -> None:
    joints = tuple(joint(max_rate=1.0, stop_rate=100.0, name=name) for name in "ab")
    config = CommandConfig(topic="efforts", type="std_msgs/msg/Float64MultiArray", kind="effort", joints=joints)
    outgoing = Outgoing(config)
    for sign in (1.0, -1.0):
        outgoing.send([0.8 * sign, 0.0], TICK_S)
        fault = outgoing.fault(Command(config, (value * sign, 0.0)), TICK_S, stopping=stopping)
        assert (fault == "") == allowed


def test_positions_have_no_stop_rate_of_their_own() -> None:
    check = OutgoingCheck(joint(), of_position=True)
    check.send(0.5, TICK_S)
    assert "faster" in check.fault(0.4, TICK_S, stopping=True)


@pytest.mark.parametrize(
    ("further", "stopping", "complaint"),
    [
        ({"kp": (80.0, 80.0), "kd": (2.0, 1.0)}, False, ""),
        ({"kp": (0.0, 0.0), "kd": (5.0, 5.0)}, True, ""),
        ({"kp": (80.0, 80.0), "kd": (2.0, 1.0)}, True, "a: kp is 80.0, not 0.0"),
        ({"kp": (0.0, 0.0), "kd": (5.0, 5.0)}, False, "a: kp is 0.0, not 80.0"),
        ({"kp": (80.0, 800.0), "kd": (2.0, 1.0)}, False, "b: kp is 800.0, not 80.0"),
        ({"kp": (80.0, 80.0), "kd": (2.0, math.nan)}, False, "b: kd is nan, not 1.0"),
        ({"kp": (80.0, 80.0)}, False, "interfaces ['kp'] are commanded, not ['kd', 'kp']"),
    ],
)
def test_gains_are_asserted_to_be_those_of_the_yaml(further: dict, stopping: bool, complaint: str) -> None:
    joints = (joint(name="a", max_following_error=1.0), joint(name="b", max_following_error=1.0, constants={"kd": 1.0}))
    config = CommandConfig(
        topic="positions",
        type="std_msgs/msg/Float64MultiArray",
        kind="position",
        source="joints",
        interfaces=("position", "kp", "kd"),
        constants={"kp": 80.0, "kd": 2.0},
        stop_constants={"kp": 0.0, "kd": 5.0},
        joints=joints,
    )
    fault = Outgoing(config, (0.0, 0.0)).fault(Command(config, (0.0, 0.0), further), TICK_S, stopping=stopping)
    assert complaint in fault if complaint else fault == ""
