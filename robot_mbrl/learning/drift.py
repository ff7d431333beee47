"""How far a world model drifts from what came, the longer it sees nothing: its open-loop error by horizon.

Beside the error lies the spread of the futures that the agent holds to be possible: those of an ensemble's members, or
of the latents that a model draws. A model that knows what it does not know has a spread of about its error.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from robot_mbrl.agents.agent import Foresees, ForeseesApart
from robot_mbrl.errors import ExperienceError
from robot_mbrl.experience.draws import read_sequences
from robot_mbrl.learning.learner import Learner
from robot_mbrl.nets.images import normalise_pixels
from robot_mbrl.world_models.batch import Batch

CONTEXT = 5
"""Observations that are seen before."""
SEQUENCES = 128
"""Sequences that are looked at; fewer where a run has no more."""
DRAWS = 5
"""Futures that are drawn of a model without members."""
STILL = 1e-9
"""Variance below which a value never changed, and is left out."""
SIZE_INCHES, DOTS_PER_INCH = (7.0, 4.0), 120
ERROR, SPREAD = "#c8501e", "#7a8fa6"


@dataclass(frozen=True)
class Drift:
    """Errors and spreads of H steps ahead, in deviations of what was observed.

    An error of 1 is that of always expecting the mean.
    """

    error: np.ndarray
    """(H,), root mean square over sequences and values, of the mean of the futures."""
    spread: np.ndarray
    """(H,), root mean square deviation of the futures from their mean."""
    by_name: dict[str, np.ndarray]
    """The error of each value, or camera, (H,)."""
    sequences: int
    step_s: float

    def as_json(self) -> dict[str, object]:
        """What is printed for programs."""
        return {
            "horizon": len(self.error),
            "context": CONTEXT,
            "sequences": self.sequences,
            "step_s": self.step_s,
            "error": self.error.tolist(),
            "spread": self.spread.tolist(),
            "values": {name: error.tolist() for name, error in self.by_name.items()},
        }


def drift(learner: Learner, horizon: int, seed: int = 0) -> Drift:
    """Let the model foresee what the robot lived through, from many places.

    Args:
        learner: whose model and replay; nothing of it changes.
        horizon: steps ahead.
        seed: of the sequences, and of what is drawn.

    Raises:
        ExperienceError: if the agent has no such model, no episode in the replay is long enough, or nothing in those
            that are ever changed.
    """
    agent, length = learner.agent, CONTEXT + horizon
    if not isinstance(agent, Foresees):
        raise ExperienceError(f"an agent of the family {learner.config.agent.family!r} foresees no observations")
    starts = learner.replay.unbroken(length) if len(learner.replay) >= length else np.zeros(0, np.int64)
    if not starts.size:
        raise ExperienceError(
            f"a horizon of {horizon} needs an episode of {length} steps, and none is there yet: let the robot go on, "
            f"or ask for a shorter one"
        )
    chosen = np.random.default_rng(seed).choice(starts, min(SEQUENCES, starts.size), replace=False)
    batch = Batch.of(read_sequences(learner.replay, chosen, length), learner.device)
    futures = _futures(agent, batch, seed)
    spec = learner.config.observation_spec()
    squares, spreads = {}, {}
    for name, observed in batch.observation.items():
        truth, guesses = _ahead(observed), torch.stack([_ahead(future[name]) for future in futures])  # (M, B, H, n)
        picture = name in spec.images
        names = (name,) if picture else spec.vectors[name].names
        for each, square, spread in zip(names, *_shares(truth, guesses, pooled=picture), strict=True):
            if square is not None and spread is not None:
                squares[each], spreads[each] = square, spread
    if not squares:
        raise ExperienceError("nothing that was observed in these sequences ever changed: no error means anything")
    return Drift(
        error=np.sqrt(np.mean(list(squares.values()), 0)),
        spread=np.sqrt(np.mean(list(spreads.values()), 0)),
        by_name={name: np.sqrt(square) for name, square in squares.items()},
        sequences=len(chosen),
        step_s=learner.config.step_s,
    )


def save_plot(found: Drift, path: Path, title: str) -> None:
    """Draw error and spread over the horizon into a PNG file."""
    # Not at the top: drawing takes a second to load.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE_INCHES, dpi=DOTS_PER_INCH, layout="constrained")
    axes = figure.add_subplot()
    seconds = np.arange(1, len(found.error) + 1) * found.step_s
    for error in found.by_name.values():
        axes.plot(seconds, error, color=ERROR, alpha=0.25, linewidth=0.8)
    axes.plot(seconds, found.error, color=ERROR, label="error; thin: of each value")
    axes.plot(seconds, found.spread, color=SPREAD, linestyle="--", label="spread of the futures it holds possible")
    axes.axhline(1.0, color="black", linewidth=0.8, linestyle=":", label="always expecting the mean")
    axes.set(xlabel="seconds ahead", ylabel="deviations of what was observed", title=title, ylim=(0.0, None))
    axes.legend(fontsize=8)
    FigureCanvasAgg(figure).print_png(path)  # type: ignore[no-untyped-call]


def _futures(agent: Foresees, batch: Batch, seed: int) -> Sequence[Mapping[str, torch.Tensor]]:
    """What the agent holds possible: each by name, (B, T, ...)."""
    if isinstance(agent, ForeseesApart):
        return agent.foresee_apart(batch, CONTEXT)
    return [agent.foresee(batch, CONTEXT, seed + index) for index in range(DRAWS)]


def _ahead(values: torch.Tensor) -> torch.Tensor:
    """The steps after the context, (B, H, n), in double precision: squares of small differences are summed."""
    seen = normalise_pixels(values) if values.dtype in (torch.uint8, torch.uint16) else values
    return seen[:, CONTEXT:].flatten(2).double().cpu()


def _shares(
    truth: torch.Tensor, guesses: torch.Tensor, *, pooled: bool
) -> tuple[list[np.ndarray | None], list[np.ndarray | None]]:
    """Squared errors and spreads as shares of the variance, by value, (H,) each; None of those that never changed.

    Args:
        truth: (B, H, n).
        guesses: (M, B, H, n).
        pooled: whether all n are pixels of one picture, of which most hardly change.
    """
    mean = guesses.mean(0)
    variance = truth.flatten(0, 1).var(0, correction=0)  # (n,)
    error, spread = (mean - truth).square().mean(0), guesses.var(0, correction=0).mean(0)  # (H, n)
    if pooled:
        variance, error, spread = (x.mean(-1, keepdim=True) for x in (variance, error, spread))

    def by_value(squares: torch.Tensor) -> list[np.ndarray | None]:
        return [
            (squares[:, index] / variance[index]).numpy() if variance[index] > STILL else None
            for index in range(len(variance))
        ]

    return by_value(error), by_value(spread)
