"""Learning what success is from labelled steps: the data, the fit, and how good it is on episodes it has not seen."""

import bisect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from robot_mbrl.labels import LateLabels
from robot_mbrl.steps import Step
from robot_mbrl.tasks.learned_success import SuccessClassifier

HIDDEN = (32, 32)
UPDATES, RATE, DECAY = 600, 1e-2, 1e-3
"""Of Adam on all rows at once, and its decoupled decay, which keeps what few labels say smooth."""
FOLDS = 5


@dataclass(frozen=True)
class LabelledSteps:
    """Steps of which it is known whether they are successes.

    Attributes:
        names: of the values.
        values: float64, (N, V).
        success: bool, (N,).
        episodes: the number of each one's episode, int64, (N,).
    """

    names: tuple[str, ...]
    values: np.ndarray
    success: np.ndarray
    episodes: np.ndarray

    def of(self, rows: np.ndarray) -> "LabelledSteps":
        """Some of them, by a mask (N,)."""
        return LabelledSteps(self.names, self.values[rows], self.success[rows], self.episodes[rows])

    def columns(self) -> dict[str, np.ndarray]:
        """The values by name, (N,)."""
        return dict(zip(self.names, self.values.T, strict=True))


@dataclass(frozen=True)
class Scores:
    """How a classifier does on steps that it has not learned from."""

    found: int
    """Successes that it took for such."""
    missed: int
    mistaken: int
    """Others that it took for successes."""

    @property
    def precision(self) -> float | None:
        """Share of what it takes for successes that is; None if it takes nothing for one."""
        return self.found / (self.found + self.mistaken) if self.found + self.mistaken else None

    @property
    def recall(self) -> float | None:
        """Share of the successes that it finds; None if there are none."""
        return self.found / (self.found + self.missed) if self.found + self.missed else None

    def __add__(self, other: "Scores") -> "Scores":
        """Both together."""
        return Scores(self.found + other.found, self.missed + other.missed, self.mistaken + other.mistaken)


def labelled_steps(
    steps: Iterable[Step], late: Sequence[LateLabels], names: Sequence[str], clear_ns: int
) -> LabelledSteps:
    """What people, or a task, have said of steps.

    Of an episode of which nothing was said nothing is known. In the others, a step without a label is no success if it
    is far enough from those that are: a person names a success now and then while it lasts, and not at every step.

    Args:
        steps: in the order they were lived.
        late: labels that came afterwards; of each, the newest step of its session at or before its stamp is meant.
        names: the values to judge by.
        clear_ns: how far from a success of its episode a step must be, nanoseconds.
    """
    episodes = _episodes(steps)
    successes, failures = _said_later(episodes, late)
    rows: list[tuple[list[float], bool, int]] = []
    for number, episode in enumerate(episodes):
        good = {n for n, step in enumerate(episode) if step.observation.success} | successes.get(number, set())
        bad = {n for n, step in enumerate(episode) if step.observation.is_terminal} | failures.get(number, set())
        if not good and not bad:
            continue
        stamps = np.array([step.observation.key.stamp_ns for step in episode])
        for n, step in enumerate(episode):
            near = good and min(abs(int(stamps[n]) - int(stamps[other])) for other in good) < clear_ns
            if n in good or n in bad or not near:
                rows.append(([step.observation.values[name] for name in names], n in good, number))
    values, success, numbers = zip(*rows, strict=True) if rows else ((), (), ())
    return LabelledSteps(
        tuple(names),
        np.array(values, np.float64).reshape(len(rows), len(names)),
        np.array(success, bool),
        np.array(numbers, np.int64),
    )


def _episodes(steps: Iterable[Step]) -> list[list[Step]]:
    """Steps by episode, of robots that may live at the same time."""
    found: list[list[Step]] = []
    under_way: dict[str, list[Step]] = {}
    for step in steps:
        session = step.observation.key.session
        if step.observation.is_first or session not in under_way:
            under_way[session] = []
            found.append(under_way[session])
        under_way[session].append(step)
    return found


def _said_later(
    episodes: Sequence[Sequence[Step]], late: Sequence[LateLabels]
) -> tuple[Mapping[int, set[int]], Mapping[int, set[int]]]:
    """Places of successes and of failures by episode."""
    # By session, and by "" for all of them, which is what labels mean that name none: stamp, episode, place.
    there: dict[str, list[tuple[int, int, int]]] = {"": []}
    for number, episode in enumerate(episodes):
        for place, step in enumerate(episode):
            key = step.observation.key
            for session in ("", key.session):
                there.setdefault(session, []).append((key.stamp_ns, number, place))
    for places in there.values():
        places.sort()
    successes: dict[int, set[int]] = {}
    failures: dict[int, set[int]] = {}
    for labels in late:
        places = there.get(labels.key.session, [])
        index = bisect.bisect_right(places, labels.key.stamp_ns, key=lambda place: place[0])
        if index == 0:
            continue
        _, number, place = places[index - 1]
        if labels.labels.success:
            successes.setdefault(number, set()).add(place)
        if labels.labels.failure:
            failures.setdefault(number, set()).add(place)
    return successes, failures


def fit(data: LabelledSteps, *, threshold: float, seed: int = 0) -> SuccessClassifier:
    """Learn to tell successes from others.

    Args:
        data: both kinds.
        threshold: probability from which on a state counts as a success.
        seed: of the first weights.
    """
    mean, deviation = data.values.mean(0), data.values.std(0)
    deviation = np.where(deviation > 1e-9, deviation, 1.0)
    inputs = torch.as_tensor((data.values - mean) / deviation)
    wanted = torch.as_tensor(data.success, dtype=torch.float64)
    network = _network(len(data.names), seed)
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    for _ in range(UPDATES):
        loss = nn.functional.binary_cross_entropy_with_logits(network(inputs).squeeze(-1), wanted)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    layers = [layer for layer in network if isinstance(layer, nn.Linear)]
    parts = [(_array(layer.weight.mT), _array(layer.bias)) for layer in layers]
    return SuccessClassifier(data.names, mean, deviation, parts, threshold)


def cross_validate(data: LabelledSteps, *, threshold: float, seed: int = 0) -> Scores:
    """Scores on episodes that were left out, each once: steps of one are too alike to be both learned and judged by."""
    numbers = np.random.default_rng(seed).permutation(np.unique(data.episodes))
    total = Scores(0, 0, 0)
    for left_out in np.array_split(numbers, min(FOLDS, len(numbers))):
        judged = np.isin(data.episodes, left_out)
        if len(set(data.success[~judged])) == 2:
            total += score(fit(data.of(~judged), threshold=threshold, seed=seed), data.of(judged))
    return total


def score(classifier: SuccessClassifier, data: LabelledSteps) -> Scores:
    """How it does on these."""
    taken = classifier.probability(data.columns()) >= classifier.threshold
    return Scores(
        found=int((taken & data.success).sum()),
        missed=int((~taken & data.success).sum()),
        mistaken=int((taken & ~data.success).sum()),
    )


def _network(inputs: int, seed: int) -> nn.Sequential:
    widths = (inputs, *HIDDEN)
    # A generator of its own: whoever learns beside it draws what it would have drawn.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        hidden = [nn.Linear(before, after) for before, after in zip(widths, widths[1:], strict=False)]
        layers = [part for layer in hidden for part in (layer, nn.Tanh())]
        return nn.Sequential(*layers, nn.Linear(widths[-1], 1)).double()


def _array(tensor: Tensor) -> np.ndarray:
    array: np.ndarray = tensor.detach().numpy().copy()
    return array
