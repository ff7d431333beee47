"""The goal: values that come on the topic `goal` and belong to every observation from the next one on."""

import math
from collections.abc import Iterable, Mapping

from robot_mbrl.errors import MessageError
from robot_mbrl.goal_config import GoalConfig


class Goal:
    """The goal that holds now."""

    def __init__(self, groups: Iterable[GoalConfig] = ()) -> None:
        """Begin with the initial goal.

        Args:
            groups: what the task's YAML declares.
        """
        self._elements = {element.name: element for group in groups for element in group.elements}
        self._values = {name: element.start for name, element in self._elements.items()}

    @property
    def values(self) -> dict[str, float]:
        """Every value by its element's name, physical units."""
        return self._values

    def set(self, values: Mapping[str, float]) -> None:
        """Take a new goal, whole or not at all; what it does not name stays as it is.

        Raises:
            MessageError: if a name is none of the task's, or a value is not finite or out of its range.
        """
        for name, value in values.items():
            if name not in self._elements:
                known = ", ".join(self._elements) or "none: its YAML declares no goal"
                raise MessageError(f"goal: {name!r} is no goal of this task; its goals are {known}")
            element = self._elements[name]
            if not math.isfinite(value) or not element.low <= value <= element.high:
                raise MessageError(
                    f"goal: {name} of {value:g} {element.unit} is not from {element.low:g} to {element.high:g}; the "
                    f"goal stays as it is"
                )
        self._values = self._values | dict(values)
