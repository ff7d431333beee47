"""From messages of standard types to goals: what a program such as RViz says, in the names of a task's goal."""

from typing import Any

from robot_mbrl.control.values import ValueReader
from robot_mbrl.errors import MessageError
from robot_mbrl.goal_config import PATH, TWIST, GoalTopicConfig
from robot_mbrl.messages import read_stamp
from robot_mbrl.sensor_config import ValueConfig


class GoalMessages:
    """Reads the messages of one topic, as a task's YAML maps them."""

    def __init__(self, config: GoalTopicConfig) -> None:
        """Prepare to read.

        Args:
            config: the topic, and what its messages set.
        """
        self.topic, self._config = config.topic, config
        elements = (ValueConfig(name=v.name, field=v.field, transform=v.transform) for v in config.values)
        self._readers = {element.name: ValueReader(element) for element in elements}

    def stamp_ns(self, message: Any) -> int:
        """When a message was told; 0 of those that do not say, as a Twist never does."""
        return 0 if self._config.type == TWIST else read_stamp(message.header.stamp)

    def read(self, message: Any) -> list[dict[str, float]]:
        """The goals of a message in their order, one but for paths, in physical units.

        Raises:
            MessageError: if it is of another frame, a value is not finite, or a path has no pose.
        """
        try:
            return self._read(message)
        except MessageError as error:
            raise MessageError(f"goal on {self.topic}: {error}; the goal stays as it is") from error

    def _read(self, message: Any) -> list[dict[str, float]]:
        if self._config.type != TWIST:
            self._check_frame(message.header.frame_id)
        if self._config.type != PATH:
            return [self._values(message)]
        if not message.poses:
            raise MessageError("the path has no pose; to stop, disable the robot")
        for stamped in message.poses:
            # Whoever makes paths often leaves the headers of their poses empty.
            if stamped.header.frame_id:
                self._check_frame(stamped.header.frame_id)
        return [self._values(stamped) for stamped in message.poses]

    def _check_frame(self, frame: str) -> None:
        wanted = self._config.frame
        if wanted is not None and frame.lstrip("/") != wanted:
            raise MessageError(f"it is in the frame {frame!r}, and nothing is transformed; tell it in {wanted!r}")

    def _values(self, message: Any) -> dict[str, float]:
        values = {name: reader.read(message).parts[0] for name, reader in self._readers.items()}
        return values | self._config.sets
