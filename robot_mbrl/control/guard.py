"""The guard: the last thing before the robot, and the one that decides which action was applied at each step.

For every observation it awaits the policy's action and takes it through, in this order: age and sequence, shape and
names, finite, mode (enabled, not stopped), scale, position bounds, velocity that can still brake, velocity,
acceleration, final assertion. Whatever is missing, late or wrong, the robot gets a command within its limits, and the
observation gets exactly one applied action. It is not safety-rated (docs/safety.md).
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from robot_mbrl.config import RobotConfig
from robot_mbrl.control.channels import Channel, Command
from robot_mbrl.control.drive import Drive
from robot_mbrl.control.interlock import Interlock, Reason
from robot_mbrl.control.switches import EmergencySwitch, EnableSwitch
from robot_mbrl.errors import MessageError, NonFiniteError
from robot_mbrl.messages import read_action, read_key
from robot_mbrl.specs import Source
from robot_mbrl.steps import Action, StepKey

LOCKSTEP_DEADLINE_S = 10.0
"""How long a simulation in lockstep waits for an action: as long as a policy may take to load."""
HOME_LAPSE_S = 1.0
"""A move home goes on for this long after it was last asked for."""
CLIP_TOLERANCE = 1e-5
"""What float32 may add to an action at its bound."""
WISHES = (Source.POLICY, Source.RANDOM)
"""Sources that a message on `action` may name."""
WAY_BACK = "move it back by hand or with the driver's own tool, then release the stop"
"""The guard knows of no command that is sure to bring a joint back: gravity, momentum and the policy have their say."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What the guard wants published now."""

    applied: tuple[Action, ...] = ()
    """The applied actions of the observations decided since the last decision, in their order."""
    commands: tuple[Command, ...] = ()
    """What the driver is to be told; empty if no command is due."""


class Guard:
    """Between the policy and the driver.

    Call order: `observe`, `receive` (or `receive_message`), `sense`, `enable` and `emergency_stop` as their messages
    arrive, in any order, and after each of them `update`, whose decision is published; `update` again whenever
    `next_deadline_s` has passed. Times are seconds of one steady clock, which a simulation that is paced faster than
    real time scales by its speed. At the end: `shut_down`, then `update` at the command rate until `at_rest`.
    """

    def __init__(self, robot: RobotConfig, step_s: float, *, enabled: bool = False, lockstep: bool = False) -> None:
        """Begin stopped.

        Args:
            robot: joints, limits and timing.
            step_s: duration of a step of experience, action repeat included.
            enabled: whether the robot may move without being enabled by a person, as a simulated one. Then nothing is
                expected to be heard from a person either: the switches' timeouts do not count.
            lockstep: the simulation waits for every step: one command per step, and only actions have a deadline.
        """
        timing = robot.guard
        self.interlock = Interlock(timing.recover_steps, enabled=enabled)
        self.steps, self.late, self.stops = 0, 0, 0
        """Observations decided on so far; how many of them late, and how many stopped."""
        self.fault = ""
        """What led to the newest stop that latched by itself."""
        self._spec = robot.action_spec()
        self._lockstep, self._step_s = lockstep, step_s
        self._enable = EnableSwitch(on=enabled, timeout_s=timing.enable_timeout_s)
        self._emergency = EmergencySwitch(timeout_s=None if enabled else timing.emergency_stop_timeout_s)
        self._drive = Drive(robot, step_s, lockstep=lockstep)
        self._deadline_s = LOCKSTEP_DEADLINE_S if lockstep else timing.action_deadline_s
        # While an action is repeated, no observation is due for longer.
        self._timeout_s = timing.command_timeout_s + step_s - robot.period_s
        self._now_s = -math.inf
        self._latest: StepKey | None = None
        self._awaiting = False
        self._resting = True
        self._observed_s = self._timely_s = -math.inf
        self._wish: Action | None = None
        self._held = Action(StepKey("", 0), self._spec.null(), Source.STOP)
        self._moving = False
        self._applied_s = -math.inf
        self._decided: list[Action] = []
        self._homing_until_s = -math.inf

    @property
    def stopped(self) -> Reason | None:
        """Why the robot is in its safe stop; None while it may move."""
        return self.interlock.stopped

    @property
    def may_reset(self) -> bool:
        """Whether the robot may be moved by what brings it back to a start, with no policy driving it."""
        lock = self.interlock
        return lock.enabled and not lock.emergency and not lock.latched and not self._stale()

    @property
    def emergency_pressed(self) -> bool:
        """Whether the emergency stop is known to be pressed."""
        return self._emergency.is_pressed(self._now_s)

    @property
    def lapsed(self) -> bool:
        """Whether `enable` counts again only once it was heard to be false."""
        return self._enable.lapsed

    @property
    def at_rest(self) -> bool:
        """Whether nothing is left to command but the same again."""
        return self._drive.is_at_rest(self._now_s)

    def enable(self, on: bool, now_s: float) -> None:
        """Let the robot move, or stop it: a person's act, to be repeated where there is an `enable_timeout_s`.

        Nobody enables a robot whose stop is latched: `reset_stop` comes first.
        """
        self._pass(now_s)
        self._enable.hear(on, self._now_s)
        if on and self.interlock.latched:
            self._enable.revoke()
        # Only when it takes effect: a position that is held must not follow a sagging joint from message to message.
        if self._enable.is_on(self._now_s) and not self.interlock.enabled:
            self._drive.begin_anew()
        self._pass(now_s)

    def emergency_stop(self, pressed: bool, now_s: float) -> None:
        """Stop and latch. Letting go of the button does not release the stop; see `reset_stop`."""
        self._pass(now_s)
        self._emergency.hear(pressed, self._now_s)
        if pressed:
            self._latch(Reason.EMERGENCY_STOP, "the emergency stop was pressed")
        self._pass(now_s)

    def reset_stop(self, now_s: float) -> bool:
        """Release a latched stop; False while the emergency stop is still pressed or the guard shuts down.

        A robot that a person has enabled does not move again by this: the stop has disabled it.
        """
        self._pass(now_s)
        latched = self.interlock.latched
        released = self.interlock.release()
        if latched and released:
            self._drive.begin_anew()
        return released

    def shut_down(self, now_s: float) -> None:
        """Stop for good; the joints are not listened to any more."""
        self._latch(Reason.SHUTDOWN, "the guard is shut down")
        self._drive.undamp()
        self._pass(now_s)

    def home(self, now_s: float) -> bool:
        """Move slowly to the robot's home, between episodes; ask again until it is True: the robot is there."""
        self._pass(now_s)
        if not self._between_episodes() or not self.may_reset:
            return False
        self._homing_until_s = now_s + HOME_LAPSE_S
        return self._drive.is_home()

    def _between_episodes(self) -> bool:
        """Whether no episode is under way; one whose observations have ceased is over, although nobody said so."""
        return self._resting or self._now_s >= self._observed_s + self._timeout_s

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
        latest, wish = self._latest, self._wish
        if latest is not None and key.session == latest.session and key.stamp_ns <= latest.stamp_ns:
            self.interlock.count(Reason.OLD_OBSERVATION)
            return False
        if self._awaiting:
            self._miss()
        if wish is not None and (wish.key.session != key.session or wish.key.stamp_ns < key.stamp_ns):
            self.interlock.count(Reason.FUTURE)
            self._wish = None
        self._latest, self._observed_s = key, self._now_s - (0.0 if self._lockstep else age_s)
        if self._resting:
            self._timely_s = self._observed_s
        self._homing_until_s = -math.inf
        self._resting, self._awaiting = is_last, not is_last
        if is_last:
            source = Source.STOP if self.stopped else Source.POLICY
            self._decide(Action(key, self._spec.null(), source), moving=False)
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
            self._latch(Reason.NOT_FINITE, str(error))
        except MessageError:
            self.interlock.count(Reason.MALFORMED)
        else:
            self.receive(action, now_s)

    def receive(self, action: Action, now_s: float) -> None:
        """Take in the policy's wish; one that comes before its observation waits for it."""
        self._pass(now_s)
        if self._out_of_turn(action.key):
            return
        if action.values.shape != (self._spec.size,) or action.source not in WISHES:
            self.interlock.count(Reason.MALFORMED)
        elif not np.isfinite(action.values).all():
            self._latch(Reason.NOT_FINITE, "action: a value is not finite")
        elif self._spec.discrete and not _is_one_hot(action.values):
            self.interlock.count(Reason.MALFORMED)
        else:
            if self._wish is not None:
                self.interlock.count(Reason.FUTURE)
            self._wish = action
            self._settle()

    def sense(self, source: str, message: Any, now_s: float) -> None:
        """Take in a JointState of the driver, straight from it."""
        for channel in self._drive.channels:
            if channel.config.source == source:
                try:
                    channel.joints.sense(message, now_s)
                except MessageError:
                    self.interlock.count(Reason.MALFORMED_JOINTS)
                else:
                    self._judge(channel)
        self._pass(now_s)

    def next_deadline_s(self) -> float:
        """When `update` must be called again at the latest; infinite if only a message can bring anything new."""
        deadline_s = self._observed_s + self._deadline_s if self._awaiting else math.inf
        if self._lockstep:
            return deadline_s
        if not self.stopped and not self._resting:
            deadline_s = min(deadline_s, min(self._observed_s, self._timely_s) + self._timeout_s)
        return min(deadline_s, self._drive.next_s)

    def update(self, now_s: float) -> Decision:
        """Decide what is to be published now."""
        self._pass(now_s)
        applied, self._decided = tuple(self._decided), []
        return Decision(applied, self._command())

    def _pass(self, now_s: float) -> None:
        """Let time pass, which never goes back, and notice what has not come in it."""
        self._now_s = max(self._now_s, now_s)
        self._watch_switches()
        if (trouble := self._trouble()) is not None:
            self.interlock.trip(trouble)
        elif self._resting:
            self.interlock.rest()
        self._settle()

    def _watch_switches(self) -> None:
        emergency, silent = self._emergency, self._emergency.is_silent(self._now_s)
        self.interlock.enabled = self._enable.is_on(self._now_s)
        self.interlock.emergency = emergency.is_pressed(self._now_s) or silent
        if silent and emergency.is_known:
            self._latch(Reason.EMERGENCY_SILENT, f"nothing was heard on emergency_stop for {emergency.timeout_s} s")

    def _trouble(self) -> Reason | None:
        if self._emergency.is_silent(self._now_s):
            return Reason.EMERGENCY_SILENT
        if not self.interlock.enabled:
            return Reason.DISABLED
        if self._lockstep:
            return None
        if self._stale():
            return Reason.STALE_JOINTS
        if self._resting:
            return None
        if self._now_s >= self._observed_s + self._timeout_s:
            return Reason.NO_OBSERVATION
        return Reason.NO_ACTION if self._now_s >= self._timely_s + self._timeout_s else None

    def _stale(self) -> bool:
        return self._drive.is_stale(self._now_s)

    def _latch(self, reason: Reason, fault: str) -> None:
        if not self.interlock.latched:
            self.fault = fault
            self._enable.revoke()
        self.interlock.latch(reason)

    def _judge(self, channel: Channel) -> None:
        """Latch if joints are found where they must not be."""
        if fault := channel.misplaced():
            self._latch(Reason.JOINT_LIMIT, f"{fault}; {WAY_BACK}")
        if fault := channel.following_fault():
            self._latch(Reason.FOLLOWING_ERROR, fault)

    def _out_of_turn(self, key: StepKey) -> bool:
        """Age and sequence: whether an action is of no use, because its observation is not the present one."""
        latest, wish = self._latest, self._wish
        reason = None
        if wish is not None and wish.key == key:
            reason = Reason.REPEATED
        elif latest is not None and key.session != latest.session:
            reason = Reason.SESSION
        elif latest is not None and key.stamp_ns < latest.stamp_ns:
            reason = Reason.OLD
        elif key == latest and not self._awaiting:
            reason = Reason.REPEATED
        if reason is not None:
            self.interlock.count(reason)
        return reason is not None

    def _settle(self) -> None:
        """Decide on the present observation if its action is there, or has not come in time."""
        if not self._awaiting or self._latest is None:
            return
        if self._wish is not None and self._wish.key == self._latest:
            wish, self._wish = self._wish, None
            self._take(wish)
        elif self._now_s >= self._observed_s + self._deadline_s:
            self._miss()

    def _take(self, wish: Action) -> None:
        self._timely_s = self._now_s
        self.interlock.timely()
        if self.stopped:
            self._stop()
            return
        values = np.clip(wish.values, -1.0, 1.0).astype(np.float32)
        if np.abs(wish.values - values).max() > CLIP_TOLERANCE:
            self.interlock.count(Reason.CLIPPED)
        self._decide(Action(wish.key, values, wish.source, wish.policy_version), moving=True)

    def _miss(self) -> None:
        self.interlock.missed()
        if self._lockstep:
            self.interlock.trip(Reason.NO_ACTION)
        if self.stopped or self._latest is None:
            self._stop()
            return
        self.late += 1
        self.interlock.count(Reason.LATE)
        values = self._held.values if self._moving else self._drive.stop_values()
        self._decide(Action(self._latest, values, Source.LATE, self._held.policy_version), moving=self._moving)

    def _stop(self) -> None:
        if self._latest is not None:
            self.stops += 1
            self._decide(Action(self._latest, self._drive.stop_values(), Source.STOP), moving=False)

    def _decide(self, action: Action, *, moving: bool) -> None:
        """Fix the one applied action of the present observation."""
        self._awaiting = False
        self.steps += 1
        self._decided.append(action)
        self._held, self._moving, self._applied_s = action, moving, self._now_s
        self._drive.due = True
        for limit in self._drive.take_limits():
            self.interlock.count(Reason(limit))

    def _command(self) -> tuple[Command, ...]:
        if self._moving and self.stopped:
            self._moving, self._drive.due = False, True
        action = self._held.values if self._moving else None
        homing = self._now_s < self._homing_until_s and self.may_reset
        commands = self._drive.command(action, self._now_s, self._applied_s + self._step_s, homing=homing)
        if self._drive.fault:
            self._latch(Reason.ASSERTION, self._drive.fault)
        return commands


def _is_one_hot(values: np.ndarray) -> bool:
    return bool(np.isin(values, (0.0, 1.0)).all() and values.sum() == 1.0)
