"""What the spaces of an environment hold: values by name, pictures, and actions."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from gymnasium import spaces

from sim.errors import WorldError

PICTURE_SIDES = (8, 16, 32, 64, 128, 256, 512)
"""Sides, in pixels, of the pictures that agents can see."""
SOLE_VECTOR, SOLE_PICTURE = "state", "camera"
"""What the observation is called in a space that names nothing."""
_PICTURE_CHANNELS = (1, 3)


@dataclass(frozen=True)
class Part:
    """One box of an observation space."""

    name: str
    path: tuple[str, ...]
    """Keys that lead to it through nested dictionaries."""
    shape: tuple[int, ...]
    is_picture: bool

    @property
    def elements(self) -> tuple[str, ...]:
        """Names of its values, in order."""
        return tuple(f"{self.name}.{index}" for index in range(int(np.prod(self.shape))))

    def read(self, observation: Any) -> np.ndarray:
        """The part of an observation of the space."""
        for key in self.path:
            observation = observation[key]
        return np.asarray(observation)


def parts_of(space: spaces.Space[Any]) -> tuple[Part, ...]:
    """The boxes of a space, which may be in dictionaries.

    Raises:
        WorldError: if there is anything else in it.
    """
    return tuple(_parts(space, ()))


def _parts(space: spaces.Space[Any], path: tuple[str, ...]) -> Iterator[Part]:
    if isinstance(space, spaces.Dict):
        for key, inner in space.spaces.items():
            yield from _parts(inner, (*path, key))
        return
    where = ".".join(path) or "the observation"
    if not isinstance(space, spaces.Box):
        raise WorldError(
            f"{where} is a {type(space).__name__}, and agents see boxes of numbers or pictures: wrap the environment "
            f"(gymnasium.wrappers has FlattenObservation), register it anew and name that"
        )
    is_picture = space.dtype == np.uint8 and len(space.shape) in (2, 3) and min(space.shape[:2]) >= PICTURE_SIDES[0]
    if is_picture and len(space.shape) == 3 and space.shape[-1] not in _PICTURE_CHANNELS:
        raise WorldError(
            f"{where} is a picture of shape {space.shape}: agents see one of {_PICTURE_CHANNELS} channels, last. Leave "
            f"out the wrapper that stacks frames, agents remember; or wrap the environment so that channels come last"
        )
    name = re.sub(r"\W", "_", "_".join(path)) or (SOLE_PICTURE if is_picture else SOLE_VECTOR)
    yield Part(name if name[0].isalpha() else f"o_{name}", path, space.shape, is_picture)


def seen(picture: np.ndarray, side: int) -> np.ndarray:
    """A picture as agents see it: uint8, (side, side, 3)."""
    if picture.shape[:2] != (side, side):
        shrinks = max(picture.shape[:2]) > side
        picture = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    if picture.ndim == 2:
        picture = picture[..., None]
    return np.ascontiguousarray(np.broadcast_to(picture, (side, side, 3)))


class Actions:
    """The actions of a space: values in [-1, 1] mapped onto a box, or the choices of a discrete space.

    Attributes:
        names: of the values, or of the choices.
        discrete: whether they are choices.
    """

    def __init__(self, space: spaces.Space[Any]) -> None:
        """Look at the space.

        Raises:
            WorldError: if it is neither a bounded box nor discrete.
        """
        self.discrete = isinstance(space, spaces.Discrete)
        if isinstance(space, spaces.Discrete):
            self._start = int(space.start)
            self.names = tuple(f"choice_{index}" for index in range(int(space.n)))
            return
        if not isinstance(space, spaces.Box):
            raise WorldError(f"its actions are a {type(space).__name__}; agents act on a Box or a Discrete space")
        self._low, self._high = space.low.astype(np.float64), space.high.astype(np.float64)
        if not (np.isfinite(self._low).all() and np.isfinite(self._high).all()):
            raise WorldError(f"its actions have no bounds ({space}): rescale them (gymnasium.wrappers.RescaleAction)")
        self._dtype = space.dtype
        self.names = tuple(f"action_{index}" for index in range(int(np.prod(space.shape))))

    def of(self, values: np.ndarray) -> Any:
        """The environment's action: of values in [-1, 1], or of a one-hot."""
        if self.discrete:
            return self._start + int(values.argmax())
        share = (values.astype(np.float64).reshape(self._low.shape) + 1.0) / 2.0
        return (self._low + share * (self._high - self._low)).astype(self._dtype)


def values_of(parts: Mapping[str, Part], observation: Any) -> dict[str, float]:
    """Every value of an observation by element name."""
    return {
        name: float(value)
        for part in parts.values()
        for name, value in zip(part.elements, part.read(observation).reshape(-1), strict=True)
    }
