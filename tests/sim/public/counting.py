"""An environment whose every number is known: it counts its steps, and ends where it is told to."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

NAME = "gym:tests/Counting-v0"
LIMIT = 10
"""Control steps after which it is truncated."""


class Counting(gymnasium.Env[dict[str, Any], np.ndarray]):
    """Observes how many steps it has gone, and earns as much at each; terminal at `terminal_at`."""

    def __init__(self, terminal_at: int = 1000, render_mode: str | None = None) -> None:
        self.observation_space = spaces.Dict(
            {
                "steps": spaces.Box(0.0, np.inf, (), np.float64),
                "inner": spaces.Dict({"last action": spaces.Box(-3.0, 5.0, (2,), np.float32)}),
                "eye": spaces.Box(0, 255, (20, 30, 3), np.uint8),
            }
        )
        self.action_space = spaces.Box(np.array([-3.0, 0.0], np.float32), np.array([3.0, 5.0], np.float32))
        self._terminal_at = terminal_at
        self.start = 0.0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        super().reset(seed=seed)
        self._steps = 0
        self.start = float(self.np_random.random())
        return self._observed(np.array([self.start, 0.0])), {}

    def step(self, action: np.ndarray) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        self._steps += 1
        return self._observed(action), float(self._steps), self._steps >= self._terminal_at, False, {}

    def _observed(self, action: np.ndarray) -> dict[str, Any]:
        eye = np.full((20, 30, 3), min(self._steps, 255), np.uint8)
        return {"steps": np.float64(self._steps), "inner": {"last action": action.astype(np.float32)}, "eye": eye}


def register() -> None:
    """Make it known to Gymnasium."""
    if NAME.removeprefix("gym:") not in gymnasium.registry:
        gymnasium.register(NAME.removeprefix("gym:"), entry_point=Counting, max_episode_steps=LIMIT)
