"""Joining the two halves of a step, and its pictures, which travel on topics of their own."""

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np

from robot_mbrl.steps import Action, Observation, Step, StepKey

LIMIT = 4096
"""Halves kept waiting: well above the history that a late joiner is sent, which may come topic by topic."""


@dataclass(slots=True)
class _Parts:
    observation: Observation | None = None
    action: Action | None = None
    images: dict[str, np.ndarray] = field(default_factory=dict)


class StepJoiner:
    """Joins observations, pictures and applied actions of the same key into steps, in the order of their stamps.

    Each topic is in order by itself, so when a step is complete, the missing parts of every older step of its session
    have been overtaken and are lost: those steps are dropped, counted in `dropped`, and leave a gap.
    """

    def __init__(self, cameras: Collection[str] = (), limit: int = LIMIT) -> None:
        """Wait for nothing yet.

        Args:
            cameras: names of the pictures that complete an observation.
            limit: most incomplete steps kept; beyond it the one that waits longest is dropped.
        """
        self._cameras = frozenset(cameras)
        self._limit = limit
        self._waiting: dict[StepKey, _Parts] = {}
        self._newest_ns: dict[str, int] = {}
        self.dropped = 0
        """Incomplete steps given up."""
        self.repeated = 0
        """Parts that came again, or too late to be joined."""

    def add_observation(self, observation: Observation) -> Step | None:
        """Take an observation, without its pictures; returns the step it completes."""
        parts = self._parts(observation.key)
        if parts is None or parts.observation is not None:
            self.repeated += 1
            return None
        parts.observation = observation
        return self._complete(observation.key, parts)

    def add_action(self, action: Action) -> Step | None:
        """Take an applied action; returns the step it completes."""
        parts = self._parts(action.key)
        if parts is None or parts.action is not None:
            self.repeated += 1
            return None
        parts.action = action
        return self._complete(action.key, parts)

    def add_image(self, camera: str, key: StepKey, picture: np.ndarray) -> Step | None:
        """Take a picture of one of the cameras; returns the step it completes."""
        parts = self._parts(key)
        if parts is None or camera in parts.images:
            self.repeated += 1
            return None
        parts.images[camera] = picture
        return self._complete(key, parts)

    def _parts(self, key: StepKey) -> _Parts | None:
        """What is there of a step; None if it was joined or given up already."""
        if key.stamp_ns <= self._newest_ns.get(key.session, -1):
            return None
        if key not in self._waiting and len(self._waiting) >= self._limit:
            del self._waiting[next(iter(self._waiting))]
            self.dropped += 1
        return self._waiting.setdefault(key, _Parts())

    def _complete(self, key: StepKey, parts: _Parts) -> Step | None:
        if parts.observation is None or parts.action is None or not self._cameras <= parts.images.keys():
            return None
        del self._waiting[key]
        overtaken = [k for k in self._waiting if k.session == key.session and k.stamp_ns < key.stamp_ns]
        for lost in overtaken:
            del self._waiting[lost]
        self.dropped += len(overtaken)
        self._newest_ns[key.session] = key.stamp_ns
        return Step(dataclasses.replace(parts.observation, images=parts.images), parts.action)
