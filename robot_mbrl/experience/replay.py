"""The replay: everything lived through as one numpy record per step, from which sequences are sampled.

Rows are numbered from 0 in the order they were appended and keep their number for good; row r lies in slot
r % capacity, so once the ring is full the newest row replaces the oldest. A sequence follows the rows of one session,
whatever others were appended between them, and on from session to session (see `chains`); it may run across episodes
and sessions, because a model that meets `is_first` starts afresh. Beside the rows lie the latent states a model had
there, so that a sequence which begins in the middle of an episode can be filtered from where the model was last time.
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from robot_mbrl.errors import ExperienceError
from robot_mbrl.experience import step_health
from robot_mbrl.experience.chains import NONE, SessionChains
from robot_mbrl.experience.corrections import Corrections, newest_at
from robot_mbrl.experience.goals import GoalJudge
from robot_mbrl.experience.latents import Latents
from robot_mbrl.experience.replay_files import Archive, Snapshot
from robot_mbrl.experience.reward_bound import RewardBound
from robot_mbrl.experience.rows import RowWriter
from robot_mbrl.experience.sessions import Sessions
from robot_mbrl.experience.windows import NewestWindows
from robot_mbrl.labels import LateLabels
from robot_mbrl.specs import ActionSpec, ObservationSpec, Source, TensorSpec, VectorSpec
from robot_mbrl.steps import GAP_PERIODS, Step, StepKey


class Replay:
    """A ring of steps with uniform sampling of sequences.

    The fields of a row, all of which a sample has as arrays of shape (batch, length, ...): `stamp_ns` int64, `session`
    int32 (index into `sessions` and `robots`), `previous` int64 (number of the row before it in its session, -1 for
    none), `run` int64 (number of the first row of its run: the steps without a cut that it is one of; `run_ends` gives
    the last), `policy_version` int32 (of the behaviour that acted, 0 for none), `observation.<name>` (float32 vectors,
    uint8 or uint16 pictures), `goal.<name>` (float32 vectors), `action` (a_k) and `prev_action` (a_{k-1}, zeros where
    `is_first`) float32, `reward` (bounded, see `reward_bound`), `is_first`, `is_last`, `is_terminal` float32, `source`
    and `mode` uint8. `is_first` is also set at a cut: where the step before is missing, or the last of its episode, or
    where a sequence goes on in another session.
    """

    def __init__(
        self,
        observation: ObservationSpec,
        action: ActionSpec,
        capacity: int,
        state: Mapping[str, TensorSpec] | None = None,
        *,
        step_ns: int,
        goal: Mapping[str, VectorSpec] | None = None,
        robot: str = "",
        reward_scale: float | None = None,
        goals: GoalJudge | None = None,
    ) -> None:
        """Make an empty replay.

        Args:
            observation: what of each step's observation is kept.
            action: the actions' specification.
            capacity: most steps kept; memory is claimed at once, but used only as steps come.
            state: latent states kept beside the rows, by name.
            step_ns: nominal time between two steps of an episode, nanoseconds.
            goal: values of the task's goal that are kept, by group; None if it has none.
            robot: name of the robot whose sessions these are, but for those that `tell_robot` names.
            reward_scale: a typical magnitude of rewards; None to learn it from them.
            goals: judges by other goals than those that were meant, for draws that replace them; None where none does.
        """
        if capacity < 1:
            raise ExperienceError(f"replay capacity must be at least 1, not {capacity}")
        self._writer = RowWriter(observation, action, goal or {})
        self.capacity = capacity
        self.total = 0
        """Steps ever appended, which is also the number of the next row."""
        self.refused: Counter[str] = Counter()
        """Steps that `append` did not take, by reason: `repeat`, `late` or `not_finite`."""
        self.files_read: dict[str, int] = {}
        """Finished sessions, by path, whose every step was offered already, with their size in bytes."""
        self.observation = observation
        self.action = action
        self.goals = goals
        self.reward_bound = RewardBound(reward_scale)
        self._step_ns = step_ns
        self._sessions = Sessions(robot)
        self._windows: dict[int, NewestWindows] = {}
        self.first = 0
        """The oldest row that a ring of another capacity left: what came before it is gone."""
        try:
            # Zeros of this size are pages that the system provides when they are first written to.
            self.rows = np.zeros(capacity, self._writer.dtype)
            """Records, shape (capacity,), for those who save them."""
            self.latents = Latents(capacity, state or {})
            """The latent states beside them, for those who save them."""
            self._chains = SessionChains(capacity)
        except MemoryError:
            needed_gb = capacity * self._writer.dtype.itemsize / 1e9
            raise ExperienceError(
                f"a replay of {capacity} steps needs more than {needed_gb:.0f} GB, which this machine has not: lower "
                f"agent.replay_capacity"
            ) from None
        self._corrections = Corrections(self.rows, self._chains)
        self._archive = Archive()

    def __len__(self) -> int:
        """Number of steps that can be sampled."""
        return self.total - self.oldest

    @property
    def oldest(self) -> int:
        """Number of the oldest row still there."""
        return max(self.first, self.total - self.capacity)

    @property
    def most_bytes(self) -> int:
        """Memory that the replay takes once its capacity is reached, and never exceeds."""
        return self.rows.nbytes + self.latents.nbytes + self._chains.nbytes

    @property
    def sessions(self) -> list[str]:
        """Session names by index."""
        return self._sessions.names

    @property
    def robots(self) -> list[str]:
        """Names of the robots that lived the sessions, by index."""
        return self._sessions.robots

    def tell_robot(self, session: str, robot: str) -> None:
        """Note which robot lives a session."""
        self._sessions.robots_told[session] = robot

    def newest_ns(self, session: str) -> int | None:
        """Stamp of the newest step of a session, nanoseconds; None if there is none. Older ones are refused."""
        return self._sessions.newest_ns.get(session)

    def append(self, step: Step) -> bool:
        """Append a step, unless it is a repeat, older than the newest of its session, or not finite.

        Returns:
            Whether it was taken; `refused` counts the others.

        Raises:
            ExperienceError: if the step lacks something that the specifications name.
        """
        key = step.observation.key
        if refusal := self._sessions.refusal(key):
            self.refused[refusal] += 1
            return False
        row = self._writer.write(step)
        if row is None:
            self.refused["not_finite"] += 1
            return False
        row["session"] = self._sessions.note(key)
        self._link(row)
        slot = self.total % self.capacity
        if len(self) == self.capacity:
            leaving = self.rows[slot]
            self._chains.drop(self.oldest, int(leaving["session"]), int(leaving["run"]))
        self.rows[slot] = row
        self._chains.append(self.total, int(row["session"]), int(row["run"]))
        self.total += 1
        if self.reward_bound.is_due(self.total):
            self.reward_bound.look(self.rows["reward"][np.arange(self.oldest, self.total) % self.capacity], self.total)
        return True

    def pass_over(self, key: StepKey) -> bool:
        """Take note of a step that is not worth keeping, so that it is known when it comes again.

        Returns:
            Whether it was new.
        """
        if refusal := self._sessions.refusal(key):
            self.refused[refusal] += 1
            return False
        self._sessions.note(key)
        return True

    def find(self, key: StepKey) -> tuple[int, int] | None:
        """The newest step at or before a stamp, of a session or, if that is empty, of any.

        Returns:
            The number of its row, and its own stamp in nanoseconds; None if there is none.
        """
        numbers = np.arange(self.oldest, self.total)
        return newest_at(self.rows, numbers, self.sessions, key.session, key.stamp_ns)

    def correct(self, row: int, late: LateLabels, earned: float) -> bool:
        """Merge labels into a step that is there already.

        Args:
            row: its number.
            late: the labels.
            earned: what they add to its reward.

        Returns:
            Whether they were new.
        """
        if self._corrections.knows(late):
            return False
        self._corrections.merge(row, late, earned)
        return True

    def rests(self, session: str) -> bool:
        """Whether the robot was stopped in the newest step kept of this session."""
        if session not in self._sessions.newest_ns:
            return False
        newest = self._chains.newest(self._sessions.index(session))
        return newest != NONE and bool(self.rows[newest % self.capacity]["source"] == Source.STOP)

    def sample(
        self, rng: np.random.Generator, batch: int, length: int, *, newest: bool = False
    ) -> dict[str, np.ndarray]:
        """Draw sequences, so that every row, the newest too, is at each of their places with the same chance.

        Args:
            rng: source of the chance.
            batch: how many.
            length: rows of each.
            newest: whether windows of this length that nobody has read yet come first (see `windows`).

        Returns:
            Every field of the rows, shape (batch, length, ...), and `row`: the rows' numbers, int64. Pictures are
            strided, the rest is contiguous.

        Raises:
            ExperienceError: if there are fewer than `length` steps.
        """
        starts = self._take_windows(length, batch) if newest else np.empty(0, np.int64)
        drawn = rng.integers(self.oldest, max(1, self.total), batch - len(starts))
        return self.sequences(np.concatenate([starts, drawn]), length)

    def sequences(self, starts: np.ndarray, length: int) -> dict[str, np.ndarray]:
        """The sequences that begin at these rows, as `sample` gives them.

        Args:
            starts: row numbers, int64, shape (batch,).
            length: rows of each.

        Raises:
            ExperienceError: if there are fewer than `length` steps.
        """
        if len(self) < length:
            raise ExperienceError(f"{len(self)} steps in replay are too few for sequences of {length}")
        rows, continues = self._chains.follow(starts, self.sessions_of(starts), length)
        fields = self.read(rows)
        fields["is_first"][~continues] = 1.0
        fields["prev_action"][~continues] = 0.0
        return fields

    def read(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The fields of rows that are there, by their numbers.

        Args:
            rows: int64, any shape.

        Returns:
            Arrays by name, shape (*rows.shape, ...), copies; and `row`, the numbers.
        """
        gathered = self.rows.take(rows % self.capacity)
        fields = {name: gathered[name] for name in self.rows.dtype.names or ()}
        # Pictures are big: they stay where they were gathered, as strided views, and are not copied once more.
        small = fields.keys() - {f"observation.{name}" for name in self.observation.images}
        fields |= {name: np.ascontiguousarray(fields[name]) for name in small}
        return fields | {"reward": self.reward_bound.bounded(fields["reward"]), "row": rows}

    def sessions_of(self, rows: np.ndarray) -> np.ndarray:
        """Indices of the sessions that these rows belong to, int32, of the same shape."""
        sessions: np.ndarray = self.rows["session"][rows % self.capacity]
        return sessions

    def unbroken(self, length: int) -> np.ndarray:
        """Numbers of the rows that begin `length` steps without a cut between them, int64, shape (N,)."""
        numbers = np.arange(self.oldest, self.total)
        live = self.rows[["session", "run"]][numbers % self.capacity]
        order = np.argsort(live["session"], kind="stable")
        runs = live["run"][order]
        within = runs[: len(runs) - length + 1] == runs[length - 1 :]
        starts: np.ndarray = numbers[order][: len(within)][within]
        return starts

    def after(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The rows that come after these in sequences, int64, and whether their runs go on there, bool: (batch,)."""
        following, continues = self._chains.follow(rows, self.sessions_of(rows), 2)
        after = following[:, 1]
        goes_on: np.ndarray = continues[:, 1] & (self.rows["is_first"][after % self.capacity] == 0)
        return after, goes_on

    def runs_of(self, rows: np.ndarray) -> np.ndarray:
        """Numbers of the first rows of the runs that these rows belong to, int64, of the same shape."""
        runs: np.ndarray = self.rows["run"][rows % self.capacity]
        return runs

    def run_ends(self, rows: np.ndarray) -> np.ndarray:
        """Numbers of the last rows of the runs that these rows belong to, int64, of the same shape."""
        return self._chains.run_ends(self.runs_of(rows))

    def state_before(self, first: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Latent states from which sequences go on.

        Args:
            first: numbers of the sequences' first rows, int64, shape (batch,).

        Returns:
            The states of the rows before these by name, shape (batch, ...), zeros where there is none; and whether
            there is one, bool, shape (batch,): that row is still there, was given a state, and the first row continues
            it.
        """
        slots = first % self.capacity
        before = self.rows["previous"][slots]
        known = (before >= self.oldest) & (self.rows["is_first"][slots] == 0) & self.latents.known(before)
        return self.latents.read(before, known), known

    def write_state(self, rows: np.ndarray, values: Mapping[str, np.ndarray]) -> None:
        """Keep the latent states that a model had at these rows; rows overwritten since they were sampled are skipped.

        Args:
            rows: row numbers as `sample` gave them, int64, any shape; of a number that repeats the last counts.
            values: arrays by name, shape (*rows.shape, ...).
        """
        flat = rows.reshape(-1)
        there = flat >= self.oldest
        shaped = {name: value.reshape(len(flat), *value.shape[rows.ndim :])[there] for name, value in values.items()}
        self.latents.write(flat[there], shaped)

    @property
    def not_finite(self) -> Counter[str]:
        """Steps refused as not finite, by the field that was not: `reward`, `action` or `observation.<name>`."""
        return self._writer.not_finite

    @property
    def figures(self) -> dict[str, float]:
        """What learning should know of the steps, as metrics."""
        return step_health.figures(self._writer, self.reward_bound)

    @property
    def warnings(self) -> dict[str, str]:
        """What is wrong with the steps, in a sentence each, by what it is about."""
        return step_health.warnings(self._writer, self.reward_bound)

    def snapshot(self, path: Path) -> Snapshot:
        """The present replay, to be written to `path` by another thread while this one goes on.

        Taking it takes as long as copying the latent states that have changed since the last one, which must have been
        written by now.
        """
        header = {
            "sessions": self._sessions.state,
            "files_read": self.files_read.copy(),
            "reward_bound": self.reward_bound.state,
            "windows": {str(length): windows.state for length, windows in self._windows.items()},
            "corrections": self._corrections.state(self.oldest),
        }
        return self._archive.snapshot(path, self, header)

    def save(self, path: Path) -> None:
        """Write the whole replay, atomically, so that one that `restore`s it goes on bit for bit.

        Full segments of rows and the latent states lie in files beside `path`; what lies there of earlier saves and is
        needed no more is removed (see `replay_files`).
        """
        snapshot = self.snapshot(path)
        snapshot.write()
        snapshot.prune()

    def restore(self, path: Path) -> None:
        """Take up a saved replay; where it was larger than this one, which is new, the newest steps of it.

        Raises:
            ExperienceError: if the file is damaged or does not fit the specifications.
        """
        header = self._archive.restore(path, self)
        self._sessions.restore(header["sessions"])
        self.files_read = header["files_read"]
        self.reward_bound.restore(header["reward_bound"])
        for length, state in header.get("windows", {}).items():
            self._windows.setdefault(int(length), NewestWindows(int(length))).restore(state)
        numbers = np.arange(self.oldest, self.total)
        live = self.rows[numbers % self.capacity]
        self._chains.restore(numbers, live["session"], live["run"])
        # Checkpoints from before there were any have none.
        self._corrections.restore(header.get("corrections", {"known": {}, "rows": []}), self.oldest)

    def _take_windows(self, length: int, most: int) -> np.ndarray:
        windows = self._windows.setdefault(length, NewestWindows(length))
        new = np.arange(windows.unseen(self.oldest), self.total)
        windows.follow(self.sessions_of(new), self.total)
        return windows.take(most, self.oldest)

    def _link(self, row: np.ndarray) -> None:
        """Give the row its place in its run and its previous action, or cut before it."""
        row["previous"] = number = self._chains.newest(int(row["session"]))
        row["run"] = self.total
        if row["is_first"] == 0 and number != NONE:
            previous = self.rows[number % self.capacity]
            gap_ns = int(row["stamp_ns"]) - int(previous["stamp_ns"])
            if previous["is_last"] == 0 and gap_ns <= GAP_PERIODS * self._step_ns:
                row["prev_action"] = previous["action"]
                row["run"] = previous["run"]
                return
        row["is_first"] = 1.0
