"""A Butterworth low-pass filter for requested commands, exact for whatever times they are asked for at.

S. Butterworth: On the Theory of Filter Amplifiers, 1930: the analogue filter of order n whose poles lie evenly on the
left half of a circle of radius 2 pi f. Its input is constant between two commands, so each of its modes approaches that
input exponentially (partial fractions of the transfer function, zero-order hold): the same filter at any rate of
commands, in lockstep and where a command is late.
"""

import cmath
import functools
import math

from robot_mbrl.command_config import FilterConfig


@functools.cache
def _modes(order: int) -> tuple[tuple[complex, complex], ...]:
    """Poles of the filter with a cut-off of 1 rad/s, and each one's share of the output.

    Shares are those of the partial fractions of 1 / prod(1 - s / p), times the residue's gain at rest, so that they sum
    to 1. Of a pair that is conjugate there is the one above the real axis, with twice its share.
    """
    poles = [cmath.exp(1j * math.pi * (2 * k + order - 1) / (2 * order)) for k in range(1, order + 1)]
    modes = []
    for index, pole in enumerate(poles[: (order + 1) // 2]):
        others = (other for place, other in enumerate(poles) if place != index)
        share = 1.0 / math.prod((1.0 - pole / other for other in others), start=1.0 + 0.0j)
        is_real = 2 * index + 1 == order
        modes.append((complex(pole.real, 0.0) if is_real else pole, share if is_real else 2.0 * share))
    return tuple(modes)


class LowPass:
    """The filter of one joint's requests.

    Attributes:
        value: its output.
    """

    def __init__(self, config: FilterConfig, value: float) -> None:
        """Begin at rest at a value."""
        self._modes = [(math.tau * config.cutoff_hz * pole, share) for pole, share in _modes(config.order)]
        self.reset(value)

    def reset(self, value: float) -> None:
        """Rest at a value, as if it had been requested for ever."""
        self.value = value
        self._states = [complex(value, 0.0)] * len(self._modes)

    def advance(self, requested: float, dt_s: float) -> float:
        """The output after a value was requested for a while."""
        away = 0.0
        for index, (pole, share) in enumerate(self._modes):
            rest = (self._states[index] - requested) * cmath.exp(pole * dt_s)
            self._states[index] = requested + rest
            away += (share * rest).real
        self.value = requested + away
        return self.value
