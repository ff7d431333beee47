"""How simulated time passes: at a pace that steady time sets, or step by step."""

import math
from itertools import pairwise

import pytest

from sim.lockstep import LOST_COMMAND_S, REPEAT_S, SETTLE_S, Lockstep
from sim.paced import LONGEST_LAG_S, Paced
from sim.simulation import Simulation
from sim.worlds import make_world

START_NS = 1_000_000_000_000
PERIOD_NS = 50_000_000
DRIVER_TIMEOUT_S = 0.25


class Bench:
    """A cart-pole, and the stamps and speeds that it published."""

    def __init__(self):
        self.world = make_world("cartpole")
        self.stamps = []
        self.speeds = []
        self.simulation = Simulation(self.world, 0, START_NS, self.publish)

    def publish(self, stamp_ns):
        self.stamps.append(stamp_ns)
        self.speeds.append(self.world.read("joints").velocity[0])

    def pace(self, speed=1.0):
        return Paced(self.simulation, speed=speed, sensor_rate_hz=100.0, driver_timeout_s=DRIVER_TIMEOUT_S, now_s=0.0)

    def wait(self, **choices):
        return Lockstep(self.simulation, period_ns=PERIOD_NS, now_s=0.0, **choices)


@pytest.fixture
def bench():
    bench = Bench()
    yield bench
    bench.world.close()


def run(time, until_s, step_s=0.004):
    """Look after a paced simulation as its node does, and a little late."""
    steps = round(until_s / step_s)
    for step in range(1, steps + 1):
        if time.next_deadline_s() <= step * step_s:
            time.on_deadline(step * step_s)


def test_paced_readings_lie_on_a_grid_however_late_they_are_looked_after(bench):
    run(bench.pace(), 1.0, step_s=0.007)
    assert bench.stamps == [START_NS + k * 10_000_000 for k in range(len(bench.stamps))]
    assert len(bench.stamps) >= 99


def test_paced_time_passes_at_the_speed_asked_for(bench):
    run(bench.pace(speed=5.0), 1.0)
    assert bench.simulation.now_ns - START_NS == pytest.approx(5e9, abs=3e7)


def test_a_command_acts_from_its_arrival_on(bench):
    time = bench.pace()
    time.command({"slider": 10.0}, 0.106)
    time.on_deadline(0.1999)
    assert bench.stamps[-1] == START_NS + 190_000_000
    # 84 ms at 10 N on about 1 kg; the pole takes part with a tenth of that at most.
    assert 10.0 / 1.1 * 0.084 * 0.95 < bench.speeds[-1] < 10.0 * 0.084 * 1.05
    assert bench.speeds[10] == 0.0


def test_drives_brake_when_the_drivers_timeout_has_passed(bench):
    time = bench.pace()
    time.command({"slider": 10.0}, 0.0)
    run(time, 0.24)
    assert not bench.simulation.braking
    run(time, 1.2)
    assert bench.simulation.braking
    assert bench.speeds[25] > 2.0
    assert abs(bench.speeds[-1]) < 0.01
    assert max(bench.speeds) == max(bench.speeds[24:27])


def test_drivers_timeout_is_shorter_where_time_is_faster(bench):
    time = bench.pace(speed=5.0)
    time.command({"slider": 10.0}, 0.0)
    run(time, 0.06)
    assert bench.simulation.braking


def test_a_reset_leaves_braked_drives_braked_and_time_going_on(bench):
    time = bench.pace()
    run(time, 0.1)
    reset_ns = time.reset(0.105)
    assert reset_ns == START_NS + 105_000_000
    run(time, 0.3)
    assert bench.simulation.braking
    assert all(a < b for a, b in pairwise(bench.stamps))


def test_a_simulation_that_stood_still_goes_on_from_there(bench):
    time = bench.pace()
    run(time, 0.1)
    time.on_deadline(10.0)
    assert bench.simulation.now_ns - START_NS < 0.4e9
    assert time.slipped_s == pytest.approx(9.9, abs=LONGEST_LAG_S)
    time.on_deadline(10.011)
    assert time.slipped_s == pytest.approx(9.9, abs=LONGEST_LAG_S)


def test_lockstep_needs_the_command_and_the_applied_action(bench):
    time = bench.wait()
    time.command({"slider": 10.0}, 0.0)
    assert bench.stamps == [START_NS]
    time.applied(START_NS, 0.01)
    assert bench.stamps == [START_NS, START_NS + PERIOD_NS]
    time.applied(START_NS + PERIOD_NS, 0.02)
    assert len(bench.stamps) == 2
    time.command({"slider": 10.0}, 0.03)
    assert len(bench.stamps) == 3
    assert time.taken == 2
    assert bench.speeds[1:] == pytest.approx([0.48, 0.96], rel=0.05)


def test_lockstep_ignores_what_was_applied_at_other_steps(bench):
    time = bench.wait()
    time.command({"slider": 0.0}, 0.0)
    time.applied(START_NS - PERIOD_NS, 0.0)
    time.applied(START_NS + PERIOD_NS, 0.0)
    assert bench.stamps == [START_NS]


def test_lockstep_repeats_readings_that_may_not_have_been_heard(bench):
    time = bench.wait()
    assert time.next_deadline_s() == REPEAT_S
    time.on_deadline(REPEAT_S)
    assert bench.stamps == [START_NS, START_NS]


def test_lockstep_does_not_wait_for_ever_for_a_lost_command(bench):
    time = bench.wait()
    time.applied(START_NS, 0.0)
    time.on_deadline(LOST_COMMAND_S * 0.99)
    assert set(bench.stamps) == {START_NS}
    time.on_deadline(LOST_COMMAND_S)
    assert bench.stamps[-1] == START_NS + PERIOD_NS


@pytest.mark.parametrize("answered", [False, True])
def test_lockstep_reset_waits_for_the_end_of_the_step_and_takes_one_period(bench, answered):
    time = bench.wait()
    before = bench.world.read("joints").position
    assert time.reset(0.0) == START_NS
    if answered:
        time.command({"slider": 0.0}, 0.001)
        time.applied(START_NS, 0.001)
    else:
        time.on_deadline(SETTLE_S)
    assert bench.stamps == [START_NS, START_NS + PERIOD_NS]
    assert bench.world.read("joints").position != before
    assert bench.speeds == [0.0, 0.0]


def test_lockstep_takes_no_step_that_a_learner_which_is_still_starting_would_never_hear_of(bench):
    time = bench.wait(await_learner=True)
    time.command({"slider": 0.0}, 0.0)
    time.applied(START_NS, 0.0)
    time.on_deadline(100.0)
    assert set(bench.stamps) == {START_NS}
    # The learner has been there before, and has taken in this step already.
    time.allow(502, 100.0)
    assert bench.stamps[-1] == START_NS + PERIOD_NS


def test_lockstep_stops_at_the_learners_allowance_and_sleeps(bench):
    time = bench.wait()
    time.allow(501, 0.0)
    for step in range(3):
        time.command({"slider": 0.0}, 0.0)
        time.applied(START_NS + step * PERIOD_NS, 0.0)
        assert len(bench.stamps) == step + 1
        assert math.isinf(time.next_deadline_s())
        # The learner has taken this step in, too.
        time.allow(501 + step + 1, 0.0)
        assert len(bench.stamps) == step + 2
