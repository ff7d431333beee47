"""What a run's metrics add up to: the figures its display shows and its summary keeps."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

LAST_EPISODES = 5
"""Episodes that `mean_return_last5` is taken over."""


@dataclass
class RunRecord:
    """Digests the lines of a metrics file in order."""

    episodes: list[dict[str, Any]] = field(default_factory=list)
    """Lines of finished episodes, those left out that began while the robot was stopped."""
    learner: dict[str, Any] = field(default_factory=dict)
    """The learner's newest values, of those that are known."""
    guard: dict[str, Any] = field(default_factory=dict)
    """The guard's newest report."""
    policy_version: int = 0
    """Version of the bundle on the robot."""
    verdicts: list[dict[str, Any]] = field(default_factory=list)
    """What frozen policies were found to be worth on the way."""
    robot_steps: int = 0
    """Steps lived in this run."""
    environment_steps: int = 0
    """Control steps acted in, before any action repeat; 0 where nobody counts them."""
    missed_steps: int = 0
    """Steps whose action came too late, so that the one before was held."""
    stopped_steps: int = 0
    """Steps that the robot spent in a safe stop."""

    def take(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Digest further lines."""
        for line in lines:
            self.robot_steps = max(self.robot_steps, int(line.get("robot_steps") or 0))
            self.environment_steps = max(self.environment_steps, int(line.get("environment_steps") or 0))
            self.missed_steps = max(self.missed_steps, int(line.get("missed_steps") or 0))
            self.stopped_steps = max(self.stopped_steps, int(line.get("stopped_steps") or 0))
            match line["kind"]:
                case "episode" if not line.get("began_stopped"):
                    self.episodes.append(dict(line))
                case "verdict":
                    self.verdicts.append({k: v for k, v in line.items() if k not in ("kind", "time")})
                case "learner":
                    self.learner.update({name: value for name, value in line.items() if value is not None})
                case "bundle":
                    self.policy_version = int(line.get("version") or 0)
                case "guard":
                    self.guard = dict(line)

    @property
    def latency_ms(self) -> dict[str, float | None]:
        """Observation stamp to published command, as the newest guard measured it."""
        return {name: self.guard.get(f"latency_{name}_ms") for name in ("p50", "p99", "max")}

    @property
    def interventions(self) -> dict[str, int]:
        """How often the guard had to act, by reason."""
        prefix = "intervention."
        return {
            name.removeprefix(prefix): int(value)
            for name, value in self.guard.items()
            if name.startswith(prefix) and value
        }

    @property
    def train_ratio(self) -> float | None:
        """Replayed steps per lived step, as the learner achieves it."""
        return self.learner.get("train_ratio")

    @property
    def not_finite(self) -> dict[str, int]:
        """Steps that were not learned from, by the field of them that was not finite."""
        prefix = "not_finite."
        return {name.removeprefix(prefix): int(v) for name, v in self.learner.items() if name.startswith(prefix)}

    def returns(self) -> list[float]:
        """Return of every episode."""
        return [float(episode["return"]) for episode in self.episodes]

    def summary(self) -> dict[str, Any]:
        """The figures of `summary.json` that the metrics hold."""
        return {
            "robot_steps": self.robot_steps,
            "environment_steps": self.environment_steps,
            "updates": int(self.learner.get("updates") or 0),
            "episodes": len(self.episodes),
            "mean_return_last5": mean(self.returns()[-LAST_EPISODES:]),
            "latency_ms": self.latency_ms,
            "missed_steps": self.missed_steps,
            "stopped_steps": self.stopped_steps,
            "returns": [[int(e.get("environment_steps") or e["robot_steps"]), e["return"]] for e in self.episodes],
            "verdicts": self.verdicts,
        }


def evaluation(episodes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Verdict on a number of evaluate episodes."""
    return {
        "episodes": len(episodes),
        "solved": sum(bool(episode["solved"]) for episode in episodes),
        "mean_return": mean([float(episode["return"]) for episode in episodes]),
    }


def mean(values: Sequence[float]) -> float | None:
    """Arithmetic mean; None of nothing, which JSON can say and NaN cannot."""
    return sum(values) / len(values) if values else None
