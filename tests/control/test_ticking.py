"""Stamps and ages of a real robot's ticks and of a simulated one's."""

from types import SimpleNamespace

import pytest

from robot_mbrl import messages
from robot_mbrl.config import RobotConfig
from robot_mbrl.control.observing import Observer
from robot_mbrl.control.ticking import CLOCK_RESTART_NS, RealTicker, SimulatedTicker, Tick
from robot_mbrl.messages import NANOSECONDS
from tests.control.robots import joint_state, robot

PERIOD_S = 0.05
PERIOD_NS = 50_000_000
START_NS = 1_700_000_000 * NANOSECONDS
VECTOR = {"arm": {"source": "joints", "elements": [{"name": "x", "field": "position", "joint": "a"}]}}


def observer() -> Observer:
    return Observer(RobotConfig.model_validate(robot("velocity").model_dump() | {"vectors": VECTOR}))


class Wall:
    """A wall clock that somebody may set."""

    def __init__(self) -> None:
        self.ns = START_NS

    def __call__(self) -> int:
        return self.ns


def real_ticks(wall: Wall, ticker: RealTicker, count: int, late_s: float = 0.0) -> list[Tick]:
    taken = []
    for _ in range(count):
        now_s = ticker.deadline_s + late_s
        tick = ticker.due(now_s, observer())
        assert tick is not None
        taken.append(tick)
        wall.ns += PERIOD_NS
    return taken


def test_a_real_robots_ticks_are_stamped_with_wall_time() -> None:
    wall = Wall()
    ticker = RealTicker(PERIOD_S, 7.0, wall)
    assert ticker.due(6.99, observer()) is None
    ticks = real_ticks(wall, ticker, 3)
    assert [tick.stamp_ns for tick in ticks] == [START_NS + k * PERIOD_NS for k in range(3)]
    assert [tick.time_s for tick in ticks] == pytest.approx([7.0, 7.05, 7.1])


def test_stamps_go_on_steadily_where_the_wall_clock_is_set_back() -> None:
    wall = Wall()
    ticker = RealTicker(PERIOD_S, 7.0, wall)
    before = real_ticks(wall, ticker, 3)[-1].stamp_ns
    wall.ns -= 3600 * NANOSECONDS
    after = [tick.stamp_ns for tick in real_ticks(wall, ticker, 3)]
    assert after == pytest.approx([before + k * PERIOD_NS for k in (1, 2, 3)], abs=1000)


class Simulation:
    """A simulator's messages, and the ticks that they lead to."""

    def __init__(self, *, lockstep: bool) -> None:
        self.ticker = SimulatedTicker(PERIOD_S, grace_s=0.005, lockstep=lockstep)
        self.observer = observer()
        self.now_s = 5.0

    def read(self, period: int) -> Tick | None:
        message = joint_state(["a"], [float(period)])
        messages.write_stamp(message.header.stamp, START_NS + period * PERIOD_NS)
        self.observer.receive("joints", message, self.ticker.arrived(message, self.now_s))
        return self.ticker.due(self.now_s, self.observer)


def test_a_simulated_robots_ticks_are_those_of_its_readings() -> None:
    simulation = Simulation(lockstep=True)
    assert [simulation.read(k) for k in range(3)] == [
        Tick(stamp, stamp / NANOSECONDS) for stamp in (START_NS + k * PERIOD_NS for k in range(3))
    ]


def test_a_tick_that_was_not_used_comes_again_when_observing_resumes() -> None:
    """In lockstep the simulator waits with it for ever."""
    simulation = Simulation(lockstep=True)
    assert simulation.read(0) is not None
    assert simulation.read(0) is None
    simulation.ticker.resumed(simulation.now_s)
    again = simulation.ticker.due(simulation.now_s, simulation.observer)
    assert again is not None
    assert again.stamp_ns == START_NS


def test_resuming_does_not_undo_a_reset() -> None:
    simulation = Simulation(lockstep=True)
    simulation.read(0)
    assert simulation.ticker.reset_done(str(START_NS), simulation.now_s) == START_NS / NANOSECONDS
    simulation.ticker.resumed(simulation.now_s)
    assert simulation.read(0) is None
    assert simulation.read(1) is not None


def test_a_clock_that_goes_back_is_another_simulators() -> None:
    simulation = Simulation(lockstep=False)
    simulation.read(100)
    now_ns = START_NS + 100 * PERIOD_NS
    assert not simulation.ticker.passed(now_ns - CLOCK_RESTART_NS, simulation.now_s)
    assert simulation.ticker.passed(now_ns - CLOCK_RESTART_NS - 1, simulation.now_s)


def test_a_simulated_message_without_a_header_is_as_new_as_the_newest() -> None:
    simulation = Simulation(lockstep=True)
    simulation.read(4)
    assert simulation.ticker.arrived(SimpleNamespace(data=1.0), simulation.now_s) == (
        (START_NS + 4 * PERIOD_NS) / NANOSECONDS
    )
