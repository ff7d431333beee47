"""The newest readings of one source: of each of its joints, of its fields, or its newest picture."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import cv2
import numpy as np

from robot_mbrl.config import CameraConfig, ValueConfig
from robot_mbrl.control.timeline import Timeline
from robot_mbrl.control.values import Reading, ValueReader
from robot_mbrl.errors import MessageError
from robot_mbrl.messages import NANOSECONDS, read_image, read_stamp
from robot_mbrl.sensor_config import CropConfig, SourceConfig
from robot_mbrl.specs import ImageSpec


class Readings(Protocol):
    """What is known of one source."""

    def receive(self, message: Any, arrival_s: float) -> None:
        """Take in a message.

        Raises:
            MessageError: if it is refused; what it does not replace grows older.
        """

    def oldest(self) -> tuple[float, str]:
        """When the oldest of what is needed was measured, and what that is where it is not all of the source."""

    @property
    def adopted(self) -> int:
        """How often its driver was taken to have a new clock."""


def wall_ahead_s() -> float:
    """By how much this computer's wall clock, which stamps are of, is ahead of its steady one."""
    return time.time() - time.monotonic()


class Measured:
    """When something was measured last, and whether a message is news of it."""

    def __init__(self, source: SourceConfig, *, stamps: bool, ahead_s: Callable[[], float] = wall_ahead_s) -> None:
        """Begin without a measurement.

        Args:
            source: whose messages they are.
            stamps: whether a header's stamp tells when its message was measured, or the arrival alone does.
            ahead_s: tells by how much the clock of stamps that are `synchronised` is ahead of that of arrivals.
        """
        self.at_s = -math.inf
        max_age_s = source.max_age_s or math.inf
        self._timeline = Timeline(stamped=source.stamped, max_age_s=max_age_s) if stamps else None
        self._ahead_s = ahead_s if source.synchronised else None

    @property
    def adopted(self) -> int:
        """How often its driver was taken to have a new clock."""
        return self._timeline.adopted if self._timeline is not None else 0

    def note(self, message: Any, arrival_s: float) -> None:
        """Take a message as the newest measurement.

        Raises:
            MessageError: if it is not news.
        """
        if self._timeline is not None and hasattr(message, "header"):
            self.at_s = self._told_by(self._timeline, read_stamp(message.header.stamp), arrival_s)
        elif arrival_s < self.at_s:
            raise MessageError("it is older than one before")
        else:
            self.at_s = arrival_s

    def _told_by(self, timeline: Timeline, stamp_ns: int, arrival_s: float) -> float:
        at_s = timeline.accept(stamp_ns, arrival_s)
        if at_s is not None:
            # A clock that is not what it is said to be makes nothing younger than its arrival says.
            return at_s if self._ahead_s is None else min(at_s, stamp_ns / NANOSECONDS - self._ahead_s())
        remedy = "; if its driver never stamps, its source needs stamped: false" if stamp_ns == 0 else ""
        raise MessageError(timeline.refusal + remedy)


class JointReadings:
    """Joints of a JointState's topic, gathered by name from however many messages bring them."""

    def __init__(self, source: SourceConfig, elements: Sequence[ValueConfig], *, stamps: bool) -> None:
        """Begin without a reading."""
        self.values: dict[str, float] = {}
        """The newest, by element name."""
        self._readers: dict[str, dict[str, ValueReader]] = {}
        for element in elements:
            reader = ValueReader(element, source.max_age_s or math.inf)
            self._readers.setdefault(str(element.joint), {})[element.name] = reader
        self._measured = {joint: Measured(source, stamps=stamps) for joint in self._readers}

    def receive(self, message: Any, arrival_s: float) -> None:
        """Take in the joints that a message names; one that names none of ours is another device's.

        Raises:
            MessageError: if a value is missing or not finite, or a joint is named twice: then nothing of the message
                counts; or if what it says of a joint is not news: then the other joints count all the same.
        """
        joints = [joint for joint in self._readers if joint in message.name]
        read = {joint: {n: reader.read(message) for n, reader in self._readers[joint].items()} for joint in joints}
        refusal = None
        for joint in joints:
            try:
                self._measured[joint].note(message, arrival_s)
            except MessageError as error:
                refusal = error
            else:
                self.values |= _taken(self._readers[joint], read[joint], self._measured[joint].at_s)
        if refusal is not None:
            raise refusal

    def begin(self, time_s: float) -> None:
        """Compare with nothing that was measured up to this time."""
        for readers in self._readers.values():
            self.values |= _begun(readers, time_s)

    def oldest(self) -> tuple[float, str]:
        """When the joint that was longest not heard of was measured, and its name unless all are that old."""
        at_s, joint = min((measured.at_s, joint) for joint, measured in self._measured.items())
        alike = all(measured.at_s == at_s for measured in self._measured.values())
        return at_s, "" if alike else f"joint {joint!r}"

    @property
    def adopted(self) -> int:
        """How often one of their drivers was taken to have a new clock."""
        return sum(measured.adopted for measured in self._measured.values())


class FieldReadings:
    """Fields of a message that brings them all at once."""

    def __init__(self, source: SourceConfig, elements: Sequence[ValueConfig], *, stamps: bool) -> None:
        """Begin without a reading."""
        self.values: dict[str, float] = {}
        """The newest, by element name."""
        self._readers = {element.name: ValueReader(element, source.max_age_s or math.inf) for element in elements}
        self._measured = Measured(source, stamps=stamps)

    def receive(self, message: Any, arrival_s: float) -> None:
        """Take in a message as a whole, or refuse it."""
        read = {name: reader.read(message) for name, reader in self._readers.items()}
        self._measured.note(message, arrival_s)
        self.values = _taken(self._readers, read, self._measured.at_s)

    def begin(self, time_s: float) -> None:
        """Compare with nothing that was measured up to this time."""
        if self.values:
            self.values = _begun(self._readers, time_s)

    def oldest(self) -> tuple[float, str]:
        """When the newest message was measured."""
        return self._measured.at_s, ""

    @property
    def adopted(self) -> int:
        """How often its driver was taken to have a new clock."""
        return self._measured.adopted


def _taken(readers: Mapping[str, ValueReader], read: Mapping[str, Reading], at_s: float) -> dict[str, float]:
    """The values that readings make, by element name."""
    for name, reading in read.items():
        readers[name].take(reading, at_s)
    return {name: readers[name].value for name in read}


def _begun(readers: Mapping[str, ValueReader], time_s: float) -> dict[str, float]:
    """The values once what was measured before is forgotten, of those that were read at all."""
    for reader in readers.values():
        reader.begin(time_s)
    return {name: reader.value for name, reader in readers.items() if not math.isnan(reader.value)}


class PictureReadings:
    """The newest picture, decoded when it is asked for: most pictures of a fast camera are not.

    One thread may decode while another reads `decoded`.
    """

    def __init__(self, source: SourceConfig, cameras: Mapping[str, CameraConfig], *, stamps: bool) -> None:
        """Begin without a picture."""
        self.decoded: tuple[float, dict[str, np.ndarray]] = (-math.inf, {})
        """When the newest decoded picture was measured, and what each camera's observer sees of it."""
        self._cameras = cameras
        self._measured = Measured(source, stamps=stamps)
        self._waiting: tuple[Any, float] | None = None

    def receive(self, message: Any, arrival_s: float) -> None:
        """Keep a picture in place of the one before."""
        self._waiting = message, arrival_s

    def decode(self) -> None:
        """Decode the newest picture, unless that is done.

        Raises:
            MessageError: if it cannot be decoded or is not news; it counts as missing.
        """
        waiting, self._waiting = self._waiting, None
        if waiting is None:
            return
        message, arrival_s = waiting
        picture = read_image(message)
        images = {
            name: fit_picture(picture if camera.crop is None else cut_picture(picture, camera.crop), camera.image)
            for name, camera in self._cameras.items()
        }
        self._measured.note(message, arrival_s)
        self.decoded = self._measured.at_s, images

    def oldest(self) -> tuple[float, str]:
        """When the newest picture was measured, decoded or not."""
        waiting = self._waiting
        return (self.decoded[0] if waiting is None else waiting[1]), ""

    @property
    def adopted(self) -> int:
        """How often its driver was taken to have a new clock."""
        return self._measured.adopted


def cut_picture(picture: np.ndarray, crop: CropConfig) -> np.ndarray:
    """The part of a picture, shape (height, width, channels), that a crop leaves: one pixel at least."""
    height, width, _ = picture.shape
    top, left = min(round(crop.top * height), height - 1), min(round(crop.left * width), width - 1)
    bottom, right = max(round(crop.bottom * height), top + 1), max(round(crop.right * width), left + 1)
    return picture[top:bottom, left:right]


def fit_picture(picture: np.ndarray, spec: ImageSpec) -> np.ndarray:
    """Resize a picture, shape (height, width, channels), to what the policy sees.

    Colours are averaged over areas; of depths the nearest is taken, since the mean of two depths is a place where
    nothing is. Grey pictures become colour ones where the policy expects colour.

    Raises:
        MessageError: if the picture is of another kind than the specification.
    """
    height, width, channels = spec.shape
    if picture.dtype == np.uint8 and picture.shape[2] == 1 and channels == 3:
        picture = np.repeat(picture, 3, axis=2)
    if picture.dtype != spec.dtype or picture.shape[2] != channels:
        raise MessageError(f"a picture of {picture.shape} {picture.dtype} cannot become {spec.encoding}")
    if picture.shape[:2] != (height, width):
        interpolation = cv2.INTER_AREA if spec.encoding == "rgb8" else cv2.INTER_NEAREST
        try:
            picture = cv2.resize(np.ascontiguousarray(picture), (width, height), interpolation=interpolation)
        except cv2.error as error:
            raise MessageError(f"a picture of {picture.shape} cannot be resized: {error.err}") from error
    # A copy in any case: the picture may be a view of the message's buffer.
    return np.array(picture, spec.dtype).reshape(height, width, channels)
