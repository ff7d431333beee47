"""Position commands with gains: a stop lets the joints go and damps them, and the way on begins where they are then."""

import math
from typing import Any

import pytest

from robot_mbrl.control.command_interface import Command
from robot_mbrl.control.stops import Reason
from tests.control.guard_bench import RECOVER, GuardBench
from tests.control.robots import COMMANDS, PERIOD_S

GAINS = {
    "interfaces": ["position", "kp", "kd"],
    "constants": {"kp": 80.0, "kd": 2.0},
    "stop_constants": {"kp": 0.0, "kd": 5.0},
}
DRIVEN, DAMPED = {"kp": (80.0, 80.0), "kd": (1.0, 2.0)}, {"kp": (0.0, 0.0), "kd": (5.0, 5.0)}
SINKING_S = 0.3
"""Time constant with which joints that are let go sink to where they hang."""
HANGING = (-0.9, -0.4)


class Legs(GuardBench):
    """Joints that do what they are told while they are stiff, and sink when they are let go."""

    def __init__(self, **changes: Any) -> None:
        first, second = COMMANDS["position"]["joints"]
        command = COMMANDS["position"] | GAINS | {"joints": [first | {"constants": {"kd": 1.0}}, second]}
        guard = {"safe_stop": "damping"} | changes.pop("guard", {})
        self.told: list[Command] = []
        super().__init__("position", commands=[command | changes.pop("command", {})], guard=guard, **changes)

    def update(self) -> Any:
        decision = super().update()
        self.told += decision.commands
        return decision

    def live(self, duration_s: float) -> None:
        end_s = self.now_s + duration_s
        while self.now_s < end_s - 1e-9:
            self.run(0.01)
            share = 1.0 - math.exp(-0.01 / SINKING_S)
            if self.told and self.told[-1].further["kp"] == (0.0, 0.0):
                self.positions = [x + share * (h - x) for x, h in zip(self.positions, HANGING, strict=True)]
            elif self.told:
                self.positions = list(self.told[-1].values)

    def walk(self, *values: float, steps: int = 1) -> None:
        for _ in range(steps):
            self.observe()
            self.act(*values)
            self.live(PERIOD_S)

    @property
    def gains(self) -> list[dict[str, tuple[float, ...]]]:
        return [dict(command.further) for command in self.told]


def walking(**changes: Any) -> Legs:
    legs = Legs(**changes)
    legs.walk(0.5, 0.2, steps=RECOVER + 4)
    assert legs.guard.stopped is None
    return legs


def test_gains_come_with_every_command_each_joints_own() -> None:
    assert all(gains == DRIVEN for gains in walking().gains)


@pytest.mark.parametrize("stop", ["emergency_stop", "no_action", "stale_joints", "disabled", "shut_down"])
def test_a_stop_lets_the_joints_go_and_damps_them_for_as_long_as_it_lasts(stop: str) -> None:
    legs = walking()
    if stop == "emergency_stop":
        legs.guard.emergency_stop(True, legs.now_s)
    if stop == "disabled":
        legs.guard.enable(False, legs.now_s)
    if stop == "shut_down":
        legs.guard.shut_down(legs.now_s)
    if stop == "stale_joints":
        legs.run(0.5, sensing=False)
    while legs.guard.stopped is None:
        legs.miss()
    count = len(legs.told)
    legs.run(3.0, sensing=stop != "stale_joints")
    assert len(legs.told) - count >= 290
    assert all(gains == DAMPED for gains in legs.gains[count:])


def test_the_first_command_of_a_stop_damps_already() -> None:
    legs = walking()
    count = len(legs.told)
    legs.now_s += 0.003
    legs.guard.emergency_stop(True, legs.now_s)
    legs.update()
    assert legs.gains[count:][0] == DAMPED


def test_after_a_stop_the_joints_are_taken_on_where_they_have_sunk_to() -> None:
    legs = walking()
    while legs.guard.stopped is None:
        legs.miss()
    legs.live(0.1)
    sunk = legs.positions
    count = len(legs.told)
    while legs.guard.stopped is not None:
        legs.walk(0.5, 0.2)
    driven = [command for command in legs.told[count:] if command.further == DRIVEN]
    # It sinks on until then, and is not pulled back to where the stop began.
    assert HANGING[0] < driven[0].values[0] < sunk[0] < 0.0
    assert Reason.ASSERTION not in legs.guard.machine.counts
    legs.walk(0.5, 0.2, steps=30)
    assert legs.positions[0] == pytest.approx(0.5)


def sunk_out_of_range(**bounds: float) -> Legs:
    """Legs whose first joint has sunk to where no action leads, and that are asked to move again."""
    first, second = COMMANDS["position"]["joints"]
    legs = walking(command={"joints": [first | {"low": 0.0} | bounds, second]})
    while legs.guard.stopped is None:
        legs.miss()
    legs.live(1.0)
    assert legs.positions[0] < -0.7
    legs.walk(0.0, 0.2, steps=RECOVER + 20)
    return legs


def test_joints_that_sank_out_of_the_range_of_actions_are_driven_back_into_it() -> None:
    """Of joints that are held this is a fault: who knows how they got there?"""
    legs = sunk_out_of_range(position_low=-1.2, position_high=1.2)
    assert legs.guard.stopped is None
    assert legs.positions[0] == pytest.approx(0.5)


def test_joints_without_bounds_must_be_brought_back_into_their_range_by_a_person() -> None:
    assert sunk_out_of_range().guard.stopped is Reason.OUT_OF_RANGE


def test_joints_beyond_their_bounds_latch_as_ever() -> None:
    legs = walking()
    while legs.guard.stopped is None:
        legs.miss()
    legs.carry(0.0, 1.9)
    assert legs.guard.stopped is Reason.JOINT_LIMIT
    assert legs.gains[-1] == DAMPED


def test_what_is_recorded_of_a_stop_is_where_the_joints_are() -> None:
    legs = walking()
    while legs.guard.stopped is None:
        legs.miss()
    legs.live(2.0)
    assert legs.miss().values[0] == pytest.approx(HANGING[0], abs=0.01)


def test_nothing_is_let_go_before_anything_was_requested() -> None:
    """Another tool may hold it until then."""
    legs = Legs()
    legs.run(2.0)
    assert legs.told == []


def test_between_two_episodes_the_joints_are_held_since_nothing_is_amiss() -> None:
    """A robot that walks would fall at each boundary of its episodes."""
    legs = walking()
    legs.observe(is_last=True)
    legs.live(PERIOD_S)
    legs.walk(0.5, 0.2, steps=4)
    assert legs.guard.stopped is None
    assert all(gains == DRIVEN for gains in legs.gains)
    legs.observe(is_last=True)
    legs.live(0.5)
    legs.guard.emergency_stop(True, legs.now_s)
    legs.live(0.05)
    assert legs.gains[-1] == DAMPED


def test_a_robot_that_was_let_go_is_not_held_again_before_an_action_asks_for_it() -> None:
    legs = walking()
    while legs.guard.stopped is None:
        legs.miss()
    count = len(legs.told)
    legs.observe(is_last=True)
    legs.live(1.0)
    assert legs.told[count:]
    assert all(gains == DAMPED for gains in legs.gains[count:])
