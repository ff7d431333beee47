"""Tasks that are judged by a classifier, which has learned from a person's labels what success is.

As the reward of HIL-SERL (Luo et al. 2024, arXiv:2410.21845), here of the values that a robot measures: 1 where the
classifier sees success, else 0. `robot-mbrl classify` learns one; a robot needs numpy alone to judge by it.
"""

import inspect
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from robot_mbrl.errors import ConfigError
from robot_mbrl.specs import Element, VectorSpec
from robot_mbrl.tasks.task import Judgement

PROBABILITY = "success_probability"
_REMEDY = "robot-mbrl classify RUN writes such a file"


@dataclass(frozen=True)
class SuccessClassifier:
    """A small network on standardised values: layers with tanh between them, and a logistic one at last.

    Attributes:
        names: the values it judges by, in their order.
        mean: of each, float64, (V,).
        deviation: of each, above zero, (V,).
        layers: weights (in, out) and biases (out,); the last has one output.
        threshold: probability from which on a state counts as a success.
    """

    names: tuple[str, ...]
    mean: np.ndarray
    deviation: np.ndarray
    layers: Sequence[tuple[np.ndarray, np.ndarray]]
    threshold: float

    def probability(self, values: Mapping[str, Any]) -> np.ndarray:
        """How probable it is that these are successes, float64.

        Args:
            values: numbers, or arrays (...), by name.
        """
        stacked = np.stack([np.asarray(values[name], np.float64) for name in self.names], -1)
        hidden = (stacked - self.mean) / self.deviation
        for weight, bias in self.layers[:-1]:
            hidden = np.tanh(hidden @ weight + bias)
        weight, bias = self.layers[-1]
        logit = np.clip((hidden @ weight + bias)[..., 0], -50.0, 50.0)
        probability: np.ndarray = 1.0 / (1.0 + np.exp(-logit))
        return probability

    def save(self, path: Path) -> None:
        """Write it."""
        arrays: dict[str, Any] = {"names": np.array(self.names), "mean": self.mean, "deviation": self.deviation}
        arrays["threshold"] = np.float64(self.threshold)
        for number, (weight, bias) in enumerate(self.layers):
            arrays |= {f"w{number}": weight, f"b{number}": bias}
        with path.open("wb") as file:
            np.savez(file, **arrays)

    @classmethod
    def load(cls, path: Path) -> "SuccessClassifier":
        """Read one.

        Raises:
            ConfigError: if the file is not there, or is none.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                layers = [(arrays[f"w{n}"], arrays[f"b{n}"]) for n in range(sum(name[0] == "w" for name in arrays))]
                names, threshold = tuple(map(str, arrays["names"])), float(arrays["threshold"])
                found = cls(names, arrays["mean"], arrays["deviation"], layers, threshold)
        except FileNotFoundError:
            raise ConfigError(f"{path} is not there: {_REMEDY}") from None
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise ConfigError(f"{path} is no success classifier ({error}): {_REMEDY}") from error
        found._check(path)
        return found

    def _check(self, path: Path) -> None:
        """Refuse what could not judge, or would judge by what is not finite.

        Raises:
            ConfigError: saying what is wrong.
        """
        widths = [len(self.names), *(weight.shape[-1] for weight, _ in self.layers)]
        fits = [(weight.shape, bias.shape) for weight, bias in self.layers] == [
            ((before, after), (after,)) for before, after in zip(widths, widths[1:], strict=False)
        ]
        parts = [self.mean, self.deviation, *(part for pair in self.layers for part in pair)]
        if not fits or len(widths) < 2 or widths[-1] != 1 or not all(part.dtype.kind == "f" for part in parts):
            raise ConfigError(f"{path}: its layers do not fit each other: {_REMEDY}")
        if not all(np.isfinite(part).all() for part in parts) or not (self.deviation > 0.0).all():
            raise ConfigError(f"{path}: it holds what is not finite, or a deviation of 0: {_REMEDY}")


class LearnedSuccess:
    """The base of such tasks: a subclass names its `file`, relative to its own module's folder."""

    file: ClassVar[str]
    classifier: ClassVar[SuccessClassifier]
    reads: ClassVar[tuple[str, ...]] = ()
    computes: ClassVar[Mapping[str, VectorSpec]] = {"judged": VectorSpec(elements=(Element(name=PROBABILITY),))}

    def __init_subclass__(cls) -> None:
        """Read the classifier, so that a file that is wrong is told before a robot moves.

        Raises:
            ConfigError: if it is.
        """
        super().__init_subclass__()
        cls.classifier = SuccessClassifier.load(Path(inspect.getfile(cls)).parent / cls.file)
        cls.reads = cls.classifier.names

    def reset(self) -> None:
        """Nothing is remembered between steps."""

    def judge(self, values: Mapping[str, float]) -> Judgement:
        """Pay 1 for a success."""
        probability = float(self.classifier.probability(values))
        success = probability >= self.classifier.threshold
        return Judgement(reward=float(success), success=success, values={PROBABILITY: probability})
