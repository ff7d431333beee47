"""Draws: what an agent asks of replay for an update, and how it is read.

What is read is a dict of arrays. Each field of a row (see `Replay`) has the shape (B, T, ...): B draws of T rows that
follow one another. Beside them are

- `row`: the rows' numbers, int64, (B, T), by which latents are written back;
- `valid`: bool, (B, T), false where a row is only there to fill the array, or to tell what came of the one before;
- `before.<latent>`: the latents that replay keeps of the row before the first, (B, ...), zeros where it keeps none.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from robot_mbrl.errors import ExperienceError
from robot_mbrl.experience.relabelling import Strategy, relabel
from robot_mbrl.experience.replay import Replay
from robot_mbrl.specs import Mode, Source

BEFORE = "before."
"""What the names of latents begin with in what was read."""
HELD_OUT_BLOCK, HELD_OUT_OF = 50, 10
"""The last of every ten blocks of so many rows is held out: blocks, because neighbouring steps are nearly the same."""
ROUNDS = 100
"""How often transitions are drawn anew in place of those that an episode's end cut off, before giving up."""


class Draw(Protocol):
    """One kind of thing to read from replay."""

    @property
    def fewest(self) -> int:
        """Steps that replay must hold."""

    @property
    def replayed(self) -> int:
        """Steps that count as replayed each time, for the train ratio."""

    @property
    def relabels(self) -> bool:
        """Whether it replaces goals, so that the task must be one that can be judged by others."""

    def read(self, replay: Replay, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Draw from replay.

        Raises:
            ExperienceError: if there is nothing of the kind in it.
        """


@dataclass(frozen=True)
class Sequences:
    """`batch` runs of `length` rows that follow one another, every row at each place with the same chance.

    Where `newest` is set, that is so of those that are drawn beside the newest windows. They may run across episodes
    and sessions. `is_first` is also set where a sequence starts in the middle of an episode and no latents of the row
    before are known: a model must begin there as if an episode began.
    """

    batch: int
    length: int
    newest: bool = False
    """Whether what was lived is cut into windows of `length` steps, each of which is read once, as soon as it is there,
    before chance chooses the rest of the batch (DreamerV3's online queue)."""

    @property
    def fewest(self) -> int:
        """Steps that replay must hold."""
        return self.length

    @property
    def replayed(self) -> int:
        """Steps that count as replayed each time."""
        return self.batch * self.length

    @property
    def relabels(self) -> bool:
        """Goals stay as they were."""
        return False

    def read(self, replay: Replay, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Draw sequences (batch, length, ...).

        Raises:
            ExperienceError: if there are fewer than `length` steps.
        """
        return _with_context(replay, replay.sample(rng, self.batch, self.length, newest=self.newest))


@dataclass(frozen=True)
class Transitions:
    """`batch` steps, each with the up to `steps` that followed it in its episode: n-step transitions, in T = steps + 1.

    Row 0 is where the action `action[:, 0]` was chosen; `reward[:, 1]` is what it earned, at the observation of row 1.
    Where the episode, or what is known of it, ends sooner, the rows after that are not `valid`; row 1 always is.
    """

    batch: int
    steps: int = 1
    part: Literal["all", "fit", "held_out"] = "all"
    """Which steps: all, or one of two parts that share none, to fit a model and to judge it by."""
    hindsight: Strategy | None = None
    """Where goals come from that take the place of those that were meant: states that were reached at the end of the
    episode, later in it, or anywhere in it (Andrychowicz et al. 2017, sections 3.3 and 4.5); None for no such goals."""
    relabelled: float = 0.8
    """Share of transitions whose goals are replaced, and whose rewards are what the new ones are worth: 4 of 5 in the
    paper."""

    def __post_init__(self) -> None:
        """Refuse what would mix the parts: goals come from all of an episode."""
        if self.hindsight is not None and self.part != "all":
            raise ValueError(f"{self}: relabelled goals are for all transitions, not for a part")

    @property
    def fewest(self) -> int:
        """Steps that replay must hold."""
        return HELD_OUT_BLOCK * HELD_OUT_OF if self.part == "held_out" else self.steps + 1

    @property
    def replayed(self) -> int:
        """Steps that count as replayed each time: one for each transition, whatever follows it."""
        return self.batch

    @property
    def relabels(self) -> bool:
        """Whether goals are replaced in hindsight."""
        return self.hindsight is not None

    def read(self, replay: Replay, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Draw transitions (batch, steps + 1, ...), uniformly over all there are in the part.

        Raises:
            ExperienceError: if there are too few steps, or no two that follow one another.
            ConfigError: if goals are to be replaced, and the task cannot be judged by others.
        """
        if len(replay) < self.fewest:
            raise ExperienceError(f"{len(replay)} steps in replay are too few for {self}: it needs {self.fewest}")
        chosen = np.empty(0, np.int64)
        for _ in range(ROUNDS):
            # Rejected and drawn anew: uniform over what is left, without looking at every row of a long life.
            candidates = rng.integers(replay.oldest, replay.total, 2 * self.batch)
            chosen = np.concatenate([chosen, candidates[self._begins_one(replay, candidates)]])
            if len(chosen) >= self.batch:
                drawn = self._read_from(replay, chosen[: self.batch])
                if self.hindsight is not None:
                    relabel(replay, drawn, self.hindsight, self.relabelled, rng)
                return drawn
        raise ExperienceError(f"hardly any step in replay is followed by another of its episode ({self})")

    def _begins_one(self, replay: Replay, rows: np.ndarray) -> np.ndarray:
        """Whether the row after each of these continues its episode, in the same part."""
        after, continues = replay.after(rows)
        begins: np.ndarray = continues & self._within(rows) & self._within(after)
        return begins

    def _within(self, rows: np.ndarray) -> np.ndarray:
        held_out: np.ndarray = rows // HELD_OUT_BLOCK % HELD_OUT_OF == HELD_OUT_OF - 1
        return {"all": np.ones_like(held_out), "fit": ~held_out, "held_out": held_out}[self.part]

    def _read_from(self, replay: Replay, starts: np.ndarray) -> dict[str, np.ndarray]:
        drawn = replay.sequences(starts, self.steps + 1)  # (batch, steps + 1)
        continues = self._within(drawn["row"]) & (drawn["is_first"] == 0)
        continues[:, 0] = True
        drawn["valid"] = np.logical_and.accumulate(continues, 1)
        return drawn


@dataclass(frozen=True)
class Recent:
    """The newest `steps` steps in the order in which they were lived, of each session by itself: (1, steps).

    What learns from its own policy's draws alone finds them by `valid`: true where the action was the policy's, and
    drawn in order to explore. The other rows tell what came of these: the reward of row t + 1 is what row t earned,
    unless row t + 1 `is_first`, as it is wherever something else begins.
    """

    steps: int
    versions: int | None = None
    """How many of the newest versions of the policy count as its own draws; None for all."""

    @property
    def fewest(self) -> int:
        """Steps that replay must hold."""
        return self.steps

    @property
    def replayed(self) -> int:
        """Steps that count as replayed each time."""
        return self.steps

    @property
    def relabels(self) -> bool:
        """Goals stay as they were."""
        return False

    def read(self, replay: Replay, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Read the newest steps (1, steps, ...); nothing is drawn.

        Raises:
            ExperienceError: if there are fewer.
        """
        del rng
        if len(replay) < self.steps:
            raise ExperienceError(f"{len(replay)} steps in replay are too few for {self}")
        newest = np.arange(replay.total - self.steps, replay.total)
        order = np.argsort(replay.sessions_of(newest), kind="stable")
        drawn = replay.read(newest[order][None])
        begins = drawn["previous"][:, 1:] != drawn["row"][:, :-1]
        drawn["is_first"][:, 1:][begins] = 1.0
        drawn["prev_action"][:, 1:][begins] = 0.0
        drawn = _with_context(replay, drawn)
        own = (drawn["source"] == Source.POLICY) & (drawn["mode"] == Mode.EXPLORE)
        if self.versions is not None:
            known = np.unique(drawn["policy_version"][own])
            own &= np.isin(drawn["policy_version"], known[-self.versions :])
        return drawn | {"valid": own}


def read_sequences(replay: Replay, starts: np.ndarray, length: int) -> dict[str, np.ndarray]:
    """The sequences that begin at these rows, int64, shape (batch,), as `Sequences` draws them."""
    return _with_context(replay, replay.sequences(starts, length))


def _with_context(replay: Replay, drawn: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    before, known = replay.state_before(drawn["row"][:, 0])
    drawn["is_first"][:, 0] = np.maximum(drawn["is_first"][:, 0], ~known)
    drawn["valid"] = np.ones(drawn["row"].shape, bool)
    return drawn | {f"{BEFORE}{name}": values for name, values in before.items()}
