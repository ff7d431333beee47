"""What a bag holds on the topics that are wanted, without taking it apart: when messages came, and what they name."""

from array import array
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import numpy as np

from robot_mbrl.errors import MessageError
from robot_mbrl.experience.cdr import read_joint_state, read_key
from robot_mbrl.experience.message_files import RecordedMessage, Survey
from robot_mbrl.imports.clocks import JUMP_NS, NO_STAMP, Times
from robot_mbrl.imports.matching import Matching
from robot_mbrl.imports.report import BagReport
from robot_mbrl.imports.storage import BagFiles

EMPTY_SHARE = 0.5
"""Share of a topic's stamps that are zero beyond which it counts as not stamped at all."""
_COLUMNS = ("topic", "part", "logged_ns", "stamped_ns")


class Hearing:
    """A bag gone through once.

    Attributes:
        names: topics with messages, by index.
        stamped: which of them have a header.
        joints: names in the JointStates of each.
    """

    def __init__(self, files: BagFiles, matching: Matching, report: BagReport) -> None:
        """Go through the bag.

        Args:
            files: the bag, opened.
            matching: the topics that are wanted.
            report: is told what the files have lost.
        """
        self.names: list[str] = []
        self.stamped: dict[str, bool] = {}
        self.joints: dict[str, set[str]] = {}
        # Topic, file, time of arrival and stamp of each message: hours of them.
        self._rows = array("q")
        surveys: dict[Path, Survey] = {}
        for part, message in files.messages(lambda topic, _: topic in matching.found, surveys):
            self._note(part, message)
        report.notes += [f"{path.name}: {survey.loss}" for path, survey in surveys.items() if survey.loss]
        self._times = np.array(self._rows, np.int64).reshape(-1, len(_COLUMNS))

    def is_empty(self, topic: str) -> bool:
        """Whether a topic's stamps are not set."""
        stamps = self._times[self._times[:, 0] == self.names.index(topic), 3]
        return bool((stamps <= 0).mean() > EMPTY_SHARE)

    def in_order(self, report: BagReport) -> tuple[list[int], Times]:
        """The files in the order they are to be read in, without those that are there twice, and the times of it."""
        spans: dict[tuple[int, int, int], int] = {}
        for part in np.unique(self._times[:, 1]).tolist():
            logged = self._times[self._times[:, 1] == part, 2]
            span = int(logged.min()), int(logged.max()), len(logged)
            if (same := spans.setdefault(span, part)) != part:
                report.notes.append(f"file {part + 1} is file {same + 1} once more, and is left out")
        apart = all(a[1] <= b[0] + JUMP_NS for a, b in pairwise(sorted(spans)))
        order = [spans[span] for span in (sorted(spans) if apart else spans)]
        rows = np.concatenate([self._times[self._times[:, 1] == part] for part in order])
        return order, Times(rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 3])

    def _note(self, part: int, message: RecordedMessage) -> None:
        topic = message.topic
        if topic not in self.stamped:
            self.names.append(topic)
            self.stamped[topic] = _has_header(message)
        stamp_ns = NO_STAMP
        with suppress(MessageError):
            stamp_ns = read_key(message.data).stamp_ns if self.stamped[topic] else NO_STAMP
        if message.type_name.endswith("/JointState"):
            with suppress(MessageError):
                self.joints.setdefault(topic, set()).update((read_joint_state(message.data) or message.decode()).name)
        # As `_COLUMNS` has them.
        self._rows.extend((self.names.index(topic), part, message.log_time_ns, stamp_ns))


def _has_header(message: RecordedMessage) -> bool:
    try:
        return hasattr(message.decode(), "header")
    except MessageError:
        return False
