"""The guard: the last thing before the robot, and the one that decides which action was applied at each step.

For every observation it awaits the policy's action and takes it through, in this order: age and sequence, shape and
names, finite (`awaited.py`), mode (enabled, not stopped) and who answers, policy or person (`deciding.py`); scale,
position bounds, velocity that can still brake, velocity, acceleration, jerk, final assertion (`pipeline.py`). Whatever
is missing, late or wrong, the robot gets a command within its limits, and the observation gets exactly one applied
action. What stops the robot is found in `watch.py`, what follows from it is a table in `stops.py`; what people ask for
is in `takeover.py` and `moves.py`. It is not safety-rated (docs/safety.md).
"""

import math
from dataclasses import dataclass
from typing import Any

from robot_mbrl import topics
from robot_mbrl.config import RobotConfig
from robot_mbrl.control.command_interface import Command
from robot_mbrl.control.deciding import Decisions
from robot_mbrl.control.moves import Moves
from robot_mbrl.control.pipeline import STILL, CommandPipeline, Motion
from robot_mbrl.control.stops import Reason
from robot_mbrl.control.watch import Watch
from robot_mbrl.errors import MessageError
from robot_mbrl.messages import read_named
from robot_mbrl.robot_config import SLOWEST_SCALE
from robot_mbrl.specs import Source
from robot_mbrl.steps import Action, StepKey


@dataclass(frozen=True, slots=True)
class Decision:
    """What the guard wants published now."""

    applied: tuple[Action, ...] = ()
    """The applied actions of the observations decided since the last decision, in their order."""
    commands: tuple[Command, ...] = ()
    """What the driver is to be told; empty if no command is due."""


class Guard:
    """Between the policy and the driver.

    Call order: `observe`, `receive` (or `receive_message`), `sense`, `enable`, `emergency_stop` and the rest as their
    messages arrive, in any order, and after each of them `update`, whose decision is published; `update` again whenever
    `next_deadline_s` has passed. Times are seconds of one steady clock, which a simulation that is paced faster than
    real time scales by its speed. At the end: `shut_down`, then `update` at the command rate until `at_rest`.
    """

    def __init__(
        self,
        robot: RobotConfig,
        step_s: float,
        *,
        enabled: bool = False,
        lockstep: bool = False,
        rest_s: float = math.inf,
        shadow: bool = False,
    ) -> None:
        """Begin stopped.

        Args:
            robot: joints, limits and timing.
            step_s: duration of a step of experience, action repeat included.
            enabled: whether the robot may move without being enabled by a person, as a simulated one. Then nothing is
                expected to be heard from a person either: the switches' timeouts do not count, and nothing takes the
                permission back.
            lockstep: the simulation waits for every step: one command per step, and only actions have a deadline.
            rest_s: how long a real robot stays enabled while no episode begins; infinite where a person begins them.
            shadow: whether nothing of what it decides is sent, so that joints need not follow.
        """
        self._shadow = shadow
        self._lockstep, self._step_s = lockstep, step_s
        self.pipeline = CommandPipeline(robot, step_s, lockstep=lockstep, simulated=enabled)
        self.watch = Watch(robot, step_s, self.pipeline, enabled=enabled, lockstep=lockstep, rest_s=rest_s)
        self.watch.follows = not shadow
        self.machine = self.watch.machine
        self.decisions = Decisions(robot, step_s, self.pipeline, self.watch, lockstep=lockstep)
        self.takeover = self.decisions.takeover
        self.moves = Moves(robot, self.pipeline, self.watch, shadow=shadow)

    @property
    def stopped(self) -> Reason | None:
        """Why the robot is in its safe stop; None while it may move."""
        return self.machine.reason

    @property
    def state(self) -> str:
        """The state in a word, as the topic `state` has it."""
        word = self.watch.state(reset=self.moves.goes_home)
        return word + topics.SHADOW if self._shadow else word

    @property
    def detail(self) -> str:
        """What exactly is amiss and what helps, in a sentence; empty if nothing is."""
        return self.watch.detail

    @property
    def is_moving(self) -> bool:
        """Whether commands may move the robot now: those of its policy, of a move a person asked for, or of braking."""
        return not self._shadow and self._is_driven

    @property
    def _is_driven(self) -> bool:
        return self.watch.may_act or self._motion() not in STILL or not self.at_rest

    @property
    def may_reset(self) -> bool:
        """Whether the robot may be moved by what brings it back to a start, with no policy driving it."""
        return self.watch.may_reset

    @property
    def at_rest(self) -> bool:
        """Whether nothing is left to command but the same again."""
        return self.pipeline.is_at_rest(self.watch.now_s)

    def enable(self, on: bool, now_s: float) -> None:
        """Let the robot move, or stop it: a person's act, to be repeated where there is an `enable_timeout_s`.

        Nobody enables a robot whose stop is latched, or that is not heard of: `reset_stop` comes first.
        """
        self._pass(now_s)
        self.watch.enable(on)
        if not on:
            self.moves.call_off("enable: false was said")
        self._pass(now_s)

    def emergency_stop(self, pressed: bool, now_s: float) -> None:
        """Stop and latch. Letting go of the button does not release the stop; see `reset_stop`."""
        self._pass(now_s)
        self.watch.press(pressed)
        if pressed:
            self.moves.call_off("the emergency stop was pressed")
        self._pass(now_s)

    def reset_stop(self, now_s: float) -> bool:
        """Release a latched stop; False while the emergency stop is pressed, a joint out of bounds, or the guard ends.

        A real robot does not move again by this: the stop has disabled it.
        """
        self._pass(now_s)
        released = self.watch.release()
        self._pass(now_s)
        return released

    def note(self, reason: Reason, detail: str, now_s: float) -> None:
        """Note what was found outside, such as a second publisher, that stops the robot while it lasts.

        Args:
            reason: SECOND_PUBLISHER or NO_DRIVER.
            detail: who or what; empty if all is well.
            now_s: the present.
        """
        self.watch.note(reason, detail)
        self._pass(now_s)

    def shut_down(self, now_s: float) -> None:
        """Stop for good; the joints are not listened to any more."""
        self.machine.shut_down()
        self.pipeline.release_damping()
        self.decisions.stop()
        self._pass(now_s)

    def home(self, now_s: float) -> bool:
        """Move slowly to the robot's home, between episodes; ask again until it is True: the robot is there.

        In shadow, where nothing moves it, it is taken to be there.
        """
        self._pass(now_s)
        return self.moves.home()

    def bring_back(self, now_s: float) -> bool:
        """Move joints that are out of bounds slowly back inside, a person's act: ask again until it is True.

        It is refused while anything but those joints is amiss, and what interrupts it calls it off for as long as the
        asking goes on; `moves.bring_back_refusal` says what.
        """
        self._pass(now_s)
        return self.moves.bring_back()

    @property
    def acting(self) -> Source:
        """Whose action is carried out, or what stands for it."""
        return self.decisions.held.source if self.decisions.acting else Source.STOP

    def take_over(self, on: bool, now_s: float) -> None:
        """Hear the dead-man switch of a person who drives in the policy's place, by `steer`, while it is held."""
        self._pass(now_s)
        self.takeover.press(on, now_s)
        self._pass(now_s)

    def steer(self, message: Any, now_s: float) -> None:
        """Take in a JointState of the topic `teleop`: the person's action, of no account unless the switch is held."""
        self._pass(now_s)
        try:
            values = read_named(message)
        except MessageError:
            values = {}
        if self.takeover.steer(values, now_s):
            self.machine.count(Reason.MALFORMED)
        self._pass(now_s)

    def jog(self, number: int, joint: str, delta: float, now_s: float, refusal: str = "") -> None:
        """Move one joint slowly a little way, a person's act: ask again with the same number, or it stops.

        It is refused, as the way back, while anything is amiss or the policy drives; `moves.jogging.told` says what
        became of it.

        Args:
            number: tells this jog from the next.
            joint: name of a commanded joint or twist axis.
            delta: how far, rad or m.
            now_s: the present.
            refusal: why whoever hears it does not believe it; empty if it does.
        """
        self._pass(now_s)
        self.moves.jogging.ask(number, joint, delta, now_s, refusal)
        self._pass(now_s)

    def scale_speed(self, scale: float) -> str:
        """Let no joint be faster than a share of its speed, from now on; returns why not, or nothing.

        What actions mean stays the same: what would be faster is slowed down. It may be lowered at any time, and raised
        only while the robot is disabled and nobody jogs it or brings it back.

        Args:
            scale: within `SLOWEST_SCALE` and 1.
        """
        if not SLOWEST_SCALE <= scale <= 1.0:
            return f"speed_scale {scale:g} is not within {SLOWEST_SCALE:g} and 1"
        if scale > self.pipeline.speed_scale and self.watch.enabled:
            return "it is raised only while the robot is disabled: robot-mbrl enable --off first"
        if scale > self.pipeline.speed_scale and self.moves.motion() not in STILL:
            return "it is raised only while nobody moves the robot: wait for its jog or its way back"
        self.pipeline.speed_scale = scale
        return ""

    def observe(self, key: StepKey, is_last: bool, now_s: float, age_s: float = 0.0) -> bool:
        """Note an observation: its action is awaited from now on, unless it is the last of its episode.

        Args:
            key: session and stamp.
            is_last: whether it is the last of its episode.
            now_s: the present.
            age_s: how long ago it was sent; its action's deadline counts from then, except in lockstep.

        Returns:
            Whether it is news, and will have its one applied action.
        """
        self._pass(now_s)
        if not self.decisions.observe(key, age_s, is_last=is_last):
            return False
        self.moves.begin_episode()
        return True

    def receive_message(self, message: Any, now_s: float) -> None:
        """Take in a JointState of the topic `action`."""
        self._pass(now_s)
        if self.decisions.awaited.receive_message(message):
            self.decisions.settle()

    def receive(self, action: Action, now_s: float) -> None:
        """Take in the action that the policy requests; one that comes before its observation waits for it."""
        self._pass(now_s)
        if self.decisions.awaited.receive(action):
            self.decisions.settle()

    def sense(self, source: str, message: Any, now_s: float) -> None:
        """Take in a message of the driver, straight from it: of joints, or what a condition is read from."""
        self.watch.sense(source, message, now_s)
        self._pass(now_s)

    def next_deadline_s(self) -> float:
        """When `update` must be called again at the latest; infinite if only a message can bring anything new."""
        deadline_s = self.decisions.deadline_s
        if self._lockstep:
            return deadline_s
        return min(deadline_s, self.watch.next_deadline_s(), self.pipeline.next_s)

    def update(self, now_s: float) -> Decision:
        """Decide what is to be published now."""
        self._pass(now_s)
        return Decision(self.decisions.take(), self._command())

    def _pass(self, now_s: float) -> None:
        """Let time pass, which never goes back, and notice what has not come in it."""
        self.watch.look(now_s)
        self.moves.follow()
        self.decisions.follow_person()
        self.decisions.settle()

    def _command(self) -> tuple[Command, ...]:
        decisions, now_s = self.decisions, self.watch.now_s
        decisions.heed_stop()
        motion = self._motion()
        idle = not self.watch.enabled or self.watch.between_episodes()
        self.pipeline.hush(now_s, idle=idle and motion in STILL)
        action = decisions.held.values if motion is Motion.ACT else None
        commands = self.pipeline.command(motion, action, now_s, decisions.applied_s + self._step_s)
        if self.pipeline.fault:
            self.watch.latch(Reason.ASSERTION, self.pipeline.fault)
        return commands

    def _motion(self) -> Motion:
        return Motion.ACT if self.decisions.acting else self.moves.motion()
