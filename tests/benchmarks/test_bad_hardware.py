"""The campaign's judge: he finds nothing wrong with the guard, and does with guards that are wrong."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.campaign.case import run_case
from benchmarks.campaign.person import Person
from benchmarks.campaign.plan import Plan, draw_plan
from benchmarks.campaign.robots import LEGS
from robot_mbrl.config import CommandConfig, RobotConfig
from robot_mbrl.control.guard import Decision, Guard
from robot_mbrl.control.stops import Reason
from sim.faults import Faults

DRIVES = Person(holds=((1.0, 2.0),), stick="beyond")
SLOWED = Person(scales=((1.0, 0.1),))
ROOT = Path(__file__).parents[2]
CASES = 12


class Reversing(Guard):
    """Goes back by a little in every stop, as the guard once did by much."""

    def update(self, now_s: float) -> Decision:
        decision = super().update(now_s)
        self.shift = getattr(self, "shift", 0.0) + 0.003 if self.stopped else 0.0
        commands = tuple(
            replace(command, values=tuple(value - self.shift for value in command.values))
            for command in decision.commands
        )
        return replace(decision, commands=commands)


class Forgetful(Guard):
    """Owes an applied action now and then."""

    def update(self, now_s: float) -> Decision:
        decision = super().update(now_s)
        return replace(decision, applied=()) if self.decisions.steps % 7 == 3 else decision


class Careless(Guard):
    """Hears no emergency stop."""

    def emergency_stop(self, pressed: bool, now_s: float) -> None:
        super().emergency_stop(False, now_s)


class Nervous(Guard):
    """Stops for what did not happen."""

    def observe(self, *args: Any, **kwargs: Any) -> bool:
        if self.decisions.steps == 20:
            self.machine.latch(Reason.FOLLOWING_ERROR)
        return super().observe(*args, **kwargs)


class Timid(Guard):
    """Disables the robot for a silence that was over at once."""

    def observe(self, *args: Any, **kwargs: Any) -> bool:
        if self.decisions.steps == 20:
            self.watch.revoke("it was silent")
        return super().observe(*args, **kwargs)


class Trusting(Guard):
    """Takes every reading for a new one."""

    def sense(self, source: str, message: Any, now_s: float) -> None:
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(round(now_s * 1e9), 10**9)
        super().sense(source, message, now_s)


class Stiff(Guard):
    """Lets go of no joint in a stop."""

    def update(self, now_s: float) -> Decision:
        decision = super().update(now_s)
        stiff = {"kp": (80.0, 80.0), "kd": (1.0, 2.0)}
        return replace(decision, commands=tuple(replace(command, further=stiff) for command in decision.commands))


class Clinging(Guard):
    """Does not hear that a person lets go."""

    def take_over(self, on: bool, now_s: float) -> None:
        super().take_over(True, now_s)


class Abrupt(Guard):
    """Does what the stick says from the first moment on."""

    def observe(self, *args: Any, **kwargs: Any) -> bool:
        self.takeover._edge_s = -1e9
        return super().observe(*args, **kwargs)


class Wilful(Guard):
    """Goes on with its policy whatever a person does."""

    def take_over(self, on: bool, now_s: float) -> None:
        super().take_over(False, now_s)


class Hasty(Guard):
    """Says that it has slowed down, and has not."""

    def scale_speed(self, scale: float) -> str:
        return ""


def reaching(robot: RobotConfig, step_s: float) -> Guard:
    """Commands targets however far from the joint."""
    (command,) = robot.commands
    joints = tuple(joint.model_copy(update={"max_offset": None}) for joint in command.joints)
    return Guard(robot.model_copy(update={"commands": (command.model_copy(update={"joints": joints}),)}), step_s)


def legs(**faults: Any) -> Plan:
    """The first case of legs that have all that legs can have."""

    def has_all(command: CommandConfig) -> bool:
        offsets = all(joint.max_offset is not None for joint in command.joints)
        return offsets and command.filter is not None and command.has_stop_constants

    number = next(n for n in range(100) if has_all(draw_plan(0, n, LEGS).robot.commands[0]))
    return quiet(number, LEGS, **faults)


def quiet(number: int, robot_kind: str | None = None, **faults: Any) -> Plan:
    """A case in which a person enables the robot, and nothing else happens but these faults."""
    plan = draw_plan(0, number, robot_kind)
    never = (float("inf"), float("inf"))
    robot = plan.robot.model_copy(
        update={"guard": plan.robot.guard.model_copy(update={"enable_timeout_s": None, "driver_timeout_s": None})}
    )
    return replace(
        plan,
        robot=robot,
        faults=Faults.model_validate({"faults": [faults] if faults else []}),
        duration_s=3.0,
        acts=((0.1, "enable"),),
        policy="swinging",
        swing_s=0.5,
        **dict.fromkeys(("silent", "late", "blind", "stalls"), never),
        nan_s=float("inf"),
        person=Person(),
    )


@pytest.mark.parametrize("number", [0, 1, 2], ids=["arm", "base", "joint"])
def test_nothing_is_found_where_nothing_is_wrong(number: int) -> None:
    assert run_case(quiet(number)) == []


@pytest.mark.parametrize("number", [0, 1, 2], ids=["arm", "base", "joint"])
@pytest.mark.parametrize("person", [DRIVES, SLOWED], ids=["drives", "slowed"])
def test_nothing_is_found_where_a_person_does_what_he_should(number: int, person: Person) -> None:
    assert run_case(replace(quiet(number), policy="constant", person=person)) == []


def test_nothing_is_found_wrong_with_legs_that_are_blocked_and_let_go() -> None:
    assert run_case(replace(legs(kind="blocked", start_s=0.8, duration_s=1.0), silent=(1.2, 1.8))) == []


def test_the_same_seed_gives_the_same_case() -> None:
    assert str(draw_plan(3, 7)) == str(draw_plan(3, 7))
    assert str(draw_plan(3, 7)) != str(draw_plan(4, 7))
    assert draw_plan(3, 7).faults == draw_plan(3, 7).faults


@pytest.mark.parametrize(
    ("guard", "plan", "kind", "words"),
    [
        (Reversing, replace(quiet(0), silent=(1.0, 2.0)), "unsafe", "in a stop"),
        (Stiff, replace(legs(), silent=(1.0, 2.0)), "unsafe", "is told {'kp': 80.0, 'kd': 1.0}, not {'kp': 0.0"),
        (reaching, replace(legs(kind="blocked"), policy="constant"), "unsafe", "goes on away from it"),
        (Forgetful, quiet(1), "unanswered", "without an applied action"),
        (Careless, replace(quiet(1), acts=((0.1, "enable"), (1.0, "press"))), "unsafe", "in a stop"),
        (Nervous, quiet(2), "unexplained", "following_error"),
        (Nervous, quiet(2, kind="drop_out", start_s=0.5, duration_s=0.3), "unexplained", "following_error"),
        (Timid, quiet(1, kind="drop_out", start_s=0.5, duration_s=0.3), "unexplained", "disabled"),
        (
            Trusting,
            quiet(1, kind="frozen", stamp="old", start_s=1.0, duration_s=1.5),
            "unsafe",
            "readings that are",
        ),
        (Clinging, replace(quiet(1), person=DRIVES), "unsafe", "though the switch was let go"),
        (Abrupt, replace(quiet(1), policy="constant", person=DRIVES), "unsafe", "jumps by"),
        (Wilful, replace(quiet(1), person=DRIVES), "unexplained", "acts though a person drives"),
        (Hasty, replace(quiet(0), person=SLOWED), "unsafe", "faster than"),
        (Hasty, replace(quiet(2), person=SLOWED), "unsafe", "of its speed is left"),
    ],
    ids=[
        "reversing",
        "stiff",
        "reaching",
        "forgetful",
        "careless",
        "nervous",
        "nervous in trouble",
        "timid",
        "trusting",
        "clinging",
        "abrupt",
        "wilful",
        "hasty arm",
        "hasty joint",
    ],
)
def test_a_guard_that_is_wrong_is_found_out(guard: Callable[..., Guard], plan: Plan, kind: str, words: str) -> None:
    findings = run_case(plan, guard)
    assert any(finding.kind == kind and words in finding.text for finding in findings), findings


def test_a_few_cases_from_the_command_line_as_one_json_object() -> None:
    command = [sys.executable, "-m", "benchmarks.bad_hardware", "--cases", str(CASES), "--first", "3", "--json"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    result = json.loads(ended.stdout)
    assert (result["cases"], result["kills"]) == (CASES, 0)
    assert (result["unsafe"], result["unexplained"], result["unanswered"]) == (0, 0, 0)
    assert result["in_process"]["next"] == 3 + CASES
