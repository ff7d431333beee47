"""How observed values lie in space, for displays alone: nothing that drives or learns reads it."""

from typing import Self

from pydantic import model_validator

from robot_mbrl.specs import Frozen


class PlaceConfig(Frozen):
    """Which observed values tell where the robot is on the ground."""

    x: str
    y: str
    yaw: str | None = None
    origin_m: tuple[float, float] = (0.0, 0.0)
    """Where both values are 0, m, in the frame that places are told in."""
    unit_m: tuple[float, float] = (1.0, 1.0)
    """How far one more of each value leads, m; below 0 where it leads the other way."""
    low: tuple[float, float] | None = None
    high: tuple[float, float] | None = None
    """Bounds of the ground that the robot is on, in the values' own units; null where there are none."""

    @model_validator(mode="after")
    def _bounds_are_bounds(self) -> Self:
        if (self.low is None) != (self.high is None):
            raise ValueError("low, high: give both, or leave both out")
        for low, high in zip(self.low or (), self.high or (), strict=True):
            if not low < high:
                raise ValueError(f"low: {low:g} is not below high, {high:g}")
        if not all(self.unit_m):
            raise ValueError("unit_m: a unit of no length puts everything into one place")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The observed values that it reads."""
        return (self.x, self.y, *([self.yaw] if self.yaw is not None else []))


class MotionConfig(Frozen):
    """Which observed values tell how the robot moves: m/s in its own frame, and rad/s about the vertical."""

    forward: str
    left: str | None = None
    turn: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The observed values that it reads."""
        return tuple(name for name in (self.forward, self.left, self.turn) if name is not None)


class DisplayConfig(Frozen):
    """What displays need to know of a robot that moves about."""

    place: PlaceConfig | None = None
    motion: MotionConfig | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The observed values that it reads."""
        return tuple(name for part in (self.place, self.motion) if part is not None for name in part.names)
