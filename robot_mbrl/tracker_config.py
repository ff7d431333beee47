"""Trackers as data: what is looked for in a camera's picture, and where in the picture the places are that count."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from robot_mbrl.sensor_config import CropConfig
from robot_mbrl.specs import Count, Frozen

Hue = Annotated[int, Field(ge=0, le=179)]
Byte = Annotated[int, Field(ge=0, le=255)]


class TrackerConfig(Frozen):
    """A thing that a camera follows by its colour; it becomes a source of the robot's."""

    camera: str
    """Source of the pictures."""
    low: tuple[Hue, Byte, Byte]
    high: tuple[Hue, Byte, Byte]
    """Its colour: hue (0 to 179), saturation and value (0 to 255) are from `low` to `high`, as OpenCV counts them."""
    area: CropConfig = CropConfig()
    """Where places count, in shares of the picture: from 0 at its left and upper side to 1 at its right and lower
    one."""
    fewest_pixels: Count = 4
    """Less than this is noise: then nothing is found."""

    @model_validator(mode="after")
    def _bounds_are_ordered(self) -> Self:
        for name, low, high in zip(("hue", "saturation", "value"), self.low, self.high, strict=True):
            if low > high:
                raise ValueError(f"low: its {name}, {low}, is above that of high, {high}: give the smaller one first")
        return self
