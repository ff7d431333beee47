"""The linear-quadratic regulator of a sampled linear system."""

import numpy as np
from scipy.linalg import expm, solve_discrete_are


def sampled_lqr(a: np.ndarray, b: np.ndarray, q: np.ndarray, r: np.ndarray, period_s: float) -> np.ndarray:
    """Gain K of the control u = -K x that is best for inputs held over each period.

    Args:
        a: continuous dynamics x' = A x + B u, shape (n, n).
        b: continuous input matrix, shape (n, m).
        q: cost of states, shape (n, n).
        r: cost of inputs, shape (m, m).
        period_s: how long each input is held.

    Returns:
        The gain, shape (m, n).
    """
    n, m = b.shape
    # The exponential of the block matrix holds the sampled dynamics and input matrix side by side.
    block = expm(np.block([[a, b], [np.zeros((m, n)), np.zeros((m, m))]]) * period_s)
    ad, bd = block[:n, :n], block[:n, n:]
    p = solve_discrete_are(ad, bd, q, r)
    return np.linalg.solve(r + bd.T @ p @ bd, bd.T @ p @ ad)
