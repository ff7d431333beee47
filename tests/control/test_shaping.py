"""Limits as mathematics: what each shaper promises of every command."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, given, settings
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
    resting_bounds,
    to_action,
    to_command,
)

TICK_S = 0.01
EXAMPLES = 100


def joint(**changes: float | None) -> CommandJoint:
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


# Positions.

scales = st.floats(0.3, 3.0)


@st.composite
def position_joints(draw: st.DrawFn, *, jerk: bool) -> CommandJoint:
    """Joints of every temper, slow and gentle to fast and sharp, with bounds of their own or without."""
    rate, acceleration = 2.0 * draw(scales), 8.0 * draw(scales)
    # From a jerk that governs all of a move to one that is hardly seen.
    limits = {"max_jerk": acceleration * draw(st.sampled_from([3.0, 10.0, 40.0, 300.0]))} if jerk else {}
    bounds = draw(st.sampled_from([{}, {"position_low": -0.9, "position_high": 1.2}]))
    return joint(max_rate=rate, max_acceleration=acceleration, **limits, **bounds)


tick_s = st.sampled_from([0.0, 1e-6, 5e-4, 0.002, 0.004, 0.01, 0.013, 0.03, 0.3])
targets = st.one_of(st.floats(-2, 2), st.sampled_from([-1.0, 0.0, 1.0, math.inf]))
paces = st.one_of(st.just(math.inf), st.floats(0, 4), st.sampled_from([0.0, 1e-12, 0.2]))
moves = st.lists(st.tuples(targets, paces, tick_s, st.integers(1, 12)), min_size=1, max_size=40)
JERK = pytest.mark.parametrize("jerk", [False, True], ids=["any jerk", "bounded jerk"])


def hypothetically(**strategies: Any) -> Any:
    """Examples enough for limits that are to hold always."""
    given_these = given(**strategies)
    return lambda test: settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None)(
        given_these(test)
    )


class Trace:
    """Commands and when they are sent."""

    def __init__(self, limits: CommandJoint, start: float) -> None:
        self.limits, self.shaper = limits, PositionShaper(limits, start)
        self.times_s, self.values = [0.0], [start]
        self.check = OutgoingCheck(limits, of_position=True)
        self.check.send(start, TICK_S)

    def follow(self, moves: Sequence[tuple[float, float, float, int]]) -> "Trace":
        """Move towards a target at a pace, by a number of ticks of a length; then to the next."""
        for target, pace, dt_s, ticks in moves:
            for _ in range(ticks):
                self.add(self.shaper.advance(target, dt_s, pace), dt_s)
        return self

    def brake(self, dt_s: float, patience_s: float = 60.0) -> list[float]:
        """Brake until it rests; returns the commands from the last before on."""
        begin = len(self.values) - 1
        while not self.shaper.at_rest:
            self.add(self.shaper.brake(dt_s), dt_s)
            assert dt_s * (len(self.values) - begin) < patience_s, "it does not come to rest"
        return self.values[begin:]

    def add(self, value: float, dt_s: float) -> None:
        assert self.check.fault(value, dt_s) == ""
        self.check.send(value, dt_s)
        self.times_s.append(self.times_s[-1] + dt_s)
        self.values.append(value)


def assert_smooth(trace: Trace, shortest_s: float) -> None:
    """By divided differences of what was sent, which no trajectory within the limits exceeds at any instant.

    Those over less than `shortest_s` are rounding.
    """
    limits = trace.limits
    # Before the first command it rests.
    rest = [-3.0, -2.0, -1.0]
    times, values = rest + trace.times_s, [trace.values[0]] * len(rest) + trace.values
    kept = [0]
    for index, time_s in enumerate(times):
        if time_s >= times[kept[-1]] + shortest_s:
            kept.append(index)
    points = [(times[index], values[index]) for index in kept]
    slopes = [((t1 + t0) / 2, (x1 - x0) / (t1 - t0), t0, t1) for (t0, x0), (t1, x1) in pairwise(points)]
    bends = [(2 * (b[1] - a[1]) / (b[3] - a[2]), a[2], b[3]) for a, b in pairwise(slopes)]
    assert max(abs(slope) for _, slope, _, _ in slopes) <= limits.max_rate * (1 + 1e-6)
    assert limits.max_acceleration is not None
    assert max(abs(bend) for bend, _, _ in bends) <= limits.max_acceleration * (1 + 1e-5)
    if limits.max_jerk is not None:
        jerks = [abs(b[0] - a[0]) * 3 / (b[2] - a[1]) for a, b in pairwise(bends)]
        assert max(jerks) <= limits.max_jerk * (1 + 1e-3)


def shortest_s(distance: float, limits: CommandJoint) -> float:
    """The time-optimal duration of a move from rest to rest."""
    v, a, j = limits.max_rate, limits.max_acceleration, limits.max_jerk
    assert a is not None
    if j is None:
        return distance / v + v / a if distance >= v * v / a else 2 * math.sqrt(distance / a)
    ramp_s = v / a + a / j if v * j >= a * a else 2 * math.sqrt(v / j)
    if distance >= v * ramp_s:
        return distance / v + ramp_s
    if distance >= 2 * a**3 / j**2:
        return a / j + math.sqrt((a / j) ** 2 + 4 * distance / a)
    return 4 * math.cbrt(distance / (2 * j))


@JERK
def test_position_keeps_every_limit_whatever_the_targets_paces_and_ticks(jerk: bool) -> None:
    moved = []

    @hypothetically(limits=position_joints(jerk=jerk), start=st.floats(-0.85, 0.95), moves=moves)
    def whatever(limits: CommandJoint, start: float, moves: list[tuple[float, float, float, int]]) -> None:
        trace = Trace(limits, start).follow(moves)
        low, high = resting_bounds(limits)
        assert low <= min(trace.values) and max(trace.values) <= high
        assert_smooth(trace, 5e-4)
        moved.append(max(trace.values) - min(trace.values))

    whatever()
    # Limits of a joint that always stands still would be no test.
    assert sum(way > 0.05 for way in moved) > len(moved) / 4


@JERK
def test_position_keeps_every_limit_between_the_ticks_too(jerk: bool) -> None:
    """Every command period is looked at in ten parts: what is planned is followed, however finely it is asked for."""

    @hypothetically(
        limits=position_joints(jerk=jerk),
        start=st.floats(-0.85, 0.95),
        moves=st.lists(st.tuples(targets, paces, st.just(0.001), st.just(10)), min_size=5, max_size=40),
    )
    def whatever(limits: CommandJoint, start: float, moves: list[tuple[float, float, float, int]]) -> None:
        assert_smooth(Trace(limits, start).follow(moves), 5e-4)

    whatever()


@JERK
def test_a_stop_only_brakes_and_ends_where_it_was_said_to(jerk: bool) -> None:
    @hypothetically(limits=position_joints(jerk=jerk), start=st.floats(-0.85, 0.95), moves=moves, dt_s=tick_s)
    def whatever(limits: CommandJoint, start: float, moves: list[tuple[float, float, float, int]], dt_s: float) -> None:
        assume(dt_s > 1e-4)
        trace = Trace(limits, start).follow(moves)
        predicted, begin_s = trace.shaper.stopping_point, trace.times_s[-1]
        stop = trace.brake(dt_s)
        assert trace.values[-1] == pytest.approx(predicted, abs=1e-9)
        # Not by a hair does it go back.
        way = math.copysign(1.0, predicted - stop[0])
        assert all(way * (after - before) >= -1e-12 for before, after in pairwise(stop))
        low, high = resting_bounds(limits)
        assert low <= min(stop) and max(stop) <= high
        assert_smooth(trace, 5e-4)
        # No longer than full speed takes at full acceleration, jerk included.
        assert limits.max_acceleration is not None
        slowest_s = limits.max_rate / limits.max_acceleration
        if limits.max_jerk is not None:
            slowest_s += 3 * limits.max_acceleration / limits.max_jerk
        assert trace.times_s[-1] - begin_s <= slowest_s + 2 * dt_s
        assert trace.shaper.brake(dt_s) == trace.values[-1]

    whatever()


@JERK
def test_position_comes_from_rest_to_a_target_as_fast_as_the_limits_allow_and_never_beyond(jerk: bool) -> None:
    @hypothetically(
        limits=position_joints(jerk=jerk),
        start=st.floats(-0.85, 0.95),
        target=st.floats(-0.85, 0.95),
        dt_s=st.sampled_from([0.002, 0.01, 0.03]),
    )
    def whatever(limits: CommandJoint, start: float, target: float, dt_s: float) -> None:
        ticks = math.ceil(shortest_s(abs(target - start), limits) / dt_s) + 1
        trace = Trace(limits, start).follow([(target, math.inf, dt_s, ticks)])
        assert trace.values[-1] == target
        assert min(start, target) <= min(trace.values) and max(trace.values) <= max(start, target)
        assert_one_hump(trace.values)

    whatever()


def assert_one_hump(values: Sequence[float]) -> None:
    """It speeds up, keeps its speed and slows down, each once: nothing trembles."""
    ways = [abs(after - before) for before, after in pairwise(values)]
    fastest = ways.index(max(ways))
    assert all(after >= before - 1e-8 for before, after in pairwise(ways[: fastest + 1]))
    assert all(after <= before + 1e-8 for before, after in pairwise(ways[fastest:]))


@pytest.mark.parametrize(("max_rate", "max_acceleration", "max_jerk"), [(0.625, 24.0, None), (0.6015625, 20.0, 800.0)])
def test_rounding_at_full_speed_does_not_make_it_brake_early(
    max_rate: float, max_acceleration: float, max_jerk: float | None
) -> None:
    limits = joint(max_rate=max_rate, max_acceleration=max_acceleration, max_jerk=max_jerk)
    ticks = math.ceil(shortest_s(0.5, limits) / 0.03) + 1
    trace = Trace(limits, 0.0).follow([(0.5, math.inf, 0.03, ticks)])
    assert trace.values[-1] == 0.5
    assert_one_hump(trace.values)


@JERK
def test_position_arrives_wherever_it_was_going_before(jerk: bool) -> None:
    @hypothetically(
        limits=position_joints(jerk=jerk),
        start=st.floats(-0.85, 0.95),
        before=moves,
        target=st.floats(-0.85, 0.95),
        dt_s=st.sampled_from([0.002, 0.01, 0.03]),
    )
    def whatever(
        limits: CommandJoint, start: float, before: list[tuple[float, float, float, int]], target: float, dt_s: float
    ) -> None:
        trace = Trace(limits, start).follow(before)
        # No longer than braking first and going there from rest; braking takes at most this long.
        end, assured = trace.shaper.stopping_point, limits.max_acceleration
        assert assured is not None
        braking_s = limits.max_rate / assured + (3 * assured / limits.max_jerk if limits.max_jerk else 0.0)
        ticks = math.ceil((braking_s + shortest_s(abs(target - end), limits)) / dt_s) + 3
        trace.follow([(target, math.inf, dt_s, ticks)])
        assert trace.values[-1] == pytest.approx(target, abs=1e-9)
        assert trace.shaper.rate == 0.0

    whatever()


@pytest.mark.parametrize("max_jerk", [None, 80.0])
def test_position_comes_to_rest_exactly_at_its_target(max_jerk: float | None) -> None:
    limits = joint(max_jerk=max_jerk)
    shaper = PositionShaper(limits, 0.0)
    path = [shaper.advance(0.7, TICK_S) for _ in range(100)]
    assert path[-1] == max(path) == 0.7
    assert shaper.rate == 0.0
    # A ramp up and down at 8 rad/s² up to 2 rad/s takes 0.6 s; ten times the acceleration's jerk adds 0.1 s.
    assert path.index(0.7) * TICK_S == pytest.approx(0.6 if max_jerk is None else 0.7, abs=2 * TICK_S)


def test_pace_spreads_a_move_over_the_step() -> None:
    shaper = PositionShaper(joint(max_acceleration=1000.0), 0.0)
    path = [shaper.advance(0.05, TICK_S, pace=1.0) for _ in range(5)]
    assert path == pytest.approx([0.01, 0.02, 0.03, 0.04, 0.05], abs=6e-3)


@pytest.mark.parametrize("max_jerk", [None, 80.0])
def test_a_lower_pace_is_come_down_to_within_the_limits(max_jerk: float | None) -> None:
    trace = Trace(joint(low=-9.0, high=9.0, max_jerk=max_jerk), 0.0).follow([(9.0, math.inf, TICK_S, 80)])
    assert trace.shaper.rate == pytest.approx(2.0)
    trace.follow([(9.0, 0.2, TICK_S, 40)])
    assert trace.shaper.rate == pytest.approx(0.2)
    assert_smooth(trace, 5e-4)


def test_what_ruckig_refuses_to_plan_is_braked_for() -> None:
    # It cannot do with numbers of that size, and raises.
    shaper = PositionShaper(joint(max_jerk=1e300), 0.3)
    assert {shaper.advance(1.0, TICK_S) for _ in range(10)} == {0.3}
    assert shaper.limit == "braking"


def test_position_says_what_kept_it_from_its_target() -> None:
    shaper, limits = PositionShaper(joint(max_jerk=80.0), 0.0), []
    for target in [1.5] + [1.0] * 60 + [-1.0]:
        shaper.advance(target, TICK_S)
        limits.append(shaper.limit)
    assert limits[0] == "position_bound"
    assert [limits[1], *(after for before, after in pairwise(limits[1:]) if after != before)] == [
        "jerk",
        "acceleration",
        "jerk",
        "rate",
        "",
        "braking",
    ]


@pytest.mark.parametrize("max_jerk", [None, 80.0])
def test_position_rests_a_stand_off_short_of_the_joints_bounds(max_jerk: float | None) -> None:
    bounded = joint(max_jerk=max_jerk, position_low=-0.8, position_high=0.9)
    for target, rest in ((math.inf, 0.9 - STANDOFF * 1.7), (-math.inf, -0.8 + STANDOFF * 1.7)):
        trace = Trace(bounded, 0.0).follow([(target, math.inf, TICK_S, 200)])
        assert trace.values[-1] == rest
        assert trace.shaper.limit == "position_bound"


@pytest.mark.parametrize("start", [0.8999, 0.9])
def test_a_joint_found_within_the_stand_off_stays_or_moves_inwards(start: float) -> None:
    bounded = joint(position_low=-0.8, position_high=0.9, max_jerk=80.0)
    trace = Trace(bounded, start).follow([(1.0, math.inf, TICK_S, 20), (start, math.inf, TICK_S, 20)])
    assert set(trace.values) == {start}
    trace.follow([(0.5, math.inf, TICK_S, 100), (1.0, math.inf, TICK_S, 100)])
    # Having left it, it does not come back into it.
    assert trace.values[-1] == 0.9 - STANDOFF * 1.7
    assert min(trace.values) == 0.5


def test_position_brakes_for_a_target_that_is_no_number() -> None:
    trace = Trace(joint(max_jerk=80.0), 0.0).follow([(1.0, math.inf, TICK_S, 20)])
    end = trace.shaper.stopping_point
    trace.follow([(math.nan, math.inf, TICK_S, 60)])
    assert trace.values[-1] == end
    assert trace.shaper.at_rest


def test_settling_rests_at_the_newest_command() -> None:
    shaper = PositionShaper(joint(max_jerk=80.0), 0.0)
    for _ in range(20):
        shaper.advance(1.0, TICK_S)
    assert shaper.stopping_point > shaper.value
    shaper.settle()
    assert shaper.stopping_point == shaper.value == shaper.brake(TICK_S)


# Velocities, efforts and twists.


def test_rate_limits_the_change_of_a_command() -> None:
    shaper = RateShaper(joint(max_rate=10.0))
    assert shaper.advance(1.0, 0.05) == 0.5
    assert shaper.limit == "rate"
    assert shaper.advance(1.0, 0.05) == 1.0
    assert shaper.limit == ""
    assert shaper.advance(math.nan, 0.05) == 0.5


def test_a_stop_falls_towards_zero_at_its_own_rate_and_rises_at_the_usual_one() -> None:
    shaper = RateShaper(joint(max_rate=1.0, stop_rate=50.0), 0.8)
    assert shaper.brake(TICK_S) == pytest.approx(0.3)
    # An effort that damps may be on the other side: 0 once, then as usual.
    assert [shaper.brake(TICK_S, target=-0.5) for _ in range(3)] == pytest.approx([0.0, -0.01, -0.02])
    assert shaper.brake(TICK_S) == 0.0
    assert RateShaper(joint(max_rate=1.0), 0.8).brake(TICK_S) == pytest.approx(0.79)


@settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None)
@given(
    steps=st.lists(st.tuples(st.booleans(), st.floats(-2, 2), st.floats(1e-6, 0.1)), min_size=1, max_size=40),
    stop_rate=st.sampled_from([None, 1.0, 7.0, 1e4]),
)
def test_commands_change_no_faster_than_allowed_in_and_out_of_stops(
    steps: list[tuple[bool, float, float]], stop_rate: float | None
) -> None:
    limits = joint(max_rate=1.0, stop_rate=stop_rate)
    shaper, check = RateShaper(limits), OutgoingCheck(limits, of_position=False)
    check.send(0.0, TICK_S)
    for stopping, target, dt_s in steps:
        value = shaper.brake(dt_s, target) if stopping else shaper.advance(target, dt_s)
        assert check.fault(value, dt_s, stopping=stopping) == ""
        check.send(value, dt_s)


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
