"""Tasks of the DeepMind Control Suite as Gymnasium environments, under the names that Shimmy gives them.

Our own few lines, since Shimmy loads the whole suite whenever Gymnasium is imported, by whatever command.
"""

import os
import re
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

NAMESPACE = "dm_control"
_NAME = re.compile(rf"{NAMESPACE}/(?P<domain>[^-/]+)-(?P<task>[^-/]+)-v0")
_PICTURE_PIXELS = 240
"""Side of the pictures that are rendered."""
_RENDERER = "MUJOCO_GL"
"""The variable by which a renderer is chosen."""


def suite_names() -> list[str]:
    """The names of all tasks of the suite.

    Raises:
        ModuleNotFoundError: if it is not installed.
    """
    suite = _load_suite()
    return [f"{NAMESPACE}/{domain}-{task}-v0" for domain, task in suite.ALL_TASKS]


class SuiteEnvironment(gymnasium.Env[dict[str, np.ndarray], np.ndarray]):
    """One task of the suite.

    An episode that reaches the suite's time limit is truncated; one is terminated only where the task says that nothing
    of value comes after (a discount of 0).
    """

    def __init__(self, name: str, render_mode: str | None = None) -> None:
        """Load the task.

        Args:
            name: such as `dm_control/cartpole-swingup-v0`.
            render_mode: `rgb_array`, or None for no pictures.

        Raises:
            ModuleNotFoundError: if the suite is not installed.
            KeyError: if it has no such task.
        """
        suite = _load_suite()
        named = _NAME.fullmatch(name)
        if named is None or (named["domain"], named["task"]) not in suite.ALL_TASKS:
            raise KeyError(name)
        # The suite draws from a generator of the old kind, given once; each reset seeds it anew.
        self._random = np.random.RandomState(0)
        self._environment = suite.load(named["domain"], named["task"], task_kwargs={"random": self._random})
        rate_hz = 1.0 / self._environment.control_timestep()
        self.render_mode = render_mode
        self.metadata = {"render_modes": ["rgb_array"], "render_fps": rate_hz}
        action = self._environment.action_spec()
        self.action_space = spaces.Box(action.minimum.astype(np.float32), action.maximum.astype(np.float32))
        observed = self._environment.observation_spec()
        self.observation_space: spaces.Space[Any] = spaces.Dict(
            {key: spaces.Box(-np.inf, np.inf, value.shape, np.float32) for key, value in observed.items()}
        )

    @property
    def step_limit(self) -> int:
        """Control steps of a whole episode."""
        # Which the suite keeps to itself, and gives as a float.
        return round(self._environment._step_limit)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Begin an episode; the same seed gives the same one."""
        super().reset(seed=seed)
        if seed is not None:
            self._random.seed(seed)
        return self._observed(self._environment.reset()), {}

    def step(self, action: np.ndarray) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        """Live through one control step."""
        arrived = self._environment.step(action)
        terminated = bool(arrived.last() and arrived.discount == 0.0)
        return self._observed(arrived), float(arrived.reward), terminated, bool(arrived.last() and not terminated), {}

    def render(self) -> np.ndarray:
        """A picture of the first camera, uint8, shape (height, width, 3).

        Raises:
            RuntimeError: if there is no OpenGL here to render with.
        """
        import mujoco

        try:
            picture: np.ndarray = self._environment.physics.render(_PICTURE_PIXELS, _PICTURE_PIXELS, camera_id=0)
        except mujoco.FatalError as error:
            raise RuntimeError(str(error)) from error
        return picture

    def close(self) -> None:
        """Give the physics back."""
        self._environment.close()

    def _observed(self, time_step: Any) -> dict[str, np.ndarray]:
        return {key: np.asarray(value, np.float32) for key, value in time_step.observation.items()}


def _load_suite() -> Any:
    """The suite, with a renderer that works: left to itself, it takes one that needs a display."""
    if "DISPLAY" not in os.environ and _RENDERER not in os.environ:
        for renderer in ("egl", "osmesa", "off"):
            os.environ[_RENDERER] = renderer
            try:
                from dm_control import suite
            except ModuleNotFoundError:
                del os.environ[_RENDERER]
                raise
            except (ImportError, AttributeError):
                # What OpenGL's layers raise where a library is missing; the last renders nothing, and needs none.
                continue
            return suite
    from dm_control import suite

    return suite
