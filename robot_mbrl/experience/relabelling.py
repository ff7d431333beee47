"""Hindsight: goals that were not meant but reached take the place of those that were (Andrychowicz et al. 2017).

What an arm did while it missed its target is what it would do to reach the place where it arrived. Section 3.3 replaces
goals by the state at the end of the episode, section 4.5 compares that with other choices.
"""

from typing import Literal

import numpy as np

from robot_mbrl.errors import ConfigError
from robot_mbrl.experience.replay import Replay

Strategy = Literal["final", "future", "episode"]
"""Which state of a transition's episode gives the new goal: the last, one after the transition's first, or any."""


def relabel(
    replay: Replay, drawn: dict[str, np.ndarray], strategy: Strategy, share: float, rng: np.random.Generator
) -> None:
    """Replace goals and rewards of transitions that were drawn, in place.

    Each transition gets one goal for all its rows, reached in the part of its episode that is in replay without a cut.
    Whether the task ended at a row stays as it was.

    Args:
        replay: what they were drawn from.
        drawn: fields (B, T, ...) of rows.
        strategy: where goals come from.
        share: of transitions that are relabelled, each by chance of its own.
        rng: source of the chance.

    Raises:
        ConfigError: if the task cannot be judged by other goals.
    """
    if replay.goals is None:
        raise ConfigError("goals are to be replaced, and this replay knows no task that judges by others")
    chosen = np.flatnonzero(rng.random(len(drawn["row"])) < share)
    reached = replay.read(reached_rows(replay, drawn["row"][chosen, 0], strategy, rng))
    goals = replay.goals.achieved(reached)
    for name, values in goals.items():
        drawn[name][chosen] = values[:, None]
    judged = {name: values[chosen] for name, values in drawn.items() if name.startswith(("observation.", "goal."))}
    drawn["reward"][chosen] = replay.reward_bound.bounded(replay.goals.rewards(judged))


def reached_rows(replay: Replay, starts: np.ndarray, strategy: Strategy, rng: np.random.Generator) -> np.ndarray:
    """Rows whose states become the goals of transitions that begin at these rows, int64, of the same shape."""
    ends, runs = replay.run_ends(starts), replay.runs_of(starts)
    if strategy == "final":
        return ends
    first = starts + 1 if strategy == "future" else np.maximum(runs, replay.oldest)
    rows, pending = ends.copy(), np.arange(len(starts))
    while len(pending):
        # Between the rows of a run lie those of others that were lived at the same time: these are drawn anew.
        rows[pending] = rng.integers(first[pending], ends[pending] + 1)
        pending = pending[replay.runs_of(rows[pending]) != runs[pending]]
    return rows
