"""Deadlines: no drift, no bursts, every skipped tick counted."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robot_mbrl.control.pacing import LATELY, LEAD_SLACK_S, LEAP_NS, LeadTime, Pacer, SimulatedTicks

PERIOD_NS = 50_000_000
GRACE_S, SLOW_GRACE_S = 0.005, 0.1


def test_ticks_do_not_drift_although_each_is_served_late() -> None:
    pacer = Pacer(0.1, start_s=5.0)
    for tick in range(1000):
        assert pacer.next_s == pytest.approx(5.0 + 0.1 * tick, abs=1e-9)
        assert pacer.advance(pacer.next_s + 0.03) == 0


def test_ticks_that_were_slept_through_are_skipped_and_counted() -> None:
    pacer = Pacer(0.1, start_s=0.0)
    assert pacer.advance(0.35) == 3
    assert pacer.next_s == pytest.approx(0.4)
    assert pacer.overruns == 3


@settings(deadline=None, derandomize=True, database=None)
@given(start_s=st.floats(0, 1e9), period_s=st.floats(1e-3, 10), lateness=st.lists(st.floats(0, 5), max_size=50))
def test_next_tick_is_always_ahead_and_within_a_period(start_s: float, period_s: float, lateness: list[float]) -> None:
    pacer = Pacer(period_s, start_s)
    for periods in lateness:
        now_s = pacer.next_s + periods * period_s
        pacer.advance(now_s)
        assert now_s - 1e-6 <= pacer.next_s <= now_s + period_s * (1 + 1e-9) + 1e-6


def test_period_must_be_positive() -> None:
    with pytest.raises(ValueError, match="positive"):
        Pacer(0.0, 0.0)


class Bench:
    """Readings that come and ticks that are taken, all in control periods."""

    def __init__(self, *, lockstep: bool = False) -> None:
        grace_s = math.inf if lockstep else GRACE_S
        slow_s = SLOW_GRACE_S if lockstep else GRACE_S
        self.ticks = SimulatedTicks(PERIOD_NS, grace_s=grace_s, slow_grace_s=slow_s)
        self.now_s = 0.0
        self.joints = self.pictures = -1

    def sense(self, period: float, *, pictures: bool = True) -> list[float]:
        """A reading of the joints, and of the camera if wanted, stamped at a period; returns the ticks taken."""
        self.joints = round(period * PERIOD_NS)
        if pictures:
            self.pictures = self.joints
        self.ticks.sensed(self.joints, self.now_s)
        return self.take()

    def pass_to(self, period: float) -> list[float]:
        self.ticks.passed(round(period * PERIOD_NS), self.now_s)
        return self.take()

    def take(self) -> list[float]:
        taken = []
        while (
            stamp_ns := self.ticks.due(
                self.now_s, lambda ns: self.joints >= ns, lambda ns: min(self.joints, self.pictures) >= ns
            )
        ) is not None:
            taken.append(stamp_ns / PERIOD_NS)
        return taken


def test_simulated_ticks_have_the_stamps_of_the_readings() -> None:
    bench = Bench()
    assert [bench.sense(0.3 + index) for index in range(3)] == [[0.3], [1.3], [2.3]]
    assert bench.sense(2.8) == []


def test_tick_waits_a_little_for_readings_of_its_time() -> None:
    bench = Bench()
    bench.sense(0)
    assert bench.pass_to(1) == []
    assert bench.ticks.deadline_s == pytest.approx(GRACE_S)
    bench.now_s += GRACE_S
    assert bench.take() == [1.0]
    assert bench.ticks.deadline_s is None


def test_lockstep_waits_for_joints_for_ever_and_for_pictures_a_while() -> None:
    bench = Bench(lockstep=True)
    bench.sense(0)
    bench.pass_to(1)
    bench.now_s += 1000.0
    assert bench.take() == []
    # Nothing is due before a message comes: the node may sleep.
    assert bench.ticks.deadline_s is None
    assert bench.sense(1, pictures=False) == [1.0]
    assert bench.sense(2, pictures=False) == []
    assert bench.ticks.deadline_s == pytest.approx(bench.now_s + SLOW_GRACE_S)
    bench.now_s += SLOW_GRACE_S
    assert bench.take() == [2.0]


def test_simulated_time_that_ran_ahead_skips_ticks() -> None:
    bench = Bench()
    bench.sense(0)
    assert bench.sense(4.5) == [4.0]
    assert bench.ticks.overruns == 3


def test_realigned_ticks_begin_with_the_first_reading_after() -> None:
    bench = Bench()
    bench.sense(0)
    bench.ticks.realign(round(1.2 * PERIOD_NS), bench.now_s)
    assert bench.sense(1.2) == []
    assert bench.sense(1.7) == [1.7]
    assert bench.sense(2.7) == [2.7]


def test_reading_that_overtook_the_realignment_counts() -> None:
    bench = Bench(lockstep=True)
    bench.sense(0)
    bench.joints = bench.pictures = round(1.3 * PERIOD_NS)
    bench.ticks.sensed(bench.joints, bench.now_s)
    bench.ticks.realign(round(1.2 * PERIOD_NS), bench.now_s)
    assert bench.take() == [1.3]
    assert bench.sense(2.3) == [2.3]


def test_simulator_started_anew_sets_its_own_phase() -> None:
    bench = Bench()
    bench.sense(0)
    later = 2 * LEAP_NS / PERIOD_NS + 0.4
    assert bench.sense(later) == [later]
    assert bench.ticks.overruns == 0


def test_work_begins_as_late_as_it_lately_could_be_done_in_time() -> None:
    lead = LeadTime(longest_s=0.025)
    assert lead.lead_s == 0.025
    lead.took(0.004)
    lead.took(0.002)
    assert 0.004 + LEAD_SLACK_S <= lead.lead_s <= 0.006 + LEAD_SLACK_S
    for _ in range(LATELY):
        lead.took(0.002)
    assert lead.lead_s < 0.004 + LEAD_SLACK_S
    lead.took(10.0)
    assert lead.lead_s == 0.025
