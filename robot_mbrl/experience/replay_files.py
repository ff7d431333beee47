"""The replay on disk: what makes a resumed learner go on bit for bit, at a cost that grows with what is new.

Rows never change once appended, so each full segment of `SEGMENT` rows is written once, as `rows-<number>.npy` beside
the saved file. Latent states do change: each save writes those that have since the one before, as
`latents-<number>.npy`, and now and then all of them, after which the older ones are not needed. The file itself
(`.npz`) holds the newest rows, which do not fill a segment yet, the counters, and the names of the files it needs.

Each file is written under another name, synced and renamed, the `.npz` last: a crash leaves the file of the save
before, and all that it needs, as they were. Each has a checksum that is compared when it is read.
"""

import ast
import json
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.lib.format import dtype_to_descr, write_array_header_1_0

from robot_mbrl.durable import written_durably
from robot_mbrl.errors import ExperienceError
from robot_mbrl.experience.latents import Latents

SEGMENT = 2048
"""Rows per segment."""
MARGIN = 4 * SEGMENT
"""Steps that a robot may live while its replay is written: rows that as many would overwrite are copied before."""
_FORMAT = 4


class Ring(Protocol):
    """What is saved; row r lies in slot r % capacity."""

    rows: np.ndarray
    """Records, shape (capacity,)."""
    latents: Latents
    capacity: int
    total: int
    """Rows ever appended."""
    first: int
    """Number of the oldest row that was there when the ring took its capacity."""

    @property
    def oldest(self) -> int:
        """Number of the oldest row."""


@dataclass(frozen=True)
class _Segment:
    """A full segment that is on no disk yet."""

    path: Path
    first: int
    """Number of its first row that is there."""
    start: int
    """Number of its first row."""
    copied: np.ndarray | None
    """Its rows, if they might be overwritten before they are written."""


class Snapshot:
    """A replay as it was at one moment, until it is written."""

    def __init__(self, archive: "Archive", ring: Ring, path: Path, header: dict[str, Any]) -> None:
        """Copy what the ring's owner may change from now on; see `Archive.snapshot`."""
        self.path = path
        self.oldest, self.total = ring.oldest, ring.total
        self.header = header
        self.states = ring.latents.snapshot(ring.oldest, archive.states_saved(path.parent))
        self.ring = ring
        tail = np.arange(max(self.total // SEGMENT * SEGMENT, self.oldest), self.total)
        self.tail = ring.rows[tail % ring.capacity]
        self.segments = [
            self._segment(number)
            for number in self.segment_numbers
            if not archive.has(_segment_path(path.parent, number))
        ]
        self._archive = archive

    @property
    def segment_numbers(self) -> range:
        """Numbers of the full segments that hold rows of the ring."""
        return range(self.oldest // SEGMENT, self.total // SEGMENT)

    def write(self) -> None:
        """Write it, in any thread.

        Raises:
            OSError: if the disk does not take it.
            ExperienceError: if the disk gives back something else than was written, or rows were overwritten before
                they were written.
        """
        try:
            self._archive.write(self)
        except BaseException:  # Whatever kept it from being written, the next save must write it; it goes on from here.
            self.ring.latents.mark_unsaved(self.states.rows)
            raise

    def prune(self) -> None:
        """Remove the files beside it that it does not need, once nothing depends on an earlier save any more."""
        self._archive.prune(self)

    def rows_of(self, segment: _Segment) -> np.ndarray:
        """The rows of a segment.

        Raises:
            ExperienceError: if the ring has come round to them since.
        """
        if segment.copied is not None:
            return segment.copied
        rows = _segment_rows(self.ring, segment.start)
        # A row that is being written now is not counted yet.
        if self.ring.total + 1 - self.ring.capacity > segment.first:
            raise ExperienceError(
                f"{segment.path}: its rows were overwritten before they were written; raise agent.replay_capacity"
            )
        return rows

    def _segment(self, number: int) -> _Segment:
        start = number * SEGMENT
        first = max(start, self.oldest)
        endangered = first + self.ring.capacity - self.total <= MARGIN
        # Rows before the oldest are gone from the ring; their place holds whatever lies in their slots now.
        copied = _segment_rows(self.ring, start) if endangered else None
        return _Segment(_segment_path(self.path.parent, number), first, start, copied)


class Archive:
    """Saves one replay again and again, and remembers what is on disk already."""

    def __init__(self) -> None:
        """Know of no file yet."""
        # Checksums of the files on disk.
        self._written: dict[Path, int] = {}
        # Files of latent states, in the order in which they are read, with the records in each.
        self._states: dict[Path, int] = {}
        self._states_number = 0

    def has(self, path: Path) -> bool:
        """Whether a segment is on disk."""
        return path in self._written

    def states_saved(self, folder: Path) -> float:
        """Records of latent states in a folder's files; infinite if there are none to go on from."""
        if any(path.parent != folder for path in self._states) or not self._states:
            return np.inf
        return sum(self._states.values())

    def snapshot(self, path: Path, ring: Ring, header: dict[str, Any]) -> Snapshot:
        """What a save needs, without writing anything; write one before the next is taken.

        Args:
            path: the file that will be written, with others beside it.
            ring: the replay.
            header: what else is to be remembered, as JSON has it.
        """
        return Snapshot(self, ring, path, header)

    def write(self, snapshot: Snapshot) -> None:
        """Write a snapshot; see `Snapshot.write`."""
        path, folder = snapshot.path, snapshot.path.parent
        folder.mkdir(parents=True, exist_ok=True)
        for segment in snapshot.segments:
            self._written[segment.path] = _write_array(segment.path, snapshot.rows_of(segment))
        states = {} if snapshot.states.complete else dict(self._states)
        if count := len(snapshot.states.rows):
            self._states_number += 1
            states_path = folder / f"latents-{self._states_number:06d}.npy"
            pieces = snapshot.states.records()
            self._written[states_path] = _write_pieces(states_path, snapshot.ring.latents.record, count, pieces)
            states[states_path] = count
        segments = [_segment_path(folder, number) for number in snapshot.segment_numbers]
        header = snapshot.header | {
            "format": _FORMAT,
            "row_type": str(snapshot.tail.dtype),
            "oldest": snapshot.oldest,
            "total": snapshot.total,
            "segments": {segment.name: self._written[segment] for segment in segments},
            "states": {states_path.name: self._written[states_path] for states_path in states},
        }
        _write_rest(path, header, snapshot.tail)
        self._states = states

    def prune(self, snapshot: Snapshot) -> None:
        """Remove what a snapshot that was written does not need; see `Snapshot.prune`."""
        folder = snapshot.path.parent
        needed = {*self._states, *(_segment_path(folder, number) for number in snapshot.segment_numbers)}
        for file in {*folder.glob("rows-*.npy*"), *folder.glob("latents-*.npy*")} - needed:
            file.unlink(missing_ok=True)
        self._written = {file: checksum for file, checksum in self._written.items() if file in needed}

    def restore(self, path: Path, ring: Ring) -> dict[str, Any]:
        """Read a saved replay into a ring that is empty; one that is smaller takes in the newest rows only.

        Args:
            path: a file that was saved, with the others beside it.
            ring: gets the rows, their latent states, `total` and `first`.

        Returns:
            What `snapshot` was given as the header, and more.

        Raises:
            ExperienceError: if a file is missing, damaged or of another kind of replay.
        """
        header, tail = _read_rest(path)
        if header.get("format") != _FORMAT or header["row_type"] != str(ring.rows.dtype):
            raise ExperienceError(f"{path}: saved by a run with other observations or actions, or by another version")
        ring.total, ring.first = header["total"], header["oldest"]
        segments = range(ring.oldest // SEGMENT, ring.total // SEGMENT)
        for number in segments:
            segment = _segment_path(path.parent, number)
            rows = self._read_array(segment, header["segments"], path)
            if rows.dtype != ring.rows.dtype or rows.shape != (SEGMENT,):
                raise ExperienceError(f"{segment}: not a segment of {path.name}")
            _place(ring, number * SEGMENT, rows)
        _place(ring, max(segments.stop * SEGMENT, header["oldest"]), tail.view(ring.rows.dtype))
        for name in header["states"]:
            states = self._read_array(path.parent / name, header["states"], path)
            if states.dtype != ring.latents.record:
                raise ExperienceError(f"{path.parent / name}: a latent state is missing or of another shape")
            ring.latents.restore(states, ring.oldest)
            self._states[path.parent / name] = len(states)
            self._states_number = int(name.removeprefix("latents-").removesuffix(".npy"))
        return header

    def _read_array(self, path: Path, checksums: Mapping[str, int], saved: Path) -> np.ndarray:
        try:
            array: np.ndarray = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise ExperienceError(f"{path}: a part of {saved.name} cannot be read: {error}") from error
        if _checksum(array) != checksums.get(path.name):
            raise ExperienceError(f"{path}: damaged, or not of the save of {saved.name} (its checksum)")
        self._written[path] = checksums[path.name]
        return array


def read_spans(path: Path) -> dict[str, tuple[int, int]]:
    """What a saved replay knows of each session: stamps of the oldest step it holds and of the newest it has seen.

    Where it holds none any more, the first comes after the second. Nanoseconds, by the session's name.

    Args:
        path: a file that was saved, with the others beside it.

    Raises:
        ExperienceError: if a file is missing or damaged.
    """
    header, tail = _read_rest(path)
    try:
        rows = [tail.view(np.dtype(ast.literal_eval(header["row_type"])))]
        for name in header["segments"]:
            start = int(name.removeprefix("rows-").removesuffix(".npy")) * SEGMENT
            segment = np.load(path.parent / name, mmap_mode="r", allow_pickle=False)
            rows.append(segment[max(0, header["oldest"] - start) :])
        stamps = np.concatenate([part["stamp_ns"] for part in rows])
        sessions = np.concatenate([part["session"] for part in rows])
        names, newest_ns = header["sessions"]["names"], header["sessions"]["newest_ns"]
    except (OSError, ValueError, EOFError, KeyError, SyntaxError) as error:
        raise ExperienceError(f"{path}: a part of it cannot be read: {error}") from error
    oldest_ns = {names[index]: int(stamps[sessions == index].min()) for index in np.unique(sessions).tolist()}
    return {name: (oldest_ns.get(name, newest + 1), newest) for name, newest in newest_ns.items()}


def _place(ring: Ring, first: int, rows: np.ndarray) -> None:
    """Put consecutive rows, from number `first`, into their slots; leave out those the ring has no room for."""
    numbers = np.arange(first, first + len(rows))
    live = numbers >= ring.oldest
    ring.rows[numbers[live] % ring.capacity] = rows[live]


def _segment_rows(ring: Ring, start: int) -> np.ndarray:
    return ring.rows[np.arange(start, start + SEGMENT) % ring.capacity]


def _segment_path(folder: Path, number: int) -> Path:
    return folder / f"rows-{number:06d}.npy"


def _checksum(array: np.ndarray) -> int:
    return zlib.crc32(array.view(np.uint8).data) if len(array) else 0


def _write_array(path: Path, array: np.ndarray) -> int:
    """Write an array of records, see that the disk gives it back, and return its checksum."""
    return _write_pieces(path, array.dtype, len(array), [array])


def _write_pieces(path: Path, dtype: np.dtype[np.void], count: int, pieces: Iterable[np.ndarray]) -> int:
    """Write so many records that come in pieces as one array; as `_write_array`."""
    checksum = 0
    with written_durably(path) as file:
        header = {"descr": dtype_to_descr(dtype), "fortran_order": False, "shape": (count,)}
        write_array_header_1_0(file, header)
        for piece in pieces:
            content = piece.view(np.uint8).data if len(piece) else b""
            checksum = zlib.crc32(content, checksum)
            file.write(content)
    if _checksum(np.load(path, mmap_mode="r", allow_pickle=False)) != checksum:
        raise ExperienceError(f"{path}: the disk gives back something else than was written; look after it")
    return checksum


def _write_rest(path: Path, header: Mapping[str, Any], tail: np.ndarray) -> None:
    arrays = {"tail": np.frombuffer(tail.tobytes(), np.uint8)}
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    with written_durably(path) as file:
        np.savez(file, allow_pickle=False, **arrays)
    with zipfile.ZipFile(path) as written:
        if (member := written.testzip()) is not None:
            raise ExperienceError(f"{path}: the disk gives back another {member} than was written; look after it")


def _read_rest(path: Path) -> tuple[dict[str, Any], np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        return json.loads(arrays["header"].tobytes()), arrays["tail"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ExperienceError(f"{path}: not a saved replay, or damaged: {error}") from error
