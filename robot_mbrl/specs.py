"""What an agent sees and does: named, typed, unit-bearing specifications of observations, actions and tensors.

Specifications travel inside policy bundles and run folders, so they are pydantic models that read and write JSON.
"""

import re
from enum import IntEnum
from typing import Annotated, Literal

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]


def _checked_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", name):
        raise ValueError(
            f"{name!r} must begin with a letter and hold only letters, digits, _ and -, since topics and files are "
            f"named after it"
        )
    return name


Name = Annotated[str, AfterValidator(_checked_name)]
"""A name that folders can be made from, and ROS namespaces once `-` has become `_`."""


def _checked_topic(topic: str) -> str:
    if not re.fullmatch(rf"(~/|/)?{_TOKEN}(/{_TOKEN})*", topic):
        raise ValueError(
            f"{topic!r} is no topic of ROS: words of letters, digits and _, not beginning with a digit, between slashes"
        )
    return topic


_TOKEN = "[A-Za-z_][A-Za-z0-9_]*"
Topic = Annotated[str, AfterValidator(_checked_topic)]
"""A topic: below the robot's namespace, unless it begins with a slash."""
TopicToken = Annotated[str, Field(pattern=f"^{_TOKEN}$")]
"""What a topic may have between two slashes."""

Provider = Literal["auto", "cpu", "cuda", "tensorrt"]
"""What a robot may be told to compute its policy with; auto for the fastest there is."""


class Frozen(BaseModel):
    """An immutable model that refuses unknown fields, so that a misspelt one is an error and not a default."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Source(IntEnum):
    """Who chose the action that entered shaping."""

    POLICY = 0
    LATE = 1
    RANDOM = 2
    TELEOP = 3
    STOP = 4


class Mode(IntEnum):
    """How an episode is lived: with exploration, or judged by the policy's mode."""

    EXPLORE = 0
    EVALUATE = 1


VALUE_BOUND = 100.0
"""Scales beyond which a value says no more than that it is large: there values and rewards are bounded."""
DEPTH_LIMIT_MM = 5000
"""Where depths end for agents, millimetres: what is further away looks as far as this."""
Scale = Positive | Literal["auto"]
"""A typical magnitude, or `auto` for one that agents find out themselves."""


class Element(Frozen):
    """One low-dimensional value, published by name in physical units."""

    name: str
    unit: str = ""
    scale: Scale = 1.0
    """What the world model divides the value by: a typical magnitude, in the value's unit. `auto` leaves it to the
    agent: to running statistics, or to how it squashes values anyway."""


class VectorSpec(Frozen):
    """A group of named values that the world model encodes together."""

    elements: Annotated[tuple[Element, ...], Field(min_length=1)]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the elements, in order."""
        return tuple(element.name for element in self.elements)

    @property
    def size(self) -> int:
        """Number of elements."""
        return len(self.elements)

    @property
    def scales(self) -> np.ndarray:
        """The elements' scales, float32, shape (size,); 1 for those that are `auto`."""
        return np.array([1.0 if element.scale == "auto" else element.scale for element in self.elements], np.float32)

    @property
    def automatic(self) -> np.ndarray:
        """Which elements' scales are `auto`, bool, shape (size,)."""
        return np.array([element.scale == "auto" for element in self.elements])


class ImageSpec(Frozen):
    """A camera picture as the policy sees it: height x width x channels."""

    height: Annotated[int, Field(ge=8, le=512)] = 64
    width: Annotated[int, Field(ge=8, le=512)] = 64
    encoding: Literal["rgb8", "16UC1"] = "rgb8"

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return (self.height, self.width, 3 if self.encoding == "rgb8" else 1)

    @property
    def is_depth(self) -> bool:
        """Whether the pixels are depths."""
        return self.encoding == "16UC1"

    @property
    def dtype(self) -> type[np.generic]:
        """Element type of the array: uint8 colours or uint16 depths in millimetres."""
        return np.uint8 if self.encoding == "rgb8" else np.uint16


class ObservationSpec(Frozen):
    """Everything an agent observes at one step, by name."""

    vectors: dict[str, VectorSpec] = {}
    images: dict[str, ImageSpec] = {}

    @model_validator(mode="after")
    def _observes_something(self) -> "ObservationSpec":
        if not self.vectors and not self.images:
            raise ValueError("an observation needs at least one vector or image")
        if clash := set(self.vectors) & set(self.images):
            raise ValueError(f"names used by both a vector and an image: {sorted(clash)}")
        return self

    @property
    def element_names(self) -> tuple[str, ...]:
        """Names of all low-dimensional values, in order of the vectors."""
        return tuple(name for vector in self.vectors.values() for name in vector.names)


class ActionSpec(Frozen):
    """What an agent decides at one step: values in [-1, 1] by name, or one of several choices as a one-hot."""

    kind: Literal["continuous", "discrete"] = "continuous"
    names: Annotated[tuple[str, ...], Field(min_length=1)]
    """Names of the actuated joints or axes (continuous) or of the choices (discrete)."""
    units: tuple[str, ...] = ()
    """Physical unit behind each continuous value; empty for choices."""

    @model_validator(mode="after")
    def _names_are_unique(self) -> "ActionSpec":
        if len(set(self.names)) != len(self.names):
            raise ValueError(f"action names repeat: {self.names}")
        if self.kind == "continuous" and len(self.units) not in (0, len(self.names)):
            raise ValueError(f"{len(self.units)} units for {len(self.names)} names")
        return self

    @property
    def size(self) -> int:
        """Length of the action vector."""
        return len(self.names)

    @property
    def discrete(self) -> bool:
        """Whether the action is a one-hot choice."""
        return self.kind == "discrete"

    def null(self) -> np.ndarray:
        """The action recorded where none is awaited: all zeros, float32, shape (size,)."""
        return np.zeros(self.size, np.float32)


class TensorSpec(Frozen):
    """Shape and type of one input or output of a policy bundle, without the batch dimension."""

    shape: tuple[int, ...]
    dtype: Literal["float32", "float16", "int64", "uint8", "uint16"] = "float32"
