"""The replay: everything lived through as one numpy record per step, from which sequences are sampled.

Rows are numbered from 0 in the order they were appended and keep their number for good; row r lies in slot
r % capacity, so once the ring is full the newest row replaces the oldest. A sequence is a run of consecutive row
numbers that are all still there: it cannot cross the ring's write seam, and it may run across episodes, because a
model that meets `is_first` starts afresh. Beside the rows lie the latent states a model had there (`state`), so that
a sequence which begins in the middle of an episode can be filtered from where the model was last time.
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from robot_mbrl.errors import ExperienceError
from robot_mbrl.experience import replay_files
from robot_mbrl.specs import ActionSpec, ObservationSpec, Source, TensorSpec
from robot_mbrl.steps import GAP_PERIODS, Step, StepKey


class Replay:
    """A ring of steps with uniform sampling of sequences.

    The fields of a row, all of which a sample has as arrays of shape (batch, length, ...):
    `stamp_ns` int64, `session` int32 (index into `sessions`), `observation.<name>` (float32 vectors, uint8 or uint16
    pictures), `action` (a_k) and `prev_action` (a_{k-1}, zeros where `is_first`) float32, `reward`, `is_first`,
    `is_last`, `is_terminal` float32, `source` and `mode` uint8. `is_first` is also set at a cut: where the step before
    is missing, of another session or the last of its episode.
    """

    def __init__(
        self,
        observation: ObservationSpec,
        action: ActionSpec,
        capacity: int,
        state: Mapping[str, TensorSpec] | None = None,
        *,
        step_ns: int,
    ) -> None:
        """Make an empty replay.

        Args:
            observation: what of each step's observation is kept.
            action: the actions' specification.
            capacity: most steps kept; memory is claimed at once, but used only as steps come.
            state: latent states kept beside the rows, by name.
            step_ns: nominal time between two steps of an episode, nanoseconds.
        """
        if capacity < 1:
            raise ExperienceError(f"replay capacity must be at least 1, not {capacity}")
        row_type = _row_type(observation, action)
        self.capacity = capacity
        self.total = 0
        """Steps ever appended, which is also the number of the next row."""
        self.sessions: list[str] = []
        """Session names by index."""
        self.refused: Counter[str] = Counter()
        """Steps that `append` did not take, by reason: `repeat`, `late` or `not_finite`."""
        self.not_finite: Counter[str] = Counter()
        """Of the last, by the field that was not: `reward`, `action` or `observation.<name>`."""
        self.files_read: dict[str, int] = {}
        """Finished sessions, by path, whose every step was offered already, with their size in bytes."""
        self.observation = observation
        self.action = action
        self._step_ns = step_ns
        self._newest_ns: dict[str, int] = {}
        # The oldest row that a ring of another capacity left: what came before it is gone.
        self._first = 0
        try:
            # Zeros of this size are pages that the system provides when they are first written to.
            self._rows = np.zeros(capacity, row_type)
            self._state = {name: np.zeros((capacity, *spec.shape), spec.dtype) for name, spec in (state or {}).items()}
            # The latent state in a slot belongs to the row before this one, 0 for none: a slot's row changes when the
            # ring comes round.
            self._state_after = np.zeros(capacity, np.int64)
        except MemoryError:
            needed_gb = capacity * row_type.itemsize / 1e9
            raise ExperienceError(
                f"a replay of {capacity} steps needs more than {needed_gb:.0f} GB, which this machine has not: lower "
                f"agent.replay_capacity"
            ) from None
        self._archive = replay_files.Archive()

    def __len__(self) -> int:
        """Number of steps that can be sampled."""
        return self.total - self.oldest

    @property
    def oldest(self) -> int:
        """Number of the oldest row still there."""
        return max(self._first, self.total - self.capacity)

    @property
    def most_bytes(self) -> int:
        """Memory that the replay takes once its capacity is reached, and never exceeds."""
        arrays = (self._rows, self._state_after, *self._state.values())
        return sum(array.nbytes for array in arrays)

    def newest_ns(self, session: str) -> int | None:
        """Stamp of the newest step of a session, nanoseconds; None if there is none. Older ones are refused."""
        return self._newest_ns.get(session)

    def append(self, step: Step) -> bool:
        """Append a step, unless it is a repeat, older than the newest of its session, or not finite.

        Returns:
            Whether it was taken; `refused` counts the others.

        Raises:
            ExperienceError: if the step lacks something that the specifications name.
        """
        key = step.observation.key
        newest_ns = self._newest_ns.get(key.session)
        if newest_ns is not None and key.stamp_ns <= newest_ns:
            self.refused["repeat" if key.stamp_ns == newest_ns else "late"] += 1
            return False
        row = np.zeros((), self._rows.dtype)
        with np.errstate(over="ignore"):  # What float32 cannot hold becomes infinite, and is refused.
            self._fill(row, step)
        if (field := self._not_finite(row)) is not None:
            self.refused["not_finite"] += 1
            self.not_finite[field] += 1
            return False
        if newest_ns is None:
            self.sessions.append(key.session)
        row["session"] = self._session_index(key.session)
        self._link(row)
        self._rows[self.total % self.capacity] = row
        self._newest_ns[key.session] = key.stamp_ns
        self.total += 1
        return True

    def pass_over(self, key: StepKey) -> bool:
        """Take note of a step that is not worth keeping, so that it is known when it comes again.

        Returns:
            Whether it was new.
        """
        newest_ns = self._newest_ns.get(key.session)
        if newest_ns is not None and key.stamp_ns <= newest_ns:
            self.refused["repeat" if key.stamp_ns == newest_ns else "late"] += 1
            return False
        if newest_ns is None:
            self.sessions.append(key.session)
        self._newest_ns[key.session] = key.stamp_ns
        return True

    def rests(self, session: str) -> bool:
        """Whether the newest step kept is of this session, and the robot was stopped in it."""
        if not self.total:
            return False
        newest = self._rows[(self.total - 1) % self.capacity]
        return bool(newest["source"] == Source.STOP) and self.sessions[newest["session"]] == session

    def sample(self, rng: np.random.Generator, batch: int, length: int) -> dict[str, np.ndarray]:
        """Draw sequences, uniformly over all rows that `length` consecutive rows can start at.

        Returns:
            Every field of the rows, shape (batch, length, ...), and `row`: the rows' numbers, int64. Pictures are
            strided, the rest is contiguous.

        Raises:
            ExperienceError: if there are fewer than `length` steps.
        """
        if len(self) < length:
            raise ExperienceError(f"{len(self)} steps in replay are too few for sequences of {length}")
        starts = rng.integers(self.oldest, self.total - length + 1, batch)
        return self.read(starts[:, None] + np.arange(length))

    def read(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Rows by their numbers, which must still be there.

        Args:
            rows: row numbers, int64, any shape.

        Returns:
            As `sample`, shape (*rows.shape, ...).
        """
        gathered = self._rows.take(rows % self.capacity)
        fields = {name: gathered[name] for name in self._rows.dtype.names or ()}
        # Pictures are big: they stay where they were gathered, as strided views, and are not copied once more.
        small = fields.keys() - {f"observation.{name}" for name in self.observation.images}
        return fields | {name: np.ascontiguousarray(fields[name]) for name in small} | {"row": rows}

    def begins(self, rows: np.ndarray) -> np.ndarray:
        """Whether an episode, or what is known of one, begins at these rows, which must still be there: bool."""
        first: np.ndarray = self._rows["is_first"][rows % self.capacity] != 0
        return first

    def read_state(self, before: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Latent states from which sequences go on.

        Args:
            before: numbers of the rows before the sequences' first, int64, shape (batch,).

        Returns:
            The states by name, shape (batch, ...), zeros where there is none; and whether there is one, bool, shape
            (batch,): the row is still there, was given a state, and the sequence's first row continues it.
        """
        slots = before % self.capacity
        known = (before >= self.oldest) & (self._state_after[slots] == before + 1)
        known &= ~self.begins(before + 1)
        slots = np.where(known, slots, 0)
        states = {}
        for name, stored in self._state.items():
            picked = stored[slots]
            picked[~known] = 0
            states[name] = picked
        return states, known

    def write_state(self, rows: np.ndarray, values: Mapping[str, np.ndarray]) -> None:
        """Keep the latent states that a model had at these rows; rows overwritten since they were sampled are skipped.

        Args:
            rows: row numbers as `sample` gave them, int64, any shape; of a number that repeats the last counts.
            values: arrays by name, shape (*rows.shape, ...).
        """
        flat = rows.reshape(-1)
        there = flat >= self.oldest
        slots = flat[there] % self.capacity
        self._state_after[slots] = flat[there] + 1
        for name, stored in self._state.items():
            stored[slots] = values[name].reshape(-1, *stored.shape[1:])[there]

    def save(self, path: Path) -> None:
        """Write the whole replay, atomically, so that `load` gives a replay that goes on bit for bit.

        Everything but full segments of rows lies in `path`; those are written once and shared by all files saved into
        the same folder (see `replay_files`).
        """
        content = replay_files.Content(
            rows=self._rows,
            state=self._state,
            state_after=self._state_after,
            capacity=self.capacity,
            total=self.total,
            sessions=self.sessions,
            newest_ns=self._newest_ns,
            files_read=self.files_read,
            first=self._first,
        )
        self._archive.save(path, content)

    @classmethod
    def load(
        cls,
        path: Path,
        observation: ObservationSpec,
        action: ActionSpec,
        capacity: int,
        state: Mapping[str, TensorSpec] | None = None,
        *,
        step_ns: int,
    ) -> "Replay":
        """Read a saved replay back.

        The arguments are those it was made with, but for the capacity: a smaller one takes in the newest steps only.

        Raises:
            ExperienceError: if the file is damaged or does not fit the arguments.
        """
        replay = cls(observation, action, capacity, state, step_ns=step_ns)
        content = replay._archive.load(path, replay._rows, replay._state, replay._state_after)
        replay.total, replay.sessions, replay._newest_ns = content.total, content.sessions, content.newest_ns
        replay.files_read, replay._first = content.files_read, content.first
        return replay

    def _fill(self, row: np.ndarray, step: Step) -> None:
        seen, action = step.observation, step.action
        row["stamp_ns"] = seen.key.stamp_ns
        try:
            for name, vector in self.observation.vectors.items():
                row[f"observation.{name}"] = [seen.values[element] for element in vector.names]
            for name, image in self.observation.images.items():
                picture = seen.images[name]
                if picture.shape != image.shape or picture.dtype != image.dtype:
                    raise ExperienceError(f"picture {name!r} is {picture.dtype}{picture.shape}, not {image.shape}")
                row[f"observation.{name}"] = picture
        except KeyError as error:
            raise ExperienceError(f"step {seen.key} has no {error}, which the task observes") from None
        if action.values.shape != (self.action.size,):
            raise ExperienceError(f"step {seen.key}: action of shape {action.values.shape}, not ({self.action.size},)")
        row["action"] = action.values
        row["reward"] = seen.reward
        row["is_first"], row["is_last"], row["is_terminal"] = seen.is_first, seen.is_last, seen.is_terminal
        row["source"], row["mode"] = action.source, seen.mode

    def _not_finite(self, row: np.ndarray) -> str | None:
        """The first field that is not finite; None if all are."""
        names = ("action", "reward", *(f"observation.{name}" for name in self.observation.vectors))
        return next((name for name in names if not np.isfinite(row[name]).all()), None)

    def _session_index(self, session: str) -> int:
        # The newest session is nearly always the one asked for.
        return len(self.sessions) - 1 if self.sessions[-1] == session else self.sessions.index(session)

    def _link(self, row: np.ndarray) -> None:
        """Give the row its previous action, or cut before it."""
        if row["is_first"] == 0 and self.total > 0:
            previous = self._rows[(self.total - 1) % self.capacity]
            gap_ns = int(row["stamp_ns"]) - int(previous["stamp_ns"])
            continues = previous["session"] == row["session"] and previous["is_last"] == 0
            if continues and gap_ns <= GAP_PERIODS * self._step_ns:
                row["prev_action"] = previous["action"]
                return
        row["is_first"] = 1.0


def _row_type(observation: ObservationSpec, action: ActionSpec) -> np.dtype[np.void]:
    """One record per step: a sample then gathers whole rows, each from one place in memory."""
    fields: list[tuple[str, type[np.generic], tuple[int, ...]]]
    fields = [("stamp_ns", np.int64, ()), ("session", np.int32, ())]
    fields += [(f"observation.{name}", np.float32, (vector.size,)) for name, vector in observation.vectors.items()]
    fields += [("action", np.float32, (action.size,)), ("prev_action", np.float32, (action.size,))]
    fields += [(name, np.float32, ()) for name in ("reward", "is_first", "is_last", "is_terminal")]
    fields += [("source", np.uint8, ()), ("mode", np.uint8, ())]
    fields += [(f"observation.{name}", image.dtype, image.shape) for name, image in observation.images.items()]
    # Aligned, so that every field can be given to torch as it lies.
    return np.dtype(fields, align=True)
