"""Why a robot is stopped, and what ends that: one state machine, whose table is `TRANSITIONS`."""

from collections import Counter
from enum import StrEnum


class Reason(StrEnum):
    """Why the guard intervened: what it refused, changed or stopped, as counted and published."""

    # Refused messages; nothing follows from one of them.
    SESSION = "session"
    OLD = "old"
    REPEATED = "repeated"
    FUTURE = "future"
    MALFORMED = "malformed"
    MALFORMED_JOINTS = "malformed_joints"
    OLD_JOINTS = "old_joints"
    OLD_OBSERVATION = "old_observation"
    # Changed commands.
    CLIPPED = "clipped"
    OFFSET = "offset"
    POSITION_BOUND = "position_bound"
    BRAKING = "braking"
    RATE = "rate"
    ACCELERATION = "acceleration"
    JERK = "jerk"
    LATE = "late"
    # Stops that end after some timely actions in a row, once their cause is gone.
    STARTING = "starting"
    DISABLED = "disabled"
    SECOND_PUBLISHER = "second_publisher"
    NO_DRIVER = "no_driver"
    TAKEOVER_LOST = "takeover_lost"
    STALE_JOINTS = "stale_joints"
    CONDITION = "condition"
    OUT_OF_RANGE = "out_of_range"
    NO_OBSERVATION = "no_observation"
    NO_ACTION = "no_action"
    # This one and the next are latched too: once the switch was heard, while the robot is enabled.
    EMERGENCY_SILENT = "emergency_silent"
    JOINTS_DISAGREE = "joints_disagree"
    # Stops that last until a person releases them.
    NOT_FINITE = "not_finite"
    JOINT_LIMIT = "joint_limit"
    FOLLOWING_ERROR = "following_error"
    EMERGENCY_STOP = "emergency_stop"
    ASSERTION = "assertion"
    SHUTDOWN = "shutdown"


class StopState(StrEnum):
    """Whether the robot carries out the policy's actions, and if not, who or what can change that."""

    DISABLED = "disabled"
    """A person must enable it."""
    STOPPED = "stopped"
    """Enabled; something is amiss, or timely actions are not yet enough in a row."""
    MOVING = "moving"
    """It carries out the actions it is given."""
    LATCHED = "latched"
    """A person must release the stop."""
    ENDED = "ended"
    """The guard shuts down."""


class StopEvent(StrEnum):
    """What the state machine is told."""

    FAULT = "a fault latches"
    NOT_ENABLED = "the robot is not enabled"
    TROUBLE = "something is amiss that can pass"
    ALL_WELL = "enabled, and nothing is amiss"
    STEADY = "enough timely actions in a row"
    RELEASE = "a person releases the stop"
    SHUTDOWN = "the guard shuts down"


TRANSITIONS: dict[tuple[StopState, StopEvent], StopState] = {
    (StopState.DISABLED, StopEvent.FAULT): StopState.LATCHED,
    (StopState.DISABLED, StopEvent.TROUBLE): StopState.STOPPED,
    (StopState.DISABLED, StopEvent.ALL_WELL): StopState.STOPPED,
    (StopState.DISABLED, StopEvent.SHUTDOWN): StopState.ENDED,
    (StopState.STOPPED, StopEvent.FAULT): StopState.LATCHED,
    (StopState.STOPPED, StopEvent.NOT_ENABLED): StopState.DISABLED,
    (StopState.STOPPED, StopEvent.STEADY): StopState.MOVING,
    (StopState.STOPPED, StopEvent.SHUTDOWN): StopState.ENDED,
    (StopState.MOVING, StopEvent.FAULT): StopState.LATCHED,
    (StopState.MOVING, StopEvent.NOT_ENABLED): StopState.DISABLED,
    (StopState.MOVING, StopEvent.TROUBLE): StopState.STOPPED,
    (StopState.MOVING, StopEvent.SHUTDOWN): StopState.ENDED,
    (StopState.LATCHED, StopEvent.RELEASE): StopState.DISABLED,
    (StopState.LATCHED, StopEvent.SHUTDOWN): StopState.ENDED,
}
"""What follows from each event in each state; what is not here changes nothing. No transition leads to MOVING but by
timely actions, and none leaves LATCHED but by a person's act, after which the robot has to be enabled anew."""


class StopMachine:
    """Keeps the state, the reason for it, and counts of every intervention.

    Call order: `not_enabled`, `trouble` or `all_well` whenever time has passed; `latch` when a fault is found; `timely`
    and `missed` once per observation that awaits an action; `release` and `shut_down` as people ask for it.

    Attributes:
        state: where it stands.
        reason: why; None while moving.
        counts: interventions by reason.
    """

    def __init__(self, recover_steps: int) -> None:
        """Begin disabled.

        Args:
            recover_steps: timely actions in a row that end a stop.
        """
        self.state = StopState.DISABLED
        self.reason: Reason | None = Reason.STARTING
        self.counts: Counter[Reason] = Counter()
        self._recover_steps = recover_steps
        self._timely = 0

    @property
    def latched(self) -> bool:
        """Whether only a person can end the stop, if anybody."""
        return self.state in (StopState.LATCHED, StopState.ENDED)

    def count(self, reason: Reason) -> None:
        """Count an intervention that stops nothing."""
        self.counts[reason] += 1

    def not_enabled(self) -> None:
        """Note that the robot is not enabled."""
        self._go(StopEvent.NOT_ENABLED, Reason.DISABLED)

    def trouble(self, reason: Reason) -> None:
        """Note that something is amiss that can pass; counted when it is news."""
        self._go(StopEvent.TROUBLE, reason)

    def all_well(self, *, resting: bool) -> None:
        """Note that the robot is enabled and nothing is amiss.

        Args:
            resting: whether no episode is under way: a stop that lasts now waits for the next one alone.
        """
        if self.state is StopState.DISABLED or (resting and self.state is StopState.STOPPED):
            self.reason = Reason.STARTING
        self._follow(StopEvent.ALL_WELL)

    def latch(self, reason: Reason) -> bool:
        """Stop until a person releases it; the first reason stays. Returns whether it is the first."""
        if self.latched:
            return False
        self._go(StopEvent.FAULT, reason)
        return True

    def overrule(self, latched: Reason, reason: Reason) -> bool:
        """Give a latched stop another reason, if it is latched for this one; returns whether it was."""
        if self.state is not StopState.LATCHED or self.reason is not latched:
            return False
        self.reason = reason
        self.counts[reason] += 1
        return True

    def release(self) -> None:
        """Release a latched stop, as a person's deliberate act; the robot is then disabled."""
        self._follow(StopEvent.RELEASE)
        self._timely = 0

    def shut_down(self) -> None:
        """Stop for good."""
        self._go(StopEvent.SHUTDOWN, Reason.SHUTDOWN)

    def timely(self) -> None:
        """Note an action that came in time; the last of enough in a row ends the stop and may be applied itself."""
        self._timely += 1
        if self._timely >= self._recover_steps:
            self._follow(StopEvent.STEADY)
            if self.state is StopState.MOVING:
                self.reason = None

    def missed(self) -> None:
        """Note that no action came in time."""
        self._timely = 0

    def _go(self, event: StopEvent, reason: Reason) -> None:
        """Follow an event that is a reason to stand still."""
        state = self.state
        self._follow(event)
        self._timely = 0
        if state in (StopState.LATCHED, StopState.ENDED) and self.state is state:
            return
        if self.reason is not reason:
            self.reason = reason
            self.counts[reason] += 1

    def _follow(self, event: StopEvent) -> None:
        self.state = TRANSITIONS.get((self.state, event), self.state)
