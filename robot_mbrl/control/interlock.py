"""Whether the robot may move: enabled by a person, not latched, and fed with timely actions."""

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
    OLD_OBSERVATION = "old_observation"
    # Changed commands.
    CLIPPED = "clipped"
    POSITION_BOUND = "position_bound"
    BRAKING = "braking"
    RATE = "rate"
    ACCELERATION = "acceleration"
    LATE = "late"
    # Stops that end after some timely actions in a row.
    STARTING = "starting"
    DISABLED = "disabled"
    NO_ACTION = "no_action"
    NO_OBSERVATION = "no_observation"
    STALE_JOINTS = "stale_joints"
    # Before the switch was first heard; afterwards a person must release it.
    EMERGENCY_SILENT = "emergency_silent"
    # Stops that last until a person releases them.
    NOT_FINITE = "not_finite"
    JOINT_LIMIT = "joint_limit"
    FOLLOWING_ERROR = "following_error"
    EMERGENCY_STOP = "emergency_stop"
    ASSERTION = "assertion"
    SHUTDOWN = "shutdown"


class Interlock:
    """Keeps the reasons against motion.

    Call order: `latch` and `trip` whenever a reason is found, again while it lasts; `rest` between episodes when
    none is found; `timely` and `missed` once per observation that awaits an action; then read `stopped`.
    """

    def __init__(self, recover_steps: int, *, enabled: bool) -> None:
        """Begin stopped: also an enabled robot waits for actions to arrive steadily.

        Args:
            recover_steps: timely actions in a row that end a stop.
            enabled: whether the robot may move without being enabled first.
        """
        self.enabled = enabled
        self.emergency = False
        """Whether the emergency stop is being pressed, or may be for all that is known."""
        self.counts: Counter[Reason] = Counter()
        """Interventions by reason."""
        self._recover_steps = recover_steps
        self._latched: Reason | None = None
        self._tripped: Reason | None = Reason.STARTING
        self._timely = 0

    @property
    def stopped(self) -> Reason | None:
        """Why the robot is in its safe stop; None while it may move."""
        return self._latched or self._tripped

    @property
    def latched(self) -> bool:
        """Whether only a person can end the stop."""
        return self._latched is not None

    def count(self, reason: Reason) -> None:
        """Count an intervention that stops nothing."""
        self.counts[reason] += 1

    def trip(self, reason: Reason) -> None:
        """Stop until enough timely actions in a row; counted when it is news."""
        self._timely = 0
        if self._tripped is not reason:
            self._tripped = reason
            self.counts[reason] += 1

    def rest(self) -> None:
        """Note that nothing is amiss between episodes: a stop that lasts now waits for the next one alone."""
        if self._tripped is not None:
            self._tripped = Reason.STARTING

    def latch(self, reason: Reason) -> None:
        """Stop until a person releases it; the first reason stays, but for a shutdown's, and is counted once."""
        self._timely = 0
        self._tripped = self._tripped or reason
        if self._latched is None or (reason is Reason.SHUTDOWN and self._latched is not reason):
            self._latched = reason
            self.counts[reason] += 1

    def release(self) -> bool:
        """Release a latched stop, as a person's deliberate act; refused while the emergency stop is pressed."""
        if self.emergency or self._latched is Reason.SHUTDOWN:
            return False
        if self._latched is not None:
            self._tripped = self._latched
        self._latched = None
        self._timely = 0
        return True

    def timely(self) -> None:
        """Note an action that came in time; the last of enough in a row ends the stop and may be applied itself."""
        self._timely += 1
        if self._tripped is not None and self._timely >= self._recover_steps and self._latched is None:
            self._tripped = None

    def missed(self) -> None:
        """Note that no action came in time."""
        self._timely = 0
