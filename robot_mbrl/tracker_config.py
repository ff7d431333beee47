"""Trackers as data: what is looked for in a camera's picture, and where in the picture the places are that count."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from robot_mbrl.specs import Count, Fraction, Frozen

Hue = Annotated[int, Field(ge=0, le=179)]
Byte = Annotated[int, Field(ge=0, le=255)]


class AreaConfig(Frozen):
    """The part of a picture that places are counted in, in shares of its width and height."""

    left: Fraction = 0.0
    right: Fraction = 1.0
    top: Fraction = 0.0
    bottom: Fraction = 1.0

    @model_validator(mode="after")
    def _has_a_size(self) -> Self:
        if self.left >= self.right or self.top >= self.bottom:
            raise ValueError("left must be below right, and top below bottom: shares count from the upper left corner")
        return self


class TrackerConfig(Frozen):
    """A thing that a camera follows by its colour; it becomes a source of the robot's."""

    camera: str
    """Source of the pictures."""
    low: tuple[Hue, Byte, Byte]
    high: tuple[Hue, Byte, Byte]
    """Its colour: hue (0 to 179), saturation and value (0 to 255) are from `low` to `high`, as OpenCV counts them."""
    area: AreaConfig = AreaConfig()
    """Places run from 0 at its left and upper side to 1 at its right and lower one."""
    fewest_pixels: Count = 4
    """Less than this is noise: then nothing is found."""

    @model_validator(mode="after")
    def _bounds_are_ordered(self) -> Self:
        for name, low, high in zip(("hue", "saturation", "value"), self.low, self.high, strict=True):
            if low > high:
                raise ValueError(f"low: its {name} {low} is above that of high, {high}; a colour across hue 0 needs two")
        return self
