"""Limits as mathematics: what each shaper promises of every command."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robot_mbrl.config import CommandJoint
from robot_mbrl.control.outgoing import OutgoingCheck
from robot_mbrl.control.shaping import (
    STANDOFF,
    PositionShaper,
    RateShaper,
    VelocityShaper,
    braking_speed,
    clamp,
    to_action,
    to_command,
)

TICK_S = 0.01


def joint(**changes: float) -> CommandJoint:
    return CommandJoint.model_validate(
        {"name": "j", "unit": "", "low": -1.0, "high": 1.0, "max_rate": 2.0, "max_acceleration": 8.0} | changes
    )


def test_actions_map_onto_the_commands_bounds_and_back() -> None:
    asymmetric = joint(low=-1.0, high=3.0)
    assert [to_command(asymmetric, a) for a in (-1.0, 0.0, 1.0)] == [-1.0, 1.0, 3.0]
    assert [to_action(asymmetric, c) for c in (-1.0, 1.0, 3.0, 9.0)] == [-1.0, 0.0, 1.0, 1.0]


def test_clamp_lets_no_nan_through() -> None:
    # min and max would.
    assert clamp(math.nan, -1.0, 1.0) == -1.0
    assert clamp(math.inf, -1.0, 1.0) == 1.0


def test_braking_speed_is_that_of_the_distance() -> None:
    assert braking_speed(0.5, 4.0, 0.0) == pytest.approx(math.sqrt(2 * 4.0 * 0.5))
    # Kept for the reaction time and then braked, it needs exactly the distance.
    speed = braking_speed(0.5, 4.0, 0.1)
    assert speed * 0.1 + speed**2 / (2 * 4.0) == pytest.approx(0.5)
    assert braking_speed(-0.1, 4.0, 0.0) == 0.0


def test_position_comes_to_rest_exactly_at_its_target() -> None:
    shaper = PositionShaper(joint(), 0.0)
    path = [shaper.advance(0.7, TICK_S) for _ in range(100)]
    assert path[-1] == 0.7
    assert shaper.rate == 0.0
    assert max(path) == 0.7
    # As fast as the limits allow: a ramp up and down at 8 rad/s² up to 2 rad/s takes 0.6 s.
    assert path.index(0.7) * TICK_S == pytest.approx(0.7 / 2.0 + 2.0 / 8.0, abs=2 * TICK_S)


def test_pace_spreads_a_move_over_the_step() -> None:
    shaper = PositionShaper(joint(max_acceleration=1000.0), 0.0)
    path = [shaper.advance(0.05, TICK_S, pace=1.0) for _ in range(5)]
    assert path == pytest.approx([0.01, 0.02, 0.03, 0.04, 0.05], abs=6e-3)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(
    start=st.floats(-1, 1),
    targets=st.lists(
        st.tuples(st.floats(-2, 2), st.sampled_from([1e-6, 0.002, 0.01, 0.013, 0.05, 0.3])), min_size=5, max_size=60
    ),
)
def test_position_path_keeps_every_limit_whatever_the_targets_and_ticks(
    start: float, targets: list[tuple[float, float]]
) -> None:
    limits = joint()
    shaper, check = PositionShaper(limits, start), OutgoingCheck(limits, of_position=True)
    check.send(start, TICK_S)
    for target, dt_s in targets:
        rate_before = shaper.rate
        value = shaper.advance(target, dt_s)
        assert -1.0 <= value <= 1.0
        assert abs(shaper.rate) <= limits.max_rate * (1 + 1e-12)
        assert abs(shaper.rate - rate_before) <= limits.max_acceleration * dt_s * (1 + 1e-9)
        # It can still brake before either bound.
        room = 1.0 - value if shaper.rate > 0 else value + 1.0
        assert shaper.rate**2 <= 2 * limits.max_acceleration * room + 1e-9
        assert check.fault(value, dt_s) == ""
        check.send(value, dt_s)


def test_rate_limits_the_change_of_a_command() -> None:
    shaper = RateShaper(joint(max_rate=10.0))
    assert shaper.advance(1.0, 0.05) == 0.5
    assert shaper.limit == "rate"
    assert shaper.advance(1.0, 0.05) == 1.0
    assert shaper.limit == ""
    assert shaper.advance(math.nan, 0.05) == 0.5


def test_velocity_is_braked_towards_a_bound_and_free_away_from_it() -> None:
    bounded = joint(low=-3.0, high=3.0, max_rate=1000.0, position_low=-2.0, position_high=2.0, braking=4.0)
    away, towards = VelocityShaper(bounded), VelocityShaper(bounded)
    assert away.advance_at(-3.0, TICK_S, position=1.9, age_s=0.0, period_s=0.0) == -3.0
    room = 2.0 - 1.9 - STANDOFF * 4.0
    speed = towards.advance_at(3.0, TICK_S, position=1.9, age_s=0.0, period_s=0.0)
    assert speed == pytest.approx(math.sqrt(2 * 4.0 * room))
    assert towards.limit == "braking"
    # Beyond the bound, only the way back is open.
    assert VelocityShaper(bounded).advance_at(3.0, TICK_S, position=2.1, age_s=0.0, period_s=0.0) == 0.0


def test_old_measurements_make_velocities_more_careful() -> None:
    bounded = joint(low=-3.0, high=3.0, max_rate=20.0, position_low=-2.0, position_high=2.0, braking=4.0)
    fresh, old = VelocityShaper(bounded, 0.5), VelocityShaper(bounded, 0.5)
    wish = {"target": 3.0, "dt_s": 1.0, "position": 1.5, "period_s": TICK_S}
    assert old.advance_at(age_s=0.1, **wish) < fresh.advance_at(age_s=0.0, **wish)


@pytest.mark.parametrize(
    ("value", "dt_s", "complaint"),
    [
        (math.nan, TICK_S, "not finite"),
        (1.1, TICK_S, "not within"),
        (0.5, TICK_S, "faster"),
        (0.02, TICK_S, "accelerates"),
        (0.0004, TICK_S, ""),
    ],
)
def test_final_assertion_knows_the_limits_by_itself(value: float, dt_s: float, complaint: str) -> None:
    check = OutgoingCheck(joint(), of_position=True)
    check.send(0.0, TICK_S)
    assert complaint in check.fault(value, dt_s)
    assert bool(check.fault(value, dt_s)) == bool(complaint)
