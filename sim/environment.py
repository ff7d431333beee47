"""Simulated tasks as Gymnasium environments: the steps of `InProcessRobot` behind the usual interface."""

from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces

from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.specs import ActionSpec, ObservationSpec
from robot_mbrl.steps import Action, Observation
from sim.in_process import InProcessRobot

LARGEST_SEED = 2**31


class RobotEnvironment(gymnasium.Env[dict[str, np.ndarray], Any]):
    """A simulated robot with its task, through the same guard as on the robot.

    Observations are the vectors (float32, physical units) and pictures (uint8) that the task's agent sees, by name.
    Actions are in [-1, 1], or the number of a choice. Episodes end by truncation after the task's length. `info` holds
    `success`, and `source`: who chose the applied action (an action may be replaced by a stop of the guard's).
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 20}

    def __init__(self, task: str | RunConfig, render_mode: str | None = None) -> None:
        """Build the world.

        Args:
            task: name of a packaged task, path of a task's YAML, or a resolved run.
            render_mode: `rgb_array`, or None for no pictures.

        Raises:
            ConfigError: if the task is not valid.
            WorldError: if it cannot be simulated.
        """
        config = task if isinstance(task, RunConfig) else load_run(task)
        self.render_mode = render_mode
        self.metadata = {**self.metadata, "render_fps": round(1.0 / config.step_s)}
        self._spec = config.observation_spec()
        self._actions = config.action_spec()
        self.observation_space: spaces.Space[Any] = observation_space(self._spec)
        self.action_space = action_space(self._actions)
        self._robot = InProcessRobot(config)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Begin an episode at a new start; the same seed gives the same start."""
        super().reset(seed=seed)
        self._robot.restart(int(self.np_random.integers(LARGEST_SEED)))
        observation = self._robot.observe()
        return self._observed(observation), {"success": observation.success}

    def step(self, action: Any) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        """Live through one step.

        Raises:
            ValueError: if the action is of another shape than the action space's, or no choice there is.
        """
        applied = self._robot.apply(Action(self._robot.observe().key, self._vector(action)))
        arrived = self._robot.observe()
        info = {"success": arrived.success, "source": applied.source.name.lower()}
        truncated = arrived.is_last and not arrived.is_terminal
        return self._observed(arrived), arrived.reward, arrived.is_terminal, truncated, info

    def render(self) -> np.ndarray | None:
        """A picture of the world, uint8, shape (height, width, 3)."""
        return self._robot.world.photograph() if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        """Close the world."""
        self._robot.close()

    def _observed(self, observation: Observation) -> dict[str, np.ndarray]:
        vectors = {
            name: np.array([observation.values[element] for element in vector.names], np.float32)
            for name, vector in self._spec.vectors.items()
        }
        return {**vectors, **{name: observation.images[name] for name in self._spec.images}}

    def _vector(self, action: Any) -> np.ndarray:
        values = np.asarray(action)
        expected = () if self._actions.discrete else (self._actions.size,)
        if values.shape != expected:
            raise ValueError(f"action of shape {values.shape}; the action space is {self.action_space}")
        if not self._actions.discrete:
            return values.astype(np.float32)
        if values not in range(self._actions.size):
            raise ValueError(f"there is no choice {action}; the action space is {self.action_space}")
        return np.eye(self._actions.size, dtype=np.float32)[int(values)]


def observation_space(spec: ObservationSpec) -> spaces.Dict:
    """The space of what an agent sees."""
    vectors = {name: spaces.Box(-np.inf, np.inf, (v.size,), np.float32) for name, v in spec.vectors.items()}
    images = {
        name: spaces.Box(0, 255 if image.encoding == "rgb8" else 65535, image.shape, image.dtype)
        for name, image in spec.images.items()
    }
    return spaces.Dict({**vectors, **images})


def action_space(spec: ActionSpec) -> spaces.Space[Any]:
    """The space of what an agent decides."""
    if spec.discrete:
        return spaces.Discrete(spec.size)
    return spaces.Box(-1.0, 1.0, (spec.size,), np.float32)
