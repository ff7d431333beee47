"""The sensor node without ROS: observing begins with the guard, and goes on by itself after faults of the driver."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from robot_mbrl import messages
from robot_mbrl.config import load_run
from robot_mbrl.control.guard_link import SILENT_S
from robot_mbrl.control.sensing import Sensing
from robot_mbrl.control.ticking import RealTicker, SimulatedTicker
from robot_mbrl.control.timeline import LEAP_S
from robot_mbrl.messages import NANOSECONDS
from robot_mbrl.specs import Source
from robot_mbrl.steps import Action, Observation
from tests.control.robots import joint_state

PERIOD_S = 0.05
START_NS = 1_700_000_000 * NANOSECONDS
LONG = 10_000
GUARD = "guard"


class Robot:
    """A cart-pole on real time, its driver and its guard."""

    def __init__(self, **task: Any) -> None:
        settings = {"reset": "none", "episode_steps": LONG} | task
        config = load_run("cartpole", {f"task.{name}": value for name, value in settings.items()})
        self.now_s = 100.0
        self.clock_s = 5000.0
        """What the driver's clock is ahead of ours."""
        self.silent = self.frozen = False
        self.guards = {GUARD}
        self.answers = True
        self.observations: list[Observation] = []
        self._message = joint_state(["hinge", "slider"], [3.1, 0.0], [0.0, 0.0])
        self.sensing = Sensing(
            config, lambda: RealTicker(PERIOD_S, self.now_s, lambda: round(self.now_s * NANOSECONDS)), evaluate=False
        )

    def live(self, duration_s: float) -> list[Observation]:
        """Let time pass; returns what was observed."""
        count = len(self.observations)
        for _ in range(round(duration_s / PERIOD_S)):
            if not self.frozen:
                messages.write_stamp(self._message.header.stamp, round((self.now_s + self.clock_s) * NANOSECONDS))
            if not self.silent:
                self.sensing.receive("joints", self._message, self.now_s)
            self.sensing.guard.look(self.guards, self.now_s)
            self._tick()
            self.now_s += PERIOD_S
        return self.observations[count:]

    def _tick(self) -> None:
        observation = self.sensing.tick(self.now_s)
        if observation is not None:
            self.observations.append(observation)
            if self.answers:
                self.apply(observation.key)

    def apply(self, key: Any, source: Source = Source.POLICY) -> None:
        self.sensing.applied(Action(key, np.zeros(1, np.float32), source))


@pytest.fixture
def robot() -> Robot:
    return Robot()


def test_observing_begins_with_the_guard(robot: Robot) -> None:
    robot.guards = set()
    assert robot.live(5.0) == []
    assert "waiting for the guard" in robot.sensing.waiting
    robot.guards = {GUARD}
    observed = robot.live(3.0)
    assert observed[0].is_first
    assert len(observed) == pytest.approx(2.0 / PERIOD_S, abs=2)
    assert robot.sensing.waiting == ""


def test_a_guard_that_died_stops_the_observing(robot: Robot) -> None:
    robot.live(3.0)
    robot.answers = False
    assert len(robot.live(10.0)) == pytest.approx(SILENT_S / PERIOD_S, abs=2)
    robot.guards = {GUARD, "another"}
    robot.answers = True
    assert len(robot.live(3.0)) == pytest.approx(2.0 / PERIOD_S, abs=2)


def test_answers_to_another_session_are_none(robot: Robot) -> None:
    robot.answers = False
    first = robot.live(1.5)[0]
    foreign = type(first.key)("another session", first.key.stamp_ns)
    robot.live(3.0)
    robot.apply(foreign)
    assert robot.sensing.waiting
    robot.apply(first.key)
    assert not robot.sensing.waiting


@pytest.mark.parametrize("silence_s", [1.0, 60.0])
@pytest.mark.parametrize("restart_s", [0.0, 3600.0, -3600.0])
def test_a_driver_that_comes_back_is_observed_again_whatever_its_clock_shows_then(
    robot: Robot, silence_s: float, restart_s: float
) -> None:
    robot.live(3.0)
    robot.silent = True
    assert len(robot.live(silence_s)) <= 5
    assert "'joints' is stale" in robot.sensing.stale
    robot.silent = False
    robot.clock_s += restart_s
    robot.live(LEAP_S + 0.2)
    assert len(robot.live(1.0)) == pytest.approx(1.0 / PERIOD_S, abs=1)


def test_a_driver_that_repeats_itself_under_an_old_stamp_is_not_observed(robot: Robot) -> None:
    robot.live(3.0)
    robot.frozen = True
    assert len(robot.live(5.0)) <= 5
    assert "stands still" in robot.sensing.stale
    assert robot.sensing.figures["refused.joints"] == 100
    robot.frozen = False
    assert robot.live(1.0)


def test_a_clock_of_the_driver_that_is_set_is_believed_after_a_while(robot: Robot) -> None:
    robot.live(3.0)
    robot.clock_s -= 3600.0
    assert len(robot.live(LEAP_S)) <= 6
    robot.live(0.2)
    assert len(robot.live(1.0)) == pytest.approx(1.0 / PERIOD_S, abs=1)


def test_a_person_begins_an_episode_only_where_something_would_be_observed() -> None:
    robot = Robot(reset="human", episode_steps=3)
    robot.guards, robot.silent = set(), True
    robot.live(0.2)
    assert "'joints' has sent nothing" in robot.sensing.start_episode(robot.now_s)
    robot.silent = False
    robot.live(0.2)
    assert "waiting for the guard" in robot.sensing.start_episode(robot.now_s)
    robot.guards = {GUARD}
    assert robot.live(3.0) == []
    assert robot.sensing.start_episode(robot.now_s) == ""
    robot.live(0.1)
    assert "under way" in robot.sensing.start_episode(robot.now_s)
    robot.live(1.0)
    assert [o.is_last for o in robot.observations] == [False, False, False, True]
    assert robot.sensing.resetting
    assert "by themselves" in Robot().sensing.start_episode(0.0)


def test_in_lockstep_the_step_that_the_world_waits_with_is_observed_once_the_guard_hears() -> None:
    config = load_run("cartpole", {"task.reset": "none"})
    sensing = Sensing(
        config, lambda: SimulatedTicker(PERIOD_S, grace_s=0.0, lockstep=True), evaluate=False, lockstep=True
    )
    message = joint_state(["hinge", "slider"], [3.1, 0.0], [0.0, 0.0])
    messages.write_stamp(message.header.stamp, START_NS)
    observed = []
    for k in range(100):
        # The simulator repeats its readings until they are answered.
        sensing.guard.look({GUARD} if k >= 50 else set(), 0.05 * k)
        sensing.receive("joints", message, 0.05 * k)
        observed.append(sensing.tick(0.05 * k))
    steps = [o for o in observed if o is not None]
    assert [(o.key.stamp_ns, o.is_first) for o in steps] == [(START_NS, True)]


@pytest.mark.parametrize("offset_s", [-0.5, -0.9, 0.5])
def test_a_driver_whose_clock_is_set_is_observed_again_soon_in_another_session(robot: Robot, offset_s: float) -> None:
    before = robot.live(5.0)
    robot.clock_s += offset_s
    robot.live(3.0)
    after = robot.live(1.0)
    assert len(after) > 15
    assert after[-1].key.session != before[-1].key.session
    assert "clock" in robot.sensing.renewed


def test_another_simulators_clock_begins_another_session() -> None:
    config = load_run("cartpole", {"task.reset": "none"})
    sensing = Sensing(
        config, lambda: SimulatedTicker(PERIOD_S, grace_s=0.0, lockstep=True), evaluate=True, lockstep=True
    )
    sensing.guard.look({GUARD}, 0.0)
    sensing.guard.look({GUARD}, 2.0)
    message = joint_state(["hinge", "slider"], [3.1, 0.0], [0.0, 0.0])
    sessions = []
    for stamp_ns in (START_NS, START_NS - 10 * NANOSECONDS):
        sensing.passed(stamp_ns, 3.0)
        assert bool(sensing.renewed) == (stamp_ns < START_NS)
        messages.write_stamp(message.header.stamp, stamp_ns)
        sensing.receive("joints", message, 3.0)
        observation = sensing.tick(3.0)
        assert observation is not None
        assert observation.is_first
        assert observation.mode.name == "EVALUATE"
        sessions.append(observation.key.session)
    assert sessions[0] != sessions[1]


def test_a_picture_that_cannot_be_read_is_counted_and_named_not_raised() -> None:
    config = load_run("cartpole-image", {"task.reset": "none"})
    sensing = Sensing(config, lambda: RealTicker(PERIOD_S, 100.0), evaluate=False)
    broken = SimpleNamespace(height=2, width=2, encoding="bayer_rggb8", is_bigendian=0, step=2, data=bytes(4))
    sensing.take_picture("camera", broken, 100.0)
    assert sensing.figures["refused.camera"] == 1
    assert "bayer_rggb8" in str(sensing.figures["refusal.camera"])
