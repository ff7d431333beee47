"""What stops a robot: the switches, silences, faults and conditions that the guard watches, in one order."""

import math
from typing import Any

from robot_mbrl.config import RobotConfig
from robot_mbrl.control.command_interface import CommandInterface
from robot_mbrl.control.conditions import Conditions
from robot_mbrl.control.enabling import EmergencySwitch, EnableSwitch
from robot_mbrl.control.pipeline import CommandPipeline
from robot_mbrl.control.stops import Reason, StopMachine, StopState
from robot_mbrl.errors import MessageError

SILENCE_S = 1.0
"""What is silent, or two, for longer than this disables a real robot: a person enables it again."""
LATE_SHARE = 0.25
"""Share of the timeout that observations may be old before that is said to be why actions are late."""
RELEASE = "robot-mbrl release, then robot-mbrl enable"
REMEDIES = {
    Reason.JOINT_LIMIT: f"bring it back (robot-mbrl bring-back, or by hand), then {RELEASE}",
    Reason.OUT_OF_RANGE: "bring it back (robot-mbrl bring-back, or by hand)",
    Reason.JOINTS_DISAGREE: f"see whether two drivers publish, or one lies, then {RELEASE}",
    Reason.FOLLOWING_ERROR: f"see what blocks it, then {RELEASE}",
    Reason.NOT_FINITE: f"see what is wrong with this policy, then {RELEASE}",
    Reason.CONDITION: "see to it",
    Reason.EMERGENCY_STOP: RELEASE,
    Reason.EMERGENCY_SILENT: "connect the switch",
    Reason.ASSERTION: f"report this as a bug; {RELEASE}",
}
"""What a person can do, by reason."""
GRAVER = {Reason.EMERGENCY_STOP, Reason.EMERGENCY_SILENT, Reason.CONDITION, Reason.FOLLOWING_ERROR}
"""Reasons that outweigh a joint beyond its bounds, which may be moved back: these have to be released first."""
BY_HAND = {
    Reason.JOINT_LIMIT: f"move it back by hand or with the driver's own tool, then {RELEASE}",
    Reason.OUT_OF_RANGE: "move it back by hand or with the driver's own tool",
}
"""The same where no command is sure to bring a joint back."""


class Watch:
    """Keeps what is known of person, driver and policy, and tells the stop machine; used by the guard alone.

    Call order: its acts as messages arrive, then `look` with the time; `observed` and `timely` for each step.

    Attributes:
        machine: what follows from it.
        now_s: the present, which never goes back.
        observed_s: when the newest observation was sent.
        enabled: whether a person lets the robot move.
        follows: whether the joints are commanded, and so have to follow.
    """

    def __init__(
        self,
        robot: RobotConfig,
        step_s: float,
        pipeline: CommandPipeline,
        *,
        enabled: bool,
        lockstep: bool,
        rest_s: float,
    ) -> None:
        """Begin having heard of nobody; see `Guard`."""
        timing = robot.guard
        self.machine = StopMachine(timing.recover_steps)
        self.now_s = self.observed_s = -math.inf
        self.enabled = enabled
        self.follows = True
        self._unattended, self._lockstep = enabled, lockstep
        self._pipeline = pipeline
        self._enable = EnableSwitch(on=enabled, timeout_s=timing.enable_timeout_s)
        self._emergency = EmergencySwitch(timeout_s=None if enabled else timing.emergency_stop_timeout_s)
        self._conditions = Conditions(robot, simulated=enabled)
        # While an action is repeated, no observation is due for longer.
        self._timeout_s = timing.command_timeout_s + step_s - robot.period_s
        self._timely_s = -math.inf
        self._resting, self._steps = True, 0
        self._rest_s, self._rested_s = rest_s, math.inf
        self._age_s = 0.0
        self._clocks = 0
        self._session = ""
        self._noted: dict[Reason, str] = {}
        self._trouble: tuple[Reason, str] | None = None
        self._together_s: float | None = None
        """When driver, sensor node and conditions were last all there, and nobody else."""
        self._fault = self._revoked = ""

    @property
    def may_act(self) -> bool:
        """Whether actions are carried out."""
        return self.machine.state is StopState.MOVING

    @property
    def may_reset(self) -> bool:
        """Whether the robot may be moved with no policy driving it: enabled, and nothing amiss but a missing policy."""
        if not self.enabled or self.machine.latched or self.emergency_pressed:
            return False
        return not self._emergency.is_silent(self.now_s) and self._find_lasting() is None

    @property
    def emergency_pressed(self) -> bool:
        """Whether the emergency stop is pressed, for all that is known."""
        return self._emergency.is_pressed(self.now_s)

    @property
    def held_off(self) -> bool:
        """Whether `enable` counts again only once everybody has let go."""
        return self._enable.is_held_off(self.now_s)

    @property
    def may_enable(self) -> bool:
        """Whether a person's `enable` would count now."""
        silent = self._emergency.is_silent(self.now_s)
        return not (self.machine.latched or self.held_off or silent or self._lasts())

    @property
    def fault(self) -> str:
        """What led to the newest stop that latched by itself."""
        return self._fault

    @property
    def detail(self) -> str:
        """What exactly is amiss and what helps, in a sentence; empty if nothing is."""
        machine, parts = self.machine, []
        if machine.latched:
            parts.append(self._fault)
            pressed = self.emergency_pressed and machine.reason is not Reason.EMERGENCY_STOP
            parts.append("the emergency stop is pressed" if pressed else "")
            parts.append(self._remedy(machine.reason or Reason.SHUTDOWN))
        elif machine.state is StopState.DISABLED:
            parts.append(self._revoked)
            held = self.held_off and self._enable.was_pressed
            parts.append("everybody who says enable must let go first" if held else "")
        if not machine.latched and self._trouble is not None:
            reason, text = self._trouble
            parts.append("" if text in self._revoked else text)
            parts.append("" if reason is Reason.JOINTS_DISAGREE else self._remedy(reason))
        return "; ".join(filter(None, parts))

    def _remedy(self, reason: Reason) -> str:
        if reason in BY_HAND and not self._pipeline.can_return():
            return BY_HAND[reason]
        return REMEDIES.get(reason, "")

    def state(self, *, reset: bool) -> str:
        """The state in a word or two.

        Args:
            reset: whether the guard itself moves the robot to a start.
        """
        machine = self.machine
        if machine.latched:
            return f"latched: {machine.reason}"
        if machine.state is StopState.DISABLED:
            return "disabled"
        if reset or (self.between_episodes() and machine.reason in (None, Reason.STARTING)):
            return "resetting"
        return "moving" if machine.reason is None else f"stopped: {machine.reason}"

    def between_episodes(self) -> bool:
        """Whether no episode is under way; one whose observations have ceased is over, although nobody said so.

        In lockstep they do not cease: the simulation waits for whoever is slow.
        """
        return self._resting or (not self._lockstep and self.now_s >= self.observed_s + self._timeout_s)

    def bring_back_hindrance(self) -> str:
        """Why joints that are out of bounds may not be moved back: nothing else must be amiss. Empty if they may."""
        machine = self.machine
        if self.emergency_pressed:
            return "the emergency stop is pressed"
        if self._emergency.is_silent(self.now_s):
            return "nothing is heard on emergency_stop"
        if noted := "; ".join(filter(None, self._noted.values())):
            return noted
        if self._pipeline.is_stale(self.now_s):
            return self._pipeline.staleness(self.now_s)
        if unsettled := self._pipeline.unsettled():
            return f"readings do not agree yet of joints {unsettled}"
        if trouble := self._conditions.trouble(self.now_s):
            return trouble
        if machine.latched and machine.reason is not Reason.JOINT_LIMIT:
            return f"{machine.reason} is latched: robot-mbrl release first"
        return "its policy drives the robot" if self.may_act else ""

    def enable(self, on: bool) -> None:
        """Hear a person's switch."""
        was_on, silent = self._enable.is_on(self.now_s), self._emergency.is_silent(self.now_s)
        self._enable.hear(on, self.now_s)
        if on and not was_on and (self.machine.latched or silent or self._lasts()):
            self._enable.revoke()
        # Only when it takes effect: a position that is held must not follow a sagging joint from message to message.
        if self._enable.is_on(self.now_s) and not was_on:
            self._revoked = ""
            self._rested_s = self.now_s
            self._pipeline.reset()

    def press(self, pressed: bool) -> None:
        """Hear the emergency stop."""
        self._emergency.hear(pressed, self.now_s)
        if pressed:
            self.latch(Reason.EMERGENCY_STOP, "the emergency stop was pressed")

    def release(self) -> bool:
        """Release a latched stop, if the emergency stop allows it and no joint is out of bounds."""
        if self.emergency_pressed or self._emergency.is_silent(self.now_s) or self.machine.state is StopState.ENDED:
            return False
        if self.machine.reason is Reason.JOINT_LIMIT and self.machine.latched and self._pipeline.out_of_bounds():
            return False
        if self.machine.latched:
            self._pipeline.reset()
        self.machine.release()
        return True

    def note(self, reason: Reason, detail: str) -> None:
        """Note what was found outside; empty if all is well."""
        self._noted[reason] = detail

    def observed(self, session: str, age_s: float, *, is_last: bool) -> None:
        """Note an observation."""
        if self._session and session != self._session:
            self.revoke("the sensor node has begun anew")
        self._session = session
        self.observed_s, self._age_s = self.now_s - age_s, age_s
        if self._resting:
            self._timely_s, self._steps = self.observed_s, 0
        self._steps += 1
        self._resting, self._rested_s = is_last, self.now_s

    def timely(self) -> None:
        """Note an action that came in time."""
        self._timely_s = self.now_s
        self._trouble = self._find()
        # An action is no reason to move while something else is amiss, however few of them it takes.
        if self.enabled and self._trouble is None:
            self.machine.timely()

    def sense(self, source: str, message: Any, now_s: float) -> None:
        """Take in a message of the driver."""
        self.now_s = max(self.now_s, now_s)
        self._conditions.sense(source, message, now_s)
        for interface in self._pipeline.interfaces:
            if interface.config.source == source:
                try:
                    news = interface.joints.sense(message, now_s)
                except MessageError as error:
                    interface.joints.refusal = str(error)
                    self.machine.count(Reason.MALFORMED_JOINTS)
                    continue
                if news:
                    self._judge(interface)
                else:
                    self.machine.count(Reason.OLD_JOINTS)
        self._notice_clocks()

    def _notice_clocks(self) -> None:
        """Disable the robot where what is heard counts by a new clock."""
        clocks = self._conditions.adopted + sum(interface.joints.adopted for interface in self._pipeline.interfaces)
        if clocks > self._clocks:
            # What was old for a second may be as old still: nobody can tell that from a clock that was set.
            self.revoke("the driver's clock is another, or its readings are delayed")
        self._clocks = clocks

    def latch(self, reason: Reason, fault: str) -> None:
        """Stop until a person releases it."""
        if self.machine.latch(reason) or (reason in GRAVER and self.machine.overrule(Reason.JOINT_LIMIT, reason)):
            self._fault = fault
            self._enable.revoke()

    def look(self, now_s: float) -> None:
        """Let time pass, and find what is amiss."""
        self.now_s = max(self.now_s, now_s)
        if self._together_s is None:
            self._together_s = self.now_s
        if self._emergency.is_known and self._emergency.is_silent(self.now_s):
            self.latch(
                Reason.EMERGENCY_SILENT, f"nothing was heard on emergency_stop for {self._emergency.timeout_s} s"
            )
        if fault := self._conditions.fault(self.now_s) if self.enabled else "":
            self.latch(Reason.CONDITION, fault)
        self._trouble = self._find()
        if not self._is_cut_off():
            self._together_s = self.now_s
        elif self._lasts():
            text = self._trouble[1] if self._trouble is not None else "no observation comes"
            self.revoke(f"for longer than {SILENCE_S:g} s: {text}")
            # An episode whose observations have ceased is over: what comes next may need the robot enabled.
            self._resting = self._resting or self._is_unobserved()
        if self._trouble is not None and self._trouble[0] is Reason.OUT_OF_RANGE:
            # Or it would move by itself once a person has moved it back.
            self.revoke(self._trouble[1])
        if self._resting and self.now_s - self._rested_s > self._rest_s:
            self.revoke(f"no episode has begun for {self._rest_s:g} s")
        was_enabled, self.enabled = self.enabled, self._enable.is_on(self.now_s)
        if was_enabled and self._enable.fell_silent:
            self._revoked = f"enable was not repeated for {self._enable.timeout_s:g} s"
        if not self.enabled:
            self.machine.not_enabled()
        elif self._trouble is not None:
            self.machine.trouble(self._trouble[0])
        else:
            self.machine.all_well(resting=self._resting)

    def next_deadline_s(self) -> float:
        """When it must look again at the latest."""
        if self.machine.reason is not None or self._resting:
            return math.inf
        return min(self.observed_s, self._timely_s) + self._timeout_s

    def _find(self) -> tuple[Reason, str] | None:
        """What is amiss first, and a sentence about it."""
        if self._emergency.is_silent(self.now_s):
            return Reason.EMERGENCY_SILENT, "nothing was heard on emergency_stop"
        if self._lockstep:
            return None
        if (lasting := self._find_lasting()) is not None:
            return lasting
        if self._resting:
            return None
        if self._is_unobserved():
            if self._age_s > self._timeout_s:
                late = f"observations come {self._age_s:.1f} s old: set the clocks of both computers alike"
                return Reason.NO_OBSERVATION, late
            return Reason.NO_OBSERVATION, "no observation comes: see the sensor node's diagnostics"
        if self.now_s >= self._timely_s + self._timeout_s:
            if self._age_s > LATE_SHARE * self._timeout_s:
                late = f"no action comes in time, as observations come {self._age_s:.3f} s old"
                return Reason.NO_ACTION, f"{late}: set the clocks of both computers alike"
            return Reason.NO_ACTION, "no action comes in time: see the policy node's diagnostics"
        return None

    def _find_lasting(self) -> tuple[Reason, str] | None:
        """What is amiss whether or not an episode is under way."""
        for reason in (Reason.SECOND_PUBLISHER, Reason.NO_DRIVER, Reason.TAKEOVER_LOST):
            if text := self._noted.get(reason):
                return reason, text
        pipeline = self._pipeline
        if pipeline.is_stale(self.now_s):
            return Reason.STALE_JOINTS, pipeline.staleness(self.now_s)
        if text := pipeline.unsettled():
            return Reason.JOINTS_DISAGREE, f"readings do not agree yet of joints {text}"
        if text := self._conditions.trouble(self.now_s):
            return Reason.CONDITION, text
        if text := pipeline.out_of_range():
            return Reason.OUT_OF_RANGE, text
        return None

    def _lasts(self) -> bool:
        """Whether a real robot has been cut off for so long that it is disabled."""
        if self._unattended or self._together_s is None:
            return False
        return self._is_cut_off() and self.now_s - self._together_s > SILENCE_S

    def _is_unobserved(self) -> bool:
        return not self._resting and self.now_s >= self.observed_s + self._timeout_s

    def _is_cut_off(self) -> bool:
        """Whether somebody is missing, or one too many there: whatever else is amiss at the same time."""
        if self._lockstep:
            return False
        missing = self._pipeline.is_stale(self.now_s) or self._is_unobserved()
        return missing or any(self._noted.values()) or bool(self._conditions.trouble(self.now_s))

    def revoke(self, why: str) -> None:
        """Disable a real robot: a person enables it anew."""
        if not self._unattended and self._enable.is_on(self.now_s):
            self._enable.revoke()
            self._revoked = why

    def _stale_or_unsettled(self) -> bool:
        return self._pipeline.is_stale(self.now_s) or bool(self._pipeline.unsettled())

    def _judge(self, interface: CommandInterface) -> None:
        """Latch if joints are found where they must not be."""
        joints = interface.joints
        if joints.leap and self._unattended and (self._resting or self._steps <= 1):
            interface.relocate()
        elif joints.leap and self.enabled:
            self.latch(Reason.JOINTS_DISAGREE, joints.leap)
        if joints.unsettled():
            return
        if not self.enabled:
            joints.forgive()
        if fault := interface.out_of_bounds():
            self.latch(Reason.JOINT_LIMIT, fault)
        if self.follows and (fault := interface.following_fault()):
            # It may be blocked on its way back.
            self.latch(Reason.FOLLOWING_ERROR, fault)
