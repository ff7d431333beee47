"""Reading experience back: the steps of MCAP files of this project, or of any with the same topics and message types.

Topics are recognised by how they end, so that the robot's namespace does not matter. Recorders write what they hear as
they hear it: the order of messages in a file says little, and counts only beyond a window.
"""

import heapq
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from robot_mbrl import topics
from robot_mbrl.errors import MessageError
from robot_mbrl.experience.cdr import read_joint_state, read_key
from robot_mbrl.experience.message_files import RecordedMessage, Survey, read_messages
from robot_mbrl.labels import LateLabels, read_labels
from robot_mbrl.messages import read_action, read_image, read_named, read_observation
from robot_mbrl.pairing import StepPairing
from robot_mbrl.specs import ActionSpec
from robot_mbrl.steps import Step, StepKey

Known = Callable[[StepKey], bool]
"""Tells which steps need not be read."""

WINDOW = 16
"""Messages of a topic among which their order in a file does not matter."""
_OBSERVATION = f"/{topics.OBSERVATION}"
_APPLIED = f"/{topics.APPLIED_ACTION}"


class StepReader:
    """Reads the steps of sessions, and counts what could not become one."""

    def __init__(self, action: ActionSpec, cameras: Sequence[str] = (), known: Known | None = None) -> None:
        """Prepare to read.

        Args:
            action: specification of the recorded actions.
            cameras: names of the pictures that belong to a step.
            known: tells the steps to pass over.
        """
        self._action = action
        self._cameras = {f"/{topics.image(camera)}": camera for camera in cameras}
        # Pictures first: a camera may be called what another topic is.
        self._endings = (*self._cameras, _OBSERVATION, _APPLIED)
        self._known = known
        self._camera_names = tuple(cameras)
        # By namespace: robots that are recorded into one folder live at the same time, and each in its own order.
        self._robots: dict[str, _Robot] = {}
        self.robots: dict[str, str] = {}
        """Robots that lived the sessions come across, by session: their namespaces, without the slash before."""
        self.malformed: Counter[str] = Counter()
        """Messages that could not be read, by reason."""
        self.late: list[LateLabels] = []
        """Labels come across that are of steps which were stored by then."""
        self.parts: Counter[str] = Counter()
        """Messages of each part of a step, by how its topic ends, in the files read since it was cleared."""

    @property
    def dropped(self) -> int:
        """Steps of which only a part was recorded."""
        return sum(robot.pairing.half_pairs for robot in self._robots.values())

    @property
    def lacking(self) -> list[str]:
        """Topics that a step needs and of which `parts` counts no message."""
        return [ending for ending in self._endings if not self.parts[ending]]

    def read(self, paths: Sequence[Path]) -> Iterator[Step]:
        """Steps of files in the order given; a step may begin in one and be completed in the next.

        Raises:
            ExperienceError: if a file cannot be opened or is not MCAP.
        """
        for path in paths:
            yield from self.read_file(path, Survey())
        yield from self.finish()

    def read_file(self, path: Path, survey: Survey) -> Iterator[Step]:
        """Steps that become whole by one file; the last of them may be given by `finish` only.

        Raises:
            ExperienceError: if it cannot be opened or is not MCAP.
        """
        yield from self.read_messages(read_messages(path, self.wants, survey))

    def read_messages(self, messages: Iterable[RecordedMessage]) -> Iterator[Step]:
        """Steps that become whole by messages that `wants` has asked for; `finish` gives the last of them."""
        for message in messages:
            if _is_feedback(message.topic):
                self._note_labels(message)
                continue
            ending = str(self._ending(message.topic))
            try:
                key = read_key(message.data)
            except MessageError as error:
                self._miss(message, error)
                continue
            name = message.topic.lstrip("/").removesuffix(ending.lstrip("/")).rstrip("/")
            robot = self._robots.get(name) or self._robots.setdefault(name, _Robot(self._camera_names, self._endings))
            self.robots[key.session] = name
            yield from self._taken(robot, robot.order[ending].add(robot.place(key), message))

    def finish(self) -> Iterator[Step]:
        """The steps that the ends of the files hold back, since what belongs before them might still have come."""
        for robot in self._robots.values():
            for ordering in robot.order.values():
                yield from self._taken(robot, ordering.rest())

    def _taken(self, robot: "_Robot", messages: Iterator[RecordedMessage]) -> Iterator[Step]:
        for message in messages:
            try:
                step = self._take(robot.pairing, message)
            except MessageError as error:
                self._miss(message, error)
                continue
            if step is not None:
                yield step

    def _note_labels(self, message: RecordedMessage) -> None:
        """Note what a person said of a step before; what was said of the next one, its observation tells."""
        try:
            key = read_key(message.data)
            if key.stamp_ns:
                self.late.append(LateLabels(key, read_labels(read_named(_named(message)))))
        except MessageError as error:
            self._miss(message, error)

    def _miss(self, message: RecordedMessage, error: MessageError) -> None:
        self.malformed[f"{message.topic}: {error}"] += 1

    def wants(self, topic: str, beginning: bytes) -> bool:
        """Whether a message is read at all, by its topic and beginning; counts it among `parts`."""
        ending = self._ending(topic)
        if ending is None:
            return _is_feedback(topic)
        self.parts[ending] += 1
        try:
            return self._known is None or not self._known(read_key(beginning))
        except MessageError:
            # It is counted when it is taken.
            return True

    def _ending(self, topic: str) -> str | None:
        """What tells the part of a step that a topic carries; None for other topics."""
        whole = "/" + topic.lstrip("/")
        return next((ending for ending in self._endings if whole.endswith(ending)), None)

    def _take(self, pairing: StepPairing, message: RecordedMessage) -> Step | None:
        ending = self._ending(message.topic)
        if ending == _OBSERVATION:
            return pairing.add_observation(read_observation(_named(message)))
        if ending == _APPLIED:
            return pairing.add_action(read_action(_named(message), self._action))
        camera = self._cameras[str(ending)]
        return pairing.add_image(camera, read_key(message.data), read_image(message.decode()))


class _Robot:
    """What was read of one robot."""

    def __init__(self, cameras: Sequence[str], endings: Sequence[str]) -> None:
        self.pairing = StepPairing(cameras)
        self.order = {ending: _Ordering() for ending in endings}
        # Sessions by the order in which they were come across.
        self._sessions: dict[str, int] = {}

    def place(self, key: StepKey) -> tuple[int, int]:
        """Where a message belongs among those of its topic."""
        return self._sessions.setdefault(key.session, len(self._sessions)), key.stamp_ns


class _Ordering:
    """Gives the messages of a topic in the order of their sessions and stamps, holding a window of them back."""

    def __init__(self) -> None:
        self._held: list[tuple[tuple[int, int], int, RecordedMessage]] = []
        self._arrivals = itertools.count()

    def add(self, place: tuple[int, int], message: RecordedMessage) -> Iterator[RecordedMessage]:
        heapq.heappush(self._held, (place, next(self._arrivals), message))
        if len(self._held) > WINDOW:
            yield heapq.heappop(self._held)[2]

    def rest(self) -> Iterator[RecordedMessage]:
        while self._held:
            yield heapq.heappop(self._held)[2]


def _is_feedback(topic: str) -> bool:
    return f"/{topic}".endswith(f"/{topics.FEEDBACK}")


def _named(message: RecordedMessage) -> Any:
    return read_joint_state(message.data) or message.decode()
