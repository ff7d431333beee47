"""Sessions on disk: MCAP files that lose at most the record being written when their process is killed.

Files are unchunked and flushed at every message, so that what was written is the operating system's when `write`
returns; a thread syncs them to the disk each second, so that neither the writer nor its caller ever waits for it.
"""

import contextlib
import os
import threading
from array import array
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Self

from mcap.well_known import MessageEncoding, Profile, SchemaEncoding
from mcap.writer import Writer

from robot_mbrl import topics
from robot_mbrl.errors import ExperienceError
from robot_mbrl.experience.cdr import Image, JointState
from robot_mbrl.experience.definitions import DEFINITIONS
from robot_mbrl.experience.repair import is_named, lock
from robot_mbrl.labels import LateLabels
from robot_mbrl.messages import write_action, write_image, write_key, write_observation
from robot_mbrl.specs import ActionSpec
from robot_mbrl.steps import Step
from robot_mbrl.topics import IMAGE, JOINT_STATE

SYNC_PERIOD_S = 1.0
LIBRARY = "robot-mbrl"
"""What a session says of who wrote it."""


class SessionWriter:
    """One MCAP file being written; a context manager."""

    def __init__(self, path: Path, definitions: Mapping[str, str] = DEFINITIONS) -> None:
        """Create the file.

        Args:
            path: where.
            definitions: those of the types that are written, by type name.

        Raises:
            ExperienceError: if it exists already.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = _create(path)
        self.path = path
        self._writer = Writer(self._file, use_chunking=False)
        self._writer.start(profile=Profile.ROS2, library=LIBRARY)
        self._definitions = definitions
        self._schemas: dict[str, int] = {}
        self._channels: dict[str, int] = {}
        self._sync_error: OSError | None = None
        self._closing = threading.Event()
        self._syncing = threading.Thread(target=self._sync_each_second, name="session-sync", daemon=True)
        self._syncing.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._file.tell()

    def write(self, topic: str, type_name: str, data: bytes, time_ns: int) -> None:
        """Write one serialised message; once this returns, the process may be killed without losing it.

        Args:
            topic: its topic.
            type_name: its type, which must be among the definitions.
            data: the message as CDR, with its encapsulation header.
            time_ns: when it was received, nanoseconds since the epoch; also written as its publish time.

        Raises:
            ExperienceError: if the type is not known, or the disk takes no more; the file is closed then, unfinished.
        """
        try:
            self._check_synced()
            channel = self._channels.get(topic) or self._register(topic, type_name)
            self._writer.add_message(channel, log_time=time_ns, data=data, publish_time=time_ns)
            self._file.flush()
        except OSError as error:
            # Finished after a torn record, the file would look whole to a repair.
            self._abandon()
            raise ExperienceError(f"{self.path} cannot be written: {error}; make room on its disk") from error

    def close(self) -> None:
        """Finish the file, so that every MCAP reader opens it, and put it on the disk.

        Raises:
            ExperienceError: if the disk takes no more.
        """
        if self._file.closed:
            return
        try:
            self._check_synced()
            self._writer.finish()  # type: ignore[no-untyped-call]
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise ExperienceError(
                f"{self.path} cannot be finished: {error}; it is repaired at the next start"
            ) from error
        finally:
            self._abandon()

    def _abandon(self) -> None:
        self._closing.set()
        self._syncing.join()
        with contextlib.suppress(OSError):
            self._file.close()

    def _check_synced(self) -> None:
        if self._sync_error is not None:
            raise self._sync_error

    def _register(self, topic: str, type_name: str) -> int:
        if type_name not in self._definitions:
            raise ExperienceError(
                f"topic {topic}: type {type_name} cannot be recorded; known are {list(self._definitions)}"
            )
        if type_name not in self._schemas:
            definition = self._definitions[type_name].encode()
            self._schemas[type_name] = self._writer.register_schema(type_name, SchemaEncoding.ROS2, definition)
        channel: int = self._writer.register_channel(topic, MessageEncoding.CDR, self._schemas[type_name])
        self._channels[topic] = channel
        return channel

    def _sync_each_second(self) -> None:
        while not self._closing.wait(SYNC_PERIOD_S):
            try:
                os.fsync(self._file.fileno())
            except OSError as error:
                self._sync_error = error
                return


class StepWriter:
    """Writes steps as the messages that the ROS graph would have carried them in; a context manager."""

    def __init__(self, folder: Path, action: ActionSpec, namespace: str) -> None:
        """Create a session in the folder.

        Args:
            folder: where sessions lie.
            action: the actions' specification.
            namespace: the robot's namespace, such as `/cartpole`.
        """
        self._session = SessionWriter(new_path(folder))
        self._action = action
        self._namespace = namespace.rstrip("/")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def write(self, step: Step) -> None:
        """Write the messages of one step, all logged at its stamp."""
        observation = step.observation
        for camera, picture in observation.images.items():
            image = Image()
            write_image(image, observation.key, picture)
            self._write(topics.image(camera), IMAGE, image.serialise(), step)
        message = JointState()
        write_observation(message, observation)
        self._write(topics.OBSERVATION, JOINT_STATE, message.serialise(), step)
        write_action(message, step.action, self._action)
        self._write(topics.APPLIED_ACTION, JOINT_STATE, message.serialise(), step)

    def write_labels(self, late: LateLabels) -> None:
        """Write what a person said of a step that is stored."""
        message = JointState(name=list(values := late.labels.values), position=array("d", values.values()))
        write_key(message, late.key)
        topic = f"{self._namespace}/{topics.FEEDBACK}"
        self._session.write(topic, JOINT_STATE, message.serialise(), late.key.stamp_ns)

    def close(self) -> None:
        """Finish the session."""
        self._session.close()

    def _write(self, topic: str, type_name: str, data: bytes, step: Step) -> None:
        self._session.write(f"{self._namespace}/{topic}", type_name, data, step.observation.key.stamp_ns)


def _create(path: Path) -> BinaryIO:
    """A new file, locked by this process and found under its path."""
    while True:
        try:
            file = path.open("xb")
        except FileExistsError:
            raise ExperienceError(f"{path} exists already; sessions are never overwritten") from None
        # A repair in another process may come between the two: it removes an empty file, and is done in a moment.
        lock(file, wait=True)
        if is_named(file, path):
            return file
        file.close()


def new_path(folder: Path) -> Path:
    """Path of a session that starts now; names sort by the time of their start."""
    return folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}.mcap"
