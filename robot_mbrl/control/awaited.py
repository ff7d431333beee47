"""Which action of the policy answers the present observation: age and sequence, shape and names, finite or not."""

from typing import Any

import numpy as np

from robot_mbrl.control.stops import Reason
from robot_mbrl.control.watch import Watch
from robot_mbrl.errors import MessageError, NonFiniteError
from robot_mbrl.messages import read_action, read_key
from robot_mbrl.specs import ActionSpec, Source
from robot_mbrl.steps import Action, StepKey

REQUESTING = (Source.POLICY, Source.RANDOM)
"""Sources that a message on `action` may name."""


class AwaitedAction:
    """The present observation, and the action that is requested for it; used by the guard alone.

    Call order: `observe` for each observation that is news, `receive` or `receive_message` for each action, which may
    come before its observation, and `take` to see whether it is there; `close` once the observation has its applied
    action. What does not count is counted, by its reason.

    Attributes:
        key: session and stamp of the present observation; None before the first.
        open: whether it has no applied action yet.
    """

    def __init__(self, spec: ActionSpec, watch: Watch) -> None:
        """Begin without an observation.

        Args:
            spec: shape and names of actions.
            watch: latches where a policy breaks down, and whose machine counts reasons.
        """
        self.key: StepKey | None = None
        self.open = False
        self._spec, self._watch, self._machine = spec, watch, watch.machine
        self._requested: Action | None = None
        self._by_person: StepKey | None = None
        """The observation that a person has answered in the policy's place."""

    def is_news(self, key: StepKey) -> bool:
        """Whether an observation is of a later step than the present one, or of another session."""
        if self.key is not None and key.session == self.key.session and key.stamp_ns <= self.key.stamp_ns:
            self._machine.count(Reason.OLD_OBSERVATION)
            return False
        return True

    def observe(self, key: StepKey) -> None:
        """Await the action of an observation that is news; one that has come before it waits already."""
        requested = self._requested
        if requested is not None and (requested.key.session != key.session or requested.key.stamp_ns < key.stamp_ns):
            self._machine.count(Reason.FUTURE)
            self._requested = None
        self.key, self.open = key, True

    def receive_message(self, message: Any) -> bool:
        """Take in a JointState of the topic `action`; returns whether it counts."""
        if self._is_out_of_turn(read_key(message)):
            return False
        try:
            action = read_action(message, self._spec)
        except NonFiniteError as error:
            self._watch.latch(Reason.NOT_FINITE, str(error))
        except MessageError:
            self._machine.count(Reason.MALFORMED)
        else:
            return self.receive(action)
        return False

    def receive(self, action: Action) -> bool:
        """Take in an action; returns whether it counts."""
        if self._is_out_of_turn(action.key):
            return False
        if action.values.shape != (self._spec.size,) or action.source not in REQUESTING:
            self._machine.count(Reason.MALFORMED)
        elif not np.isfinite(action.values).all():
            self._watch.latch(Reason.NOT_FINITE, "action: a value is not finite")
        elif self._spec.discrete and not _is_one_hot(action.values):
            self._machine.count(Reason.MALFORMED)
        else:
            if self._requested is not None:
                self._machine.count(Reason.FUTURE)
            self._requested = action
            return True
        return False

    def take(self) -> Action | None:
        """The action that is requested for the present observation, once; None while it has not come."""
        if self._requested is None or self._requested.key != self.key:
            return None
        requested, self._requested = self._requested, None
        return requested

    def close(self, *, by_person: bool) -> None:
        """Note that the present observation has its applied action.

        Args:
            by_person: whether a person gave it; the policy's own answer, which follows what was applied, is no fault
                then.
        """
        self.open = False
        if by_person:
            self._by_person = self.key

    def _is_out_of_turn(self, key: StepKey) -> bool:
        """Age and sequence: whether an action is of no use, because its observation is not the present one."""
        present, requested = self.key, self._requested
        if key == present and key == self._by_person:
            return True
        reason = None
        if requested is not None and requested.key == key:
            reason = Reason.REPEATED
        elif present is not None and key.session != present.session:
            reason = Reason.SESSION
        elif present is not None and key.stamp_ns < present.stamp_ns:
            reason = Reason.OLD
        elif key == present and not self.open:
            reason = Reason.REPEATED
        if reason is not None:
            self._machine.count(reason)
        return reason is not None


def _is_one_hot(values: np.ndarray) -> bool:
    return bool(np.isin(values, (0.0, 1.0)).all() and values.sum() == 1.0)
