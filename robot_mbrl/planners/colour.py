"""Noise whose neighbours in time are alike: plans of it move the robot, where white noise cancels itself out."""

import numpy as np
import torch
from torch import Tensor


def colouring(horizon: int, exponent: float) -> Tensor:
    """A matrix that colours white noise along time: `matrix @ white` has the power spectrum f^-exponent.

    It is the Cholesky factor of the covariance of `horizon` neighbouring steps out of a noise twice as long and
    periodic, normalised to a variance of 1 (the spectrum as in iCEM, Pinneri et al. 2020, section 3.1, whose lowest
    frequency stands for the constant part too).

    Args:
        horizon: steps H.
        exponent: 0 for white noise.

    Returns:
        float32, (H, H), lower triangular.
    """
    frequencies = np.maximum(np.abs(np.fft.fftfreq(2 * horizon)), 1.0 / (2 * horizon))
    power = frequencies**-exponent
    covariance = np.fft.ifft(power).real
    covariance /= covariance[0]
    lags = np.abs(np.subtract.outer(np.arange(horizon), np.arange(horizon)))
    return torch.from_numpy(np.linalg.cholesky(covariance[lags])).float()
