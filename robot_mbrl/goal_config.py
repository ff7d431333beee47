"""Goals as data: what a robot is to bring about, as named values that a person or a program may set while it lives."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from robot_mbrl.specs import Element, Frozen, VectorSpec


class GoalElement(Element):
    """One value of a goal."""

    low: float
    high: float
    """Bounds of the value, in its unit; goals beyond them are refused."""
    initial: float | None = None
    """What holds until a goal is set; null for the middle."""

    @property
    def start(self) -> float:
        """What holds until a goal is set."""
        return (self.low + self.high) / 2.0 if self.initial is None else self.initial

    @model_validator(mode="after")
    def _bounds_hold_the_start(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low: {self.low} is not below high, {self.high}")
        if not self.low <= self.start <= self.high:
            raise ValueError(f"initial: {self.initial} is not from {self.low} to {self.high}")
        return self


class GoalConfig(Frozen):
    """A group of values that agents take together, as the bundles' input `goal.<name>`."""

    elements: Annotated[tuple[GoalElement, ...], Field(min_length=1)]

    def spec(self) -> VectorSpec:
        """What an agent needs to know of it."""
        return VectorSpec(elements=tuple(Element(name=e.name, unit=e.unit, scale=e.scale) for e in self.elements))
