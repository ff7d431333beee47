"""The goal: values that are told while the robot lives, and belong to every observation from the next one on."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from robot_mbrl.control.goal_messages import GoalMessages
from robot_mbrl.control.waypoints import Waypoints
from robot_mbrl.errors import MessageError
from robot_mbrl.goal_config import GoalConfig
from robot_mbrl.messages import NANOSECONDS, read_named, read_stamp
from robot_mbrl.steps import Observation

MAX_AGE_S = 2.0
"""Age beyond which a message is no longer what anybody wants: it was held up on its way, or comes out of a recording.
Clocks of two computers may differ by less."""


class Goal:
    """The goal that holds now; it outlasts whoever told it.

    Attributes:
        refused: messages that were refused.
        refusal: why the last of them was; empty for none.
    """

    def __init__(self, groups: Iterable[GoalConfig] = ()) -> None:
        """Begin with the initial goal.

        Args:
            groups: what the task's YAML declares.
        """
        self._elements = {element.name: element for group in groups for element in group.elements}
        self._values = {name: element.start for name, element in self._elements.items()}
        self.refused, self.refusal = 0, ""
        self._way: Waypoints | None = None

    @property
    def values(self) -> dict[str, float]:
        """Every value by its element's name, physical units."""
        return self._values

    def receive(self, message: Any, *now_ns: int) -> None:
        """Take the goal of a message on the topic `goal`.

        Args:
            message: a stamped JointState; one without a stamp counts as new.
            now_ns: the present by every clock that the sender may have stamped it by, such as simulated time.

        Raises:
            MessageError: if it is refused, which is counted: the goal before it stays.
        """
        try:
            _check_age(read_stamp(message.header.stamp), now_ns)
            self.set(read_named(message))
        except MessageError as error:
            self._refuse(error)
            raise

    def translate(self, message: Any, reader: GoalMessages, *now_ns: int) -> None:
        """Take the goal, or the way, of a message on a topic of another type.

        Args:
            message: of the type that the task's YAML gives; one without a stamp counts as new.
            reader: of that topic.
            now_ns: as for `receive`.

        Raises:
            MessageError: as of `receive`.
        """
        try:
            _check_age(reader.stamp_ns(message), now_ns)
            self.follow(reader.read(message))
        except MessageError as error:
            self._refuse(error)
            raise

    @property
    def waypoints(self) -> int:
        """How many goals of a way are still to come, the present one among them; 0 while none is followed."""
        return self._way.remaining if self._way is not None else 0

    def follow(self, goals: Sequence[Mapping[str, float]]) -> None:
        """Take goals one after the other, each once the one before is reached; all of them, or none.

        Raises:
            MessageError: as of `set`.
        """
        for goal in goals:
            self._check(goal)
        self.set(goals[0])
        if len(goals) > 1:
            self._way = Waypoints(goals, await_last=False)

    def observed(self, observation: Observation) -> None:
        """Go on to the next goal of a way once an observation shows that the present one is reached."""
        if self._way is None:
            return
        self._way.observed(observation)
        goal = self._way.goal
        if goal is None:
            self._way = None
        else:
            self._values = self._values | dict(goal)

    def set(self, values: Mapping[str, float]) -> None:
        """Take a new goal, whole or not at all; what it does not name stays as it is.

        A way that is followed ends, if its goals are of what is named now.

        Raises:
            MessageError: if a name is none of the task's, or a value is not finite or out of its range.
        """
        self._check(values)
        self._values = self._values | dict(values)
        if self._way is not None and not (self._way.goal or {}).keys().isdisjoint(values):
            self._way = None

    def _check(self, values: Mapping[str, float]) -> None:
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

    def _refuse(self, error: MessageError) -> None:
        self.refused, self.refusal = self.refused + 1, str(error)


def _check_age(stamp_ns: int, now_ns: Iterable[int]) -> None:
    """Refuse what was said long ago, or by a clock that tells nothing of when."""
    if stamp_ns == 0:
        return
    age_s = min(((now - stamp_ns) / NANOSECONDS for now in now_ns), key=abs)
    if abs(age_s) > MAX_AGE_S:
        what = f"{age_s:.3g} s old" if age_s > 0 else f"{-age_s:.3g} s ahead of this computer's clock"
        raise MessageError(
            f"goal: its stamp is {what}, more than {MAX_AGE_S:g} s: the goal stays as it is; stamp goals with the time "
            f"at which they are told, and let both computers keep the same time"
        )
