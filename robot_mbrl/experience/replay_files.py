"""The replay on disk: what makes a resumed learner go on bit for bit, at a cost that does not grow with the pictures.

Rows never change once appended, so each full segment of `SEGMENT` rows is written once, as `rows-<number>.npy` beside
the saved file. The file itself (`.npz`) holds the rest: the newest rows, which do not fill a segment yet, the
latent states, which every update changes, and the counters. Both are written under another name, synced and renamed,
segments first: a crash leaves the file of the save before, and the segments it needs, as they were. Each part has a
checksum that is compared when it is read.
"""

import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from robot_mbrl.durable import written_durably
from robot_mbrl.errors import ExperienceError

SEGMENT = 2048
"""Rows per segment."""
_FORMAT = 3


@dataclass
class Content:
    """What a replay is made of; row r lies in slot r % capacity."""

    rows: np.ndarray
    """Records, shape (capacity,)."""
    state: dict[str, np.ndarray]
    """Latent states by name, shape (capacity, ...)."""
    state_after: np.ndarray
    """Number of the row after the one that each slot's latent state belongs to, 0 for none, int64, (capacity,)."""
    capacity: int
    total: int
    sessions: list[str]
    newest_ns: dict[str, int]
    files_read: dict[str, int]
    first: int = 0
    """Number of the oldest row that was there when the ring took its capacity."""

    @property
    def oldest(self) -> int:
        """Number of the oldest row."""
        return max(self.first, self.total - self.capacity)


class Archive:
    """Saves one replay again and again, and remembers which segments are on disk already."""

    def __init__(self) -> None:
        """Know of no segment yet."""
        # Checksums of the segments on disk.
        self._written: dict[Path, int] = {}
        self._needed: set[Path] = set()

    def save(self, path: Path, content: Content) -> None:
        """Write a replay to `path` and the segments beside it.

        The segments of this save and of the one before stay; those that only older files need are removed.

        Raises:
            OSError: if the disk does not take it.
            ExperienceError: if the disk gives back something else than was written.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        segments = range(content.oldest // SEGMENT, content.total // SEGMENT)
        needed = {_segment_path(path.parent, number) for number in segments}
        for number in segments:
            segment_path = _segment_path(path.parent, number)
            if segment_path not in self._written:
                self._written[segment_path] = _write_segment(segment_path, content, number)
        _write_rest(path, content, {segment.name: self._written[segment] for segment in needed})
        _read_back(path)
        for stale in self._written.keys() - needed - self._needed:
            stale.unlink(missing_ok=True)
            del self._written[stale]
        self._needed = needed

    def load(self, path: Path, rows: np.ndarray, state: dict[str, np.ndarray], state_after: np.ndarray) -> Content:
        """Read a replay into its arrays, which are zeros still.

        Args:
            path: a file that `save` wrote, with its segments beside it.
            rows: the records, shape (capacity,).
            state: the latent states, shape (capacity, ...).
            state_after: as in `Content`.

        Raises:
            ExperienceError: if a file is missing, damaged or of another kind of replay.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = dict(file)
            header = json.loads(arrays["header"].tobytes())
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise ExperienceError(f"{path}: not a saved replay, or damaged: {error}") from error
        if header["format"] != _FORMAT or header["row_type"] != str(rows.dtype):
            raise ExperienceError(f"{path}: saved by a run with other observations or actions, or by another version")
        capacity, oldest = len(rows), header["oldest"]
        content = Content(
            rows=rows,
            state=state,
            state_after=state_after,
            capacity=capacity,
            total=header["total"],
            sessions=header["sessions"],
            newest_ns=header["newest_ns"],
            files_read=header["files_read"],
            first=oldest,
        )
        self._read_rows(path, header, arrays["tail"], content)
        # A ring that is smaller now takes in the newest only.
        passed = content.oldest - oldest
        live = np.arange(content.oldest, content.total) % capacity
        state_after[live] = arrays["state_after"][passed:]
        for name, empty in state.items():
            saved = arrays.get(f"state.{name}")
            if saved is None or saved.dtype != empty.dtype or saved.shape[1:] != empty.shape[1:]:
                raise ExperienceError(f"{path}: latent state {name!r} is missing or of another shape")
            empty[live] = saved[passed:]
        return content

    def _read_rows(self, path: Path, header: Mapping[str, Any], tail: np.ndarray, content: Content) -> None:
        segments = range(content.oldest // SEGMENT, content.total // SEGMENT)
        for number in segments:
            segment_path = _segment_path(path.parent, number)
            try:
                rows = np.load(segment_path, allow_pickle=False)
            except (OSError, ValueError, EOFError) as error:
                raise ExperienceError(f"{segment_path}: a segment of {path.name} cannot be read: {error}") from error
            if rows.dtype != content.rows.dtype or rows.shape != (SEGMENT,):
                raise ExperienceError(f"{segment_path}: not a segment of {path.name}")
            if _checksum(rows) != header["segments"].get(segment_path.name):
                raise ExperienceError(f"{segment_path}: damaged, or not of the save of {path.name} (its checksum)")
            _place(content, number * SEGMENT, rows)
            self._written[segment_path] = header["segments"][segment_path.name]
            self._needed.add(segment_path)
        _place(content, max(segments.stop * SEGMENT, header["oldest"]), tail.view(content.rows.dtype))


def _place(content: Content, first: int, rows: np.ndarray) -> None:
    """Put consecutive rows, from number `first`, into their slots; leave out those the ring has overwritten."""
    numbers = np.arange(first, first + len(rows))
    live = numbers >= content.oldest
    content.rows[numbers[live] % content.capacity] = rows[live]


def _pick(content: Content, first: int, stop: int) -> np.ndarray:
    return content.rows[np.arange(first, stop) % content.capacity]


def _segment_path(folder: Path, number: int) -> Path:
    return folder / f"rows-{number:06d}.npy"


def _checksum(rows: np.ndarray) -> int:
    return zlib.crc32(rows.view(np.uint8).data)


def _write_segment(path: Path, content: Content, number: int) -> int:
    """Write a segment, see that the disk gives it back, and return its checksum."""
    # Rows before the oldest are gone from the ring; their place holds whatever lies in their slots now.
    rows = _pick(content, number * SEGMENT, (number + 1) * SEGMENT)
    with written_durably(path) as file:
        np.save(file, rows, allow_pickle=False)
    checksum = _checksum(rows)
    if _checksum(np.load(path, allow_pickle=False)) != checksum:
        raise ExperienceError(f"{path}: the disk gives back something else than was written; look after it")
    return checksum


def _read_back(path: Path) -> None:
    with zipfile.ZipFile(path) as file:
        if (member := file.testzip()) is not None:
            raise ExperienceError(f"{path}: the disk gives back another {member} than was written; look after it")


def _write_rest(path: Path, content: Content, segments: Mapping[str, int]) -> None:
    live = np.arange(content.oldest, content.total) % content.capacity
    tail_start = max(content.total // SEGMENT * SEGMENT, content.oldest)
    header = {
        "format": _FORMAT,
        "row_type": str(content.rows.dtype),
        "oldest": content.oldest,
        "total": content.total,
        "sessions": content.sessions,
        "newest_ns": content.newest_ns,
        "files_read": content.files_read,
        "segments": segments,
    }
    arrays = {f"state.{name}": stored[live] for name, stored in content.state.items()}
    arrays["state_after"] = content.state_after[live]
    arrays["tail"] = np.frombuffer(_pick(content, tail_start, content.total).tobytes(), np.uint8)
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    with written_durably(path) as file:
        np.savez(file, allow_pickle=False, **arrays)
