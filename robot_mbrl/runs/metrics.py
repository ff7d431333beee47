"""Metrics of a run as JSON lines, and the same numbers for TensorBoard."""

import json
import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Self

Kind = Literal["episode", "learner", "guard", "bundle", "verdict"]


class MetricsLog:
    """Appends lines `{"kind", "time", …}` to a file; a context manager.

    Each line is flushed as it is written, and a line torn by a crash is closed before the next, so that readers lose
    one line at most.
    """

    def __init__(self, path: Path, tensorboard: Path | None = None) -> None:
        """Open the file for appending.

        Args:
            path: the file of JSON lines.
            tensorboard: folder of TensorBoard's event files; None for none.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a+b")
        if self._file.tell() > 0:
            self._file.seek(-1, 2)
            if self._file.read(1) != b"\n":
                self._file.write(b"\n")
        self._events = _Events(tensorboard) if tensorboard is not None else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def append(self, kind: Kind, values: Mapping[str, Any], step: int) -> None:
        """Write one line.

        Args:
            kind: what the line is about.
            values: what can be written as JSON; numbers that are not finite become null.
            step: robot steps lived so far, TensorBoard's horizontal axis.
        """
        now_s = time.time()
        line = {"kind": kind, "time": round(now_s, 3), **{name: _finite(value) for name, value in values.items()}}
        self._file.write(json.dumps(line).encode() + b"\n")
        self._file.flush()
        if self._events is not None:
            self._events.add(kind, values, step, now_s)

    def close(self) -> None:
        """Close the files."""
        self._file.close()
        if self._events is not None:
            self._events.close()


class MetricsTail:
    """Reads the lines of a metrics file as they are added."""

    def __init__(self, path: Path) -> None:
        """Begin at the start of the file, which need not exist yet."""
        self._path = path
        self._offset = 0

    def new(self) -> Iterator[dict[str, Any]]:
        """Lines completed since the last call; lines torn by a crash are passed over."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                content = file.read()
        except FileNotFoundError:
            return
        complete, newline, _ = content.rpartition(b"\n")
        self._offset += len(complete) + len(newline)
        for line in complete.splitlines():
            try:
                value = json.loads(line)
            except ValueError:
                continue
            if isinstance(value, dict) and "kind" in value:
                yield value


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Every line of a metrics file; none where it does not exist."""
    return list(MetricsTail(path).new())


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


class _Events:
    """Writes TensorBoard's event files without torch or TensorFlow."""

    def __init__(self, folder: Path) -> None:
        # Imported here, and not at the top: TensorBoard is the workstation's.
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._event, self._summary = Event, Summary
        self._writer = EventFileWriter(str(folder))

    def add(self, kind: Kind, values: Mapping[str, Any], step: int, now_s: float) -> None:
        scalars = [
            self._summary.Value(tag=f"{kind}/{name}", simple_value=value)
            for name, value in values.items()
            # Nobody knows yet what is no number.
            if isinstance(value, int | float) and not math.isnan(value)
        ]
        event = self._event(wall_time=now_s, step=step, summary=self._summary(value=scalars))
        self._writer.add_event(event)

    def close(self) -> None:
        self._writer.close()
