"""Which execution provider computes a bundle on this machine, and whether that is fast enough for the control rate.

Only the CPU's provider has been exercised so far; the others are held to the same checks before they may drive.
"""

import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np

from robot_mbrl.config import RobotConfig, RunConfig
from robot_mbrl.control.bundle_file import Bundle, check_behaviour, check_fit
from robot_mbrl.control.onnx_session import ProviderError, ProviderName, offered, open_session
from robot_mbrl.errors import BundleError, ConfigError
from robot_mbrl.specs import Provider

TIMED_STEPS = 15
"""Steps whose median duration counts: a machine that is busy for a moment refuses no bundle."""
MEASURED_STEPS, MEASURED_S = 200, 2.0
"""Steps that are timed where nobody waits for it, and seconds after which no further one is."""
_PROBE = bytes.fromhex(
    "080912003a370a100a017812017922084964656e746974791201675a0f0a0178120a0a08080112040a020801620f0a0179120a0a080801"
    "12040a02080142040a001012"
)
"""An ONNX file of one Identity node."""


@dataclass(frozen=True)
class Chosen:
    """A bundle that may drive."""

    bundle: Bundle
    step_ms: float
    """Median duration of a step, measured while it was loaded."""
    warnings: tuple[str, ...] = ()
    """What was wrong with the provider that was asked for, or with one that failed this bundle."""


def parse_provider(name: str) -> Provider:
    """The provider of that name.

    Raises:
        ConfigError: if there is none.
    """
    known: Provider
    for known in get_args(Provider):
        if name == known:
            return known
    raise ConfigError(f"parameter provider: {name!r} is none of {', '.join(get_args(Provider))}")


class BundleOpener:
    """Opens bundles for control with the provider that was asked for, or the CPU's where that cannot be used.

    Attributes:
        unusable: what is wrong with providers that were to be tried, a sentence each.
    """

    def __init__(self, config: RunConfig, provider: Provider = "cpu") -> None:
        """See which providers can be used: loading their libraries takes too long for a time when the robot moves.

        Args:
            config: the run that bundles must fit.
            provider: what is to compute them; `auto` measures all that there are and keeps the fastest.
        """
        self._config = config
        self._is_asked_for = provider not in ("auto", "cpu")
        self._others: list[ProviderName] = []
        # Of a run whose bundles were measured, what computes them: an engine may take a minute to build.
        self._kept: tuple[str, ProviderName] | None = None
        unusable = []
        for other in _others(provider):
            try:
                open_session(_PROBE, "the probe", other, threads=1)
            except ProviderError as error:
                unusable.append(f"{error}; the CPU computes the policy instead")
            else:
                self._others.append(other)
        self.unusable = tuple(unusable)

    def open(self, path: Path) -> Chosen:
        """Open a bundle file that fits, behaves, and meets the run's control rate on this machine.

        Raises:
            BundleError: naming the file, what is wrong and the remedy.
        """
        try:
            data = path.read_bytes()
        except OSError as error:
            raise BundleError(f"{path}: cannot be read ({error.strerror}); give the path of a bundle") from error
        # On the CPU first: a bundle that does not fit or misbehaves even there is refused whatever else there is.
        best = self._measured(data, path, "cpu")
        warnings = list(self.unusable) if self._is_asked_for else []
        run_id = best.bundle.metadata.run_id
        for other in self._candidates(run_id):
            try:
                opened = self._measured(data, path, other)
            except BundleError as error:
                warnings.append(f"provider {other} fails, the CPU computes the policy instead: {error}")
                continue
            if self._is_asked_for or opened.step_ms < best.step_ms:
                best = opened
        _check_rate(best, self._config)
        self._kept = (run_id, best.bundle.provider)
        return Chosen(best.bundle, best.step_ms, tuple(warnings))

    def _candidates(self, run_id: str) -> list[ProviderName]:
        if self._is_asked_for or self._kept is None or self._kept[0] != run_id:
            return self._others
        return [other for other in self._others if other == self._kept[1]]

    def _measured(self, data: bytes, path: Path, provider: ProviderName) -> Chosen:
        bundle = Bundle(data, str(path), provider)
        check_fit(bundle, self._config)
        check_behaviour(bundle)
        return Chosen(bundle, step_ms(bundle))


@dataclass(frozen=True)
class Timing:
    """How long the steps of a bundle take, milliseconds."""

    p50_ms: float
    p99_ms: float


def step_ms(bundle: Bundle) -> float:
    """Median duration of a step of a bundle, milliseconds; its inputs stay as they are."""
    return statistics.median(_durations_s(bundle, TIMED_STEPS)) * 1e3


def measure(bundle: Bundle) -> Timing:
    """Time many steps of a bundle, for seconds at most; its inputs stay as they are."""
    _durations_s(bundle, 1)  # The first one allocates.
    p50_s, p99_s = np.percentile(_durations_s(bundle, MEASURED_STEPS), (50, 99))
    return Timing(float(p50_s) * 1e3, float(p99_s) * 1e3)


def budget_ms(robot: RobotConfig) -> float:
    """What a step may take on a robot, milliseconds: an action that comes later than this is late at every step."""
    return min(robot.period_s, robot.guard.action_deadline_s) * 1e3


def _durations_s(bundle: Bundle, most: int) -> list[float]:
    durations_s: list[float] = []
    while len(durations_s) < most and (sum(durations_s) < MEASURED_S or not durations_s):
        start_s = time.perf_counter()
        bundle.run()
        durations_s.append(time.perf_counter() - start_s)
    return durations_s


def _others(provider: Provider) -> tuple[ProviderName, ...]:
    if provider == "auto":
        return tuple(name for name in offered() if name != "cpu")
    return () if provider == "cpu" else (provider,)


def _check_rate(chosen: Chosen, config: RunConfig) -> None:
    bundle, limit_ms = chosen.bundle, budget_ms(config.robot)
    if chosen.step_ms <= limit_ms:
        return
    budget, robot = bundle.metadata.budget, config.robot
    by_deadline = robot.guard.action_deadline_s < robot.period_s
    limit = (
        f"guard.action_deadline_s at {robot.control_rate_hz:g} Hz"
        if by_deadline
        else (f"the control rate of {robot.control_rate_hz:g} Hz")
    )
    raise BundleError(
        f"{bundle.name}: a step takes {chosen.step_ms:.3g} ms here with provider {bundle.provider} and budget.threads "
        f"{budget.threads} ({budget.step_ms:.3g} ms where it was exported), and {limit} leaves {limit_ms:.3g} ms: "
        f"learn a smaller agent, or one that plans less, or compute it on a faster machine or provider"
    )
