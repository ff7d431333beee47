"""Joining what belongs to one step but arrives on several topics: an observation, its pictures, its action."""

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from robot_mbrl.steps import Action, Observation, Step, StepKey

CAPACITY = 4096
"""Steps that may wait for a part: well above the history of the topics, which a late joiner gets one by one."""

_OBSERVATION = "observation"
_ACTION = "action"


class KeyedJoin:
    """Collects the parts of steps by key, and gives up those that can no longer become whole.

    Each part comes from one topic, which delivers in the order that was lived: once a topic has brought a later step,
    an earlier one that lacks its part will never get it. Steps therefore come out in order. Which of two sessions is
    the later one is known once one topic has gone on from one to the other; a topic whose writer has restarted may
    begin with the newer, while the history of another still holds both.
    """

    def __init__(self, parts: Iterable[str], capacity: int = CAPACITY) -> None:
        """Wait for these parts of every step.

        Args:
            parts: names of the parts, one or more.
            capacity: steps that may wait; the oldest is given up for a newer one.
        """
        self.incomplete = 0
        """Steps given up so far because a part never came."""
        self._capacity = capacity
        self._waiting: dict[StepKey, dict[str, Any]] = {}
        # The newest stamp that each topic has brought of each session, in the order in which it came to them.
        self._newest: dict[str, dict[str, int]] = {part: {} for part in parts}

    def add(self, part: str, key: StepKey, value: Any) -> dict[str, Any] | None:
        """Take in one part of a step.

        Returns:
            All the parts of that step by name if this was the last one it lacked, else None. A part that repeats,
            or whose step was given up, is ignored.
        """
        if self._is_past(part, key):
            return None
        newest = self._newest[part]
        goes_on = key.session in newest
        newest[key.session] = key.stamp_ns
        step = self._waiting.setdefault(key, {})
        step[part] = value
        missing = self._newest.keys() - step.keys()
        if not missing:
            del self._waiting[key]
        elif any(self._is_past(other, key) for other in missing):
            self._give_up([key])
        if goes_on:
            self._give_up([k for k, parts in self._waiting.items() if part not in parts and self._is_past(part, k)])
        else:
            self._give_up_doomed()
        self._give_up(list(self._waiting)[: max(0, len(self._waiting) - self._capacity)])
        return None if missing else step

    def _is_past(self, part: str, key: StepKey) -> bool:
        """Whether a topic will bring no part of this step any more."""
        newest = self._newest[part]
        if not newest:
            return False
        session = next(reversed(newest))
        if key.session == session:
            return key.stamp_ns <= newest[session]
        return key.session in newest or self._is_later(session, key.session)

    def _is_later(self, session: str, other: str) -> bool:
        """Whether some topic has gone on to a session from another."""
        for newest in self._newest.values():
            if session in newest and other in newest:
                sessions = list(newest)
                return sessions.index(session) > sessions.index(other)
        return False

    def _give_up_doomed(self) -> None:
        """Look at every step again, since more is known of the order of sessions."""
        parts = self._newest.keys()
        self._give_up([k for k, step in self._waiting.items() if any(self._is_past(p, k) for p in parts - step.keys())])

    def _give_up(self, keys: list[StepKey]) -> None:
        for key in keys:
            del self._waiting[key]
        self.incomplete += len(keys)


class ObservationPairing:
    """Joins `observation` with the pictures of the same step: for the policy.

    Call `add_observation` and `add_image` in any order, as messages arrive; each returns the observation that it made
    whole, or None.
    """

    def __init__(self, images: Collection[str] = (), capacity: int = CAPACITY) -> None:
        """Wait for these pictures.

        Args:
            images: names of the images; with none, every observation is whole by itself.
            capacity: observations that may wait for a picture.
        """
        self._join = KeyedJoin((_OBSERVATION, *map(_image, images)), capacity)

    @property
    def half_pairs(self) -> int:
        """Observations or pictures dropped so far because the other half never came."""
        return self._join.incomplete

    def add_observation(self, observation: Observation) -> Observation | None:
        """Take in an observation without its pictures."""
        return self._merge(self._join.add(_OBSERVATION, observation.key, observation))

    def add_image(self, name: str, key: StepKey, picture: np.ndarray) -> Observation | None:
        """Take in a picture, shape (height, width, channels)."""
        return self._merge(self._join.add(_image(name), key, picture))

    @staticmethod
    def _merge(parts: dict[str, Any] | None) -> Observation | None:
        return None if parts is None else _with_pictures(parts)


class StepPairing:
    """Joins `observation`, its pictures and `applied_action` to whole steps: for whoever learns or counts.

    Call `add_observation`, `add_image` and `add_action` in any order, as messages arrive; each returns the step that
    it made whole, or None. Steps come out in the order they were lived.
    """

    def __init__(self, images: Collection[str] = (), capacity: int = CAPACITY) -> None:
        """Wait for these pictures and the applied action of every observation.

        Args:
            images: names of the images.
            capacity: steps that may wait for a part.
        """
        self._join = KeyedJoin((_OBSERVATION, _ACTION, *map(_image, images)), capacity)

    @property
    def half_pairs(self) -> int:
        """Steps dropped so far because a part never came."""
        return self._join.incomplete

    def add_observation(self, observation: Observation) -> Step | None:
        """Take in an observation without its pictures."""
        return self._merge(self._join.add(_OBSERVATION, observation.key, observation))

    def add_image(self, name: str, key: StepKey, picture: np.ndarray) -> Step | None:
        """Take in a picture, shape (height, width, channels)."""
        return self._merge(self._join.add(_image(name), key, picture))

    def add_action(self, action: Action) -> Step | None:
        """Take in the action that was applied from an observation on."""
        return self._merge(self._join.add(_ACTION, action.key, action))

    @staticmethod
    def _merge(parts: dict[str, Any] | None) -> Step | None:
        return None if parts is None else Step(_with_pictures(parts), parts[_ACTION])


def _image(name: str) -> str:
    return f"image/{name}"


def _with_pictures(parts: dict[str, Any]) -> Observation:
    observation: Observation = parts[_OBSERVATION]
    pictures = {name.removeprefix("image/"): part for name, part in parts.items() if name.startswith("image/")}
    return replace(observation, images=pictures) if pictures else observation
