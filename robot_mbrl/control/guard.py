"""The guard: the last thing before the robot, and the one that decides which action was applied at each step.

For every observation it awaits the policy's action and takes it through, in this order: age and sequence, shape and
names, finite, mode (enabled, not stopped), scale, position bounds, velocity that can still brake, velocity,
acceleration, jerk, final assertion. Whatever is missing, late or wrong, the robot gets a command within its limits, and
the observation gets exactly one applied action. What stops the robot is found in `watch.py`, what follows from it is a
table in `stops.py`. It is not safety-rated (docs/safety.md).
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from robot_mbrl import topics
from robot_mbrl.config import RobotConfig
from robot_mbrl.control.asked import AskedMove
from robot_mbrl.control.command_interface import Command
from robot_mbrl.control.jogging import Jogging
from robot_mbrl.control.pipeline import STILL, CommandPipeline, Motion
from robot_mbrl.control.stops import Reason
from robot_mbrl.control.takeover import Holding, Takeover
from robot_mbrl.control.watch import Watch
from robot_mbrl.errors import MessageError, NonFiniteError
from robot_mbrl.messages import read_action, read_key, read_named
from robot_mbrl.robot_config import SLOWEST_SCALE
from robot_mbrl.specs import Source
from robot_mbrl.steps import Action, StepKey

LOCKSTEP_DEADLINE_S = 10.0
"""How long a simulation in lockstep waits for an action: as long as a policy may take to load."""
CLIP_TOLERANCE = 1e-5
"""What float32 may add to an action at its bound."""
REQUESTING = (Source.POLICY, Source.RANDOM)
"""Sources that a message on `action` may name."""


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
        self.steps, self.late, self.stops = 0, 0, 0
        """Observations decided on so far; how many of them late, and how many stopped."""
        self._spec = robot.action_spec()
        self._shadow = shadow
        self._lockstep, self._step_s = lockstep, step_s
        self.pipeline = CommandPipeline(robot, step_s, lockstep=lockstep, simulated=enabled)
        self.watch = Watch(robot, step_s, self.pipeline, enabled=enabled, lockstep=lockstep, rest_s=rest_s)
        self.watch.follows = not shadow
        self.machine = self.watch.machine
        self._deadline_s = LOCKSTEP_DEADLINE_S if lockstep else robot.guard.action_deadline_s
        self._latest: StepKey | None = None
        self._awaiting = False
        self._requested: Action | None = None
        self._held = Action(StepKey("", 0), self._spec.null(), Source.STOP)
        self._acting = False
        self._applied_s = -math.inf
        self._decided: list[Action] = []
        self._asked = AskedMove()
        self._lost = ""
        self.takeover = Takeover(self._spec, step_s)
        self.jogging = Jogging(robot, self.pipeline, self.watch, self._asked, shadow=shadow)

    @property
    def stopped(self) -> Reason | None:
        """Why the robot is in its safe stop; None while it may move."""
        return self.machine.reason

    @property
    def state(self) -> str:
        """The state in a word, as the topic `state` has it."""
        word = self.watch.state(reset=self._asked.goes_on(Motion.HOME, self.watch.now_s))
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
            self._asked.call_off("enable: false was said", now_s)
        self._pass(now_s)

    def emergency_stop(self, pressed: bool, now_s: float) -> None:
        """Stop and latch. Letting go of the button does not release the stop; see `reset_stop`."""
        self._pass(now_s)
        self.watch.press(pressed)
        if pressed:
            self._asked.call_off("the emergency stop was pressed", now_s)
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
        if self._awaiting:
            self._stop()
        self._pass(now_s)

    def home(self, now_s: float) -> bool:
        """Move slowly to the robot's home, between episodes; ask again until it is True: the robot is there.

        In shadow, where nothing moves it, it is taken to be there.
        """
        self._pass(now_s)
        if self._shadow:
            return True
        if not self.watch.between_episodes() or not self.may_reset or not self.pipeline.has_home:
            return False
        self._asked.ask(Motion.HOME, now_s)
        return self.pipeline.is_home()

    def bring_back(self, now_s: float) -> bool:
        """Move joints that are out of bounds slowly back inside, a person's act: ask again until it is True.

        It is refused while anything but those joints is amiss, and what interrupts it calls it off for as long as the
        asking goes on; `bring_back_refusal` says what.
        """
        self._pass(now_s)
        if self.pipeline.is_measured and not (self.pipeline.out_of_bounds() or self.pipeline.out_of_range()):
            self._asked.end()
            return True
        if self._asked.ask(Motion.BRING_BACK, now_s, self.watch.bring_back_hindrance()):
            # It moves by this person's word alone; the policy needs another.
            self.watch.revoke("brought back")
        return False

    @property
    def acting(self) -> Source:
        """Whose action is carried out, or what stands for it."""
        return self._held.source if self._acting else Source.STOP

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

    def jog(self, number: int, joint: str, delta: float, now_s: float) -> None:
        """Move one joint slowly a little way, a person's act: ask again with the same number, or it stops.

        It is refused, as the way back, while anything is amiss or the policy drives; `jogging.told` says what became
        of it.

        Args:
            number: tells this jog from the next.
            joint: name of a commanded joint or twist axis.
            delta: how far, rad or m.
            now_s: the present.
        """
        self._pass(now_s)
        self.jogging.ask(number, joint, delta, now_s)
        self._pass(now_s)

    def scale_speed(self, scale: float) -> str:
        """Let no joint be faster than a share of its speed, from now on; returns why not, or nothing.

        What actions mean stays the same: what would be faster is slowed down. It may be lowered at any time, and raised
        only while the robot is disabled.

        Args:
            scale: within `SLOWEST_SCALE` and 1.
        """
        if not SLOWEST_SCALE <= scale <= 1.0:
            return f"speed_scale {scale:g} is not within {SLOWEST_SCALE:g} and 1"
        if scale > self.pipeline.speed_scale and self.watch.enabled:
            return "it is raised only while the robot is disabled: robot-mbrl enable --off first"
        self.pipeline.speed_scale = scale
        return ""

    @property
    def bring_back_refusal(self) -> str:
        """Why joints that are out of bounds are not being moved back although it is asked for; empty if they are."""
        if self._asked.called_off:
            return f"called off: {self._asked.called_off}"
        return self.watch.bring_back_hindrance()

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
        latest, requested = self._latest, self._requested
        if latest is not None and key.session == latest.session and key.stamp_ns <= latest.stamp_ns:
            self.machine.count(Reason.OLD_OBSERVATION)
            return False
        if self._awaiting:
            self._miss()
        if requested is not None and (requested.key.session != key.session or requested.key.stamp_ns < key.stamp_ns):
            self.machine.count(Reason.FUTURE)
            self._requested = None
        self._latest = key
        self.watch.observed(key.session, 0.0 if self._lockstep else age_s, is_last=is_last)
        self.watch.look(now_s)
        if self._asked.goes_on(Motion.HOME, now_s):
            self._asked.end()
        self._awaiting = not is_last
        if is_last:
            source = Source.STOP if self.stopped else Source.POLICY
            self._decide(Action(key, self._spec.null(), source), acting=False)
        self._settle()
        return True

    def receive_message(self, message: Any, now_s: float) -> None:
        """Take in a JointState of the topic `action`."""
        self._pass(now_s)
        if self._out_of_turn(read_key(message)):
            return
        try:
            action = read_action(message, self._spec)
        except NonFiniteError as error:
            self.watch.latch(Reason.NOT_FINITE, str(error))
        except MessageError:
            self.machine.count(Reason.MALFORMED)
        else:
            self.receive(action, now_s)

    def receive(self, action: Action, now_s: float) -> None:
        """Take in the action that the policy requests; one that comes before its observation waits for it."""
        self._pass(now_s)
        if self._out_of_turn(action.key):
            return
        if action.values.shape != (self._spec.size,) or action.source not in REQUESTING:
            self.machine.count(Reason.MALFORMED)
        elif not np.isfinite(action.values).all():
            self.watch.latch(Reason.NOT_FINITE, "action: a value is not finite")
        elif self._spec.discrete and not _is_one_hot(action.values):
            self.machine.count(Reason.MALFORMED)
        else:
            if self._requested is not None:
                self.machine.count(Reason.FUTURE)
            self._requested = action
            self._settle()

    def sense(self, source: str, message: Any, now_s: float) -> None:
        """Take in a message of the driver, straight from it: of joints, or what a condition is read from."""
        self.watch.sense(source, message, now_s)
        self._pass(now_s)

    def next_deadline_s(self) -> float:
        """When `update` must be called again at the latest; infinite if only a message can bring anything new."""
        deadline_s = self.watch.observed_s + self._deadline_s if self._awaiting else math.inf
        if self._lockstep:
            return deadline_s
        return min(deadline_s, self.watch.next_deadline_s(), self.pipeline.next_s)

    def update(self, now_s: float) -> Decision:
        """Decide what is to be published now."""
        self._pass(now_s)
        applied, self._decided = tuple(self._decided), []
        return Decision(applied, self._command())

    def _pass(self, now_s: float) -> None:
        """Let time pass, which never goes back, and notice what has not come in it."""
        self.watch.look(now_s)
        if self._asked.goes_on(Motion.BRING_BACK, now_s) and (hindrance := self.watch.bring_back_hindrance()):
            self._asked.call_off(hindrance, now_s)
        self.jogging.follow(now_s)
        self._follow_person(now_s)
        self._settle()

    def _follow_person(self, now_s: float) -> None:
        """Stop where a person who has taken over is lost."""
        self.takeover.look(now_s)
        lost = self.takeover.trouble
        if lost != self._lost:
            self._lost = lost
            self.watch.note(Reason.TAKEOVER_LOST, lost)
            self.watch.look(now_s)

    def _out_of_turn(self, key: StepKey) -> bool:
        """Age and sequence: whether an action is of no use, because its observation is not the present one."""
        latest, requested = self._latest, self._requested
        if key == latest and self._held.source is Source.TELEOP and self._held.key == latest:
            # A person has answered in the policy's place; its state follows what was applied.
            return True
        reason = None
        if requested is not None and requested.key == key:
            reason = Reason.REPEATED
        elif latest is not None and key.session != latest.session:
            reason = Reason.SESSION
        elif latest is not None and key.stamp_ns < latest.stamp_ns:
            reason = Reason.OLD
        elif key == latest and not self._awaiting:
            reason = Reason.REPEATED
        if reason is not None:
            self.machine.count(reason)
        return reason is not None

    def _settle(self) -> None:
        """Decide on the present observation if its action is there, or has not come in time."""
        if not self._awaiting or self._latest is None:
            return
        if self.takeover.state is Holding.HELD:
            self._take_from_person(self._latest)
        elif self._requested is not None and self._requested.key == self._latest:
            requested, self._requested = self._requested, None
            self._take(requested)
        elif self.watch.now_s >= self.watch.observed_s + self._deadline_s:
            self._miss()

    def _take(self, requested: Action) -> None:
        self.watch.timely()
        if self.stopped:
            self._stop()
            return
        values = np.clip(requested.values, -1.0, 1.0).astype(np.float32)
        if np.abs(requested.values - values).max() > CLIP_TOLERANCE:
            self.machine.count(Reason.CLIPPED)
        self._decide(Action(requested.key, values, requested.source, requested.policy_version), acting=True)

    def _take_from_person(self, latest: StepKey) -> None:
        """Answer the present observation with the person's action; the policy's, if it has come, counts for nothing."""
        if self._requested is not None and self._requested.key == latest:
            self._requested = None
        self.watch.timely()
        if self.stopped:
            self._stop()
            return
        before = self._held.values if self._acting else self.pipeline.stop_values()
        values = self.takeover.action(before, self.watch.now_s)
        self._decide(Action(latest, values, Source.TELEOP), acting=True)

    def _miss(self) -> None:
        self.machine.missed()
        if self._lockstep:
            self.machine.trouble(Reason.NO_ACTION)
        if self.stopped or self._latest is None:
            self._stop()
            return
        self.late += 1
        self.machine.count(Reason.LATE)
        values = self._held.values if self._acting else self.pipeline.stop_values()
        self._decide(Action(self._latest, values, Source.LATE, self._held.policy_version), acting=self._acting)

    def _stop(self) -> None:
        if self._latest is not None:
            self.stops += 1
            self._decide(Action(self._latest, self.pipeline.stop_values(), Source.STOP), acting=False)

    def _decide(self, action: Action, *, acting: bool) -> None:
        """Fix the one applied action of the present observation."""
        self._awaiting = False
        self.steps += 1
        self._decided.append(action)
        self._held, self._acting, self._applied_s = action, acting, self.watch.now_s
        self.pipeline.due = True
        for limit in self.pipeline.take_limits():
            self.machine.count(Reason(limit))

    def _command(self) -> tuple[Command, ...]:
        if self._acting and self.stopped:
            self._acting, self.pipeline.due = False, True
        motion, now_s = self._motion(), self.watch.now_s
        idle = not self.watch.enabled or self.watch.between_episodes()
        self.pipeline.hush(now_s, idle=idle and motion in STILL)
        action = self._held.values if motion is Motion.ACT else None
        commands = self.pipeline.command(motion, action, now_s, self._applied_s + self._step_s)
        if self.pipeline.fault:
            self.watch.latch(Reason.ASSERTION, self.pipeline.fault)
        return commands

    def _motion(self) -> Motion:
        if self._acting:
            return Motion.ACT
        now_s = self.watch.now_s
        if self._asked.goes_on(Motion.HOME, now_s) and self.may_reset:
            return Motion.HOME
        if self._asked.goes_on(Motion.BRING_BACK, now_s) and not self.watch.bring_back_hindrance():
            return Motion.BRING_BACK
        if self._asked.goes_on(Motion.JOG, now_s):
            return Motion.JOG
        return Motion.STOP if self.stopped else Motion.REST


def _is_one_hot(values: np.ndarray) -> bool:
    return bool(np.isin(values, (0.0, 1.0)).all() and values.sum() == 1.0)
