"""The guard: the last thing before the robot, and the one that decides which action was applied at each step.

For every observation it awaits the policy's action and takes it through, in this order: age and sequence, shape and
names, finite, mode (enabled, not stopped), scale, position bounds, velocity that can still brake, velocity,
acceleration, final assertion. Whatever is missing, late or wrong, the robot gets a command within its limits, and the
observation gets exactly one applied action. It is not safety-rated (docs/safety.md).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from robot_mbrl.config import RobotConfig
from robot_mbrl.control.channels import Channel, Command
from robot_mbrl.control.interlock import Interlock, Reason
from robot_mbrl.control.shaping import to_command
from robot_mbrl.errors import MessageError, NonFiniteError
from robot_mbrl.messages import read_action, read_key
from robot_mbrl.specs import Source
from robot_mbrl.steps import Action, StepKey

LOCKSTEP_DEADLINE_S = 10.0
"""How long a simulation in lockstep waits for an action: as long as a policy may take to load."""
LONGEST_GAP_PERIODS = 3.0
"""Command periods without a command after which a robot is taken to rest at the newest one."""
HOME_LAPSE_S = 1.0
"""A move home goes on for this long after it was last asked for."""
CLIP_TOLERANCE = 1e-5
"""What float32 may add to an action at its bound."""
WISHES = (Source.POLICY, Source.RANDOM)
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
            enabled: whether the robot may move without being enabled by a person.
            lockstep: the simulation waits for every step: one command per step, and only actions have a deadline.
        """
        timing = robot.guard
        self.interlock = Interlock(timing.recover_steps, enabled=enabled)
        self.steps, self.late, self.stops = 0, 0, 0
        """Observations decided on so far; how many of them late, and how many stopped."""
        self.fault = ""
        """What led to the newest stop that latched by itself."""
        self._robot, self._spec = robot, robot.action_spec()
        self._lockstep, self._step_s = lockstep, step_s
        self._channels = tuple(Channel(command, timing) for command in robot.commands)
        self._max_ages_s = {name: source.max_age_s for name, source in robot.sources.items()}
        self._deadline_s = LOCKSTEP_DEADLINE_S if lockstep else timing.action_deadline_s
        # While an action is repeated, no observation is due for longer.
        self._timeout_s = timing.command_timeout_s + step_s - robot.period_s
        self._command_period_s = 1.0 / timing.command_rate_hz
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
        self._command_due = not lockstep
        self._commanded_s: float | None = None
        self._homing_until_s = -math.inf

    @property
    def stopped(self) -> Reason | None:
        """Why the robot is in its safe stop; None while it may move."""
        return self.interlock.stopped

    @property
    def at_rest(self) -> bool:
        """Whether nothing is left to command but the same again."""
        return all(channel.at_rest for channel in self._channels)

    def enable(self, on: bool, now_s: float) -> None:
        """Let the robot move, or stop it: a person's act or a released dead-man switch."""
        if on and not self.interlock.enabled:
            self._forget_holds()
        self.interlock.enabled = on
        self._pass(now_s)

    def emergency_stop(self, pressed: bool, now_s: float) -> None:
        """Stop and latch. Letting go of the button does not release the stop; see `reset_stop`."""
        self.interlock.emergency = pressed
        if pressed:
            self._latch(Reason.EMERGENCY_STOP, "the emergency stop was pressed")
        self._pass(now_s)

    def reset_stop(self, now_s: float) -> bool:
        """Release a latched stop; False while the emergency stop is still pressed or the guard shuts down."""
        self._forget_holds()
        self._pass(now_s)
        return self.interlock.release()

    def shut_down(self, now_s: float) -> None:
        """Stop for good."""
        self._latch(Reason.SHUTDOWN, "the guard is shut down")
        self._pass(now_s)

    def home(self, now_s: float) -> bool:
        """Move slowly to the robot's home, between episodes; ask again until it is True: the robot is there."""
        self._pass(now_s)
        if not self._resting or not self.interlock.enabled or self.interlock.latched or self._stale():
            return False
        self._homing_until_s = now_s + HOME_LAPSE_S
        return all(channel.is_home(self._robot.home) for channel in self._channels)

    def observe(self, key: StepKey, is_last: bool, now_s: float) -> None:
        """Note an observation: its action is awaited from now on, unless it is the last of its episode."""
        self._pass(now_s)
        latest, wish = self._latest, self._wish
        if latest is not None and key.session == latest.session and key.stamp_ns <= latest.stamp_ns:
            self.interlock.count(Reason.OLD_OBSERVATION)
            return
        if self._awaiting:
            self._miss()
        if wish is not None and (wish.key.session != key.session or wish.key.stamp_ns < key.stamp_ns):
            self.interlock.count(Reason.FUTURE)
            self._wish = None
        if self._resting:
            self._timely_s = self._now_s
        self._latest, self._observed_s = key, self._now_s
        self._homing_until_s = -math.inf
        self._resting, self._awaiting = is_last, not is_last
        if is_last:
            source = Source.STOP if self.stopped else Source.POLICY
            self._decide(Action(key, self._spec.null(), source), moving=False)
        self._settle()

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
        for channel in self._channels:
            if channel.config.source == source:
                try:
                    fault = channel.sense(message, now_s)
                except MessageError:
                    self.interlock.count(Reason.MALFORMED_JOINTS)
                else:
                    if fault:
                        self._latch(Reason.JOINT_LIMIT, fault)
        self._pass(now_s)

    def next_deadline_s(self) -> float:
        """When `update` must be called again at the latest; infinite if only a message can bring anything new."""
        deadline_s = self._observed_s + self._deadline_s if self._awaiting else math.inf
        if self._lockstep:
            return deadline_s
        if not self.stopped and not self._resting:
            deadline_s = min(deadline_s, min(self._observed_s, self._timely_s) + self._timeout_s)
        commanded_s = -math.inf if self._commanded_s is None else self._commanded_s
        return min(deadline_s, commanded_s + self._command_period_s)

    def update(self, now_s: float) -> Decision:
        """Decide what is to be published now."""
        self._pass(now_s)
        applied, self._decided = tuple(self._decided), []
        return Decision(applied, self._command())

    def _pass(self, now_s: float) -> None:
        """Let time pass, which never goes back, and notice what has not come in it."""
        self._now_s = max(self._now_s, now_s)
        if (trouble := self._trouble()) is not None:
            self.interlock.trip(trouble)
        self._settle()

    def _trouble(self) -> Reason | None:
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
        sources = ((channel.config.source, channel.sensed_s) for channel in self._channels)
        return any(name is not None and self._now_s - s > self._max_ages_s[name] for name, s in sources)

    def _latch(self, reason: Reason, fault: str) -> None:
        if not self.interlock.latched:
            self.fault = fault
        self.interlock.latch(reason)

    def _forget_holds(self) -> None:
        for channel in self._channels:
            channel.forget_hold()

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
        values = self._held.values if self._moving else self._stop_values()
        self._decide(Action(self._latest, values, Source.LATE, self._held.policy_version), moving=self._moving)

    def _stop(self) -> None:
        if self._latest is not None:
            self.stops += 1
            self._decide(Action(self._latest, self._stop_values(), Source.STOP), moving=False)

    def _decide(self, action: Action, *, moving: bool) -> None:
        """Fix the one applied action of the present observation."""
        self._awaiting = False
        self.steps += 1
        self._decided.append(action)
        self._held, self._moving, self._applied_s = action, moving, self._now_s
        self._command_due = True
        for channel in self._channels:
            for limit in channel.limits:
                self.interlock.count(Reason(limit))
            channel.limits.clear()

    def _stop_values(self) -> np.ndarray:
        """The normalised action nearest to the safe stop; no choice among choices."""
        if self._spec.discrete:
            return self._spec.null()
        return np.array([value for channel in self._channels for value in channel.stop_actions()], np.float32)

    def _command(self) -> tuple[Command, ...]:
        if self._moving and self.stopped:
            self._moving, self._command_due = False, True
        dt_s = self._interval_s()
        if dt_s is None:
            return ()
        self._command_due, self._commanded_s = False, self._now_s
        targets = self._targets() if self._moving else {}
        commands = []
        for channel in self._channels:
            command = self._shape(channel, targets, dt_s)
            if command is None:
                continue
            if fault := channel.fault(command, dt_s):
                channel.refuse()
                self._latch(Reason.ASSERTION, fault)
            else:
                channel.sent(command, dt_s)
                commands.append(command)
        return tuple(commands)

    def _interval_s(self) -> float | None:
        """Time that the next command is shaped for; None while none is due."""
        if self._lockstep:
            return self._step_s if self._command_due else None
        if self._commanded_s is None:
            return self._command_period_s
        elapsed_s = self._now_s - self._commanded_s
        # Compared as `next_deadline_s` computes it: another expression may differ by its rounding, for ever.
        due = self._command_due or self._now_s >= self._commanded_s + self._command_period_s
        if elapsed_s <= 0.0 or not due:
            return None
        if elapsed_s <= LONGEST_GAP_PERIODS * self._command_period_s:
            return elapsed_s
        for channel in self._channels:
            channel.settle()
        return self._command_period_s

    def _targets(self) -> dict[str, float]:
        """The wished commands by joint, in their units."""
        values = self._held.values.tolist()
        if self._spec.discrete:
            choice = self._robot.choices[values.index(1.0)].values
            return {joint.name: to_command(joint, choice.get(joint.name, 0.0)) for joint in self._robot.joints}
        return {joint.name: to_command(joint, a) for joint, a in zip(self._robot.joints, values, strict=True)}

    def _shape(self, channel: Channel, targets: Mapping[str, float], dt_s: float) -> Command | None:
        homing = self._now_s < self._homing_until_s and not self.interlock.latched and self.interlock.enabled
        if homing and channel.of_position:
            return channel.go_home(self._robot.home, dt_s)
        if self._lockstep:
            # Time stands still between the measurement and the command.
            return channel.shape(targets, channel.sensed_s, dt_s, self._step_s, None)
        remaining_s = max(0.0, self._applied_s + self._step_s - self._now_s) + dt_s
        return channel.shape(targets, self._now_s, dt_s, self._command_period_s, remaining_s)


def _is_one_hot(values: np.ndarray) -> bool:
    return bool(np.isin(values, (0.0, 1.0)).all() and values.sum() == 1.0)
