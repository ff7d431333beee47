"""A public task's environment as a robot that waits: what learning in one process lives with, without ROS or guard."""

from typing import Any

import gymnasium
import numpy as np

from robot_mbrl.config import RunConfig
from robot_mbrl.control.episodes import new_session
from robot_mbrl.messages import NANOSECONDS
from robot_mbrl.specs import Mode, Source
from robot_mbrl.steps import Action, Observation, StepKey
from sim.errors import WorldError
from sim.public.description import is_rendered
from sim.public.making import make_environment
from sim.public.spaces import Actions, parts_of, seen, values_of
from sim.starts import start_rng

LARGEST_SEED = 2**31


class PublicRobot:
    """A robot that waits for its policy; see `sim.in_process.InProcessRobot` for the order of calls.

    Rewards are summed over the action repeat. An episode ends where the environment terminates it (`is_terminal`), and
    where the environment or the task's `episode_steps` truncates it.

    Attributes:
        config: the run that it is the robot of.
        control_steps: of the environment, in this life.
    """

    def __init__(self, config: RunConfig, *, seed: int = 0, evaluate: bool = False) -> None:
        """Make the environment; nothing is lived yet.

        Args:
            config: a run of `load_public_run`.
            seed: of the starts.
            evaluate: whether every episode is lived in evaluate mode, instead of every few as the task says.

        Raises:
            WorldError: if it cannot be made here.
        """
        self.config = config
        self._evaluate = evaluate
        self._rendered = is_rendered(config)
        self._environment = make_environment(str(config.task.world), rendered=self._rendered)
        parts = (
            {part.name: part for part in parts_of(self._environment.observation_space)} if not self._rendered else {}
        )
        self._vectors = {name: parts[name] for name in config.robot.vectors}
        self._pictures = {name: parts[name] for name in config.observation_spec().images if not self._rendered}
        self._sides = {name: image.height for name, image in config.observation_spec().images.items()}
        self._actions = Actions(self._environment.action_space)
        self._null = config.action_spec().null()
        self.restart(seed)

    def restart(self, seed: int, session: str | None = None) -> None:
        """Begin a new life, as if built anew.

        Args:
            seed: of the starts.
            session: id of the session; None for a new one.
        """
        self._seed, self._episodes = seed, 0
        self._session = session or new_session()
        self._stamp_ns = 0
        self._observation: Observation | None = None
        self._steps = 0
        self._mode = Mode.EXPLORE
        self.control_steps = 0

    def observe(self) -> Observation:
        """The present observation; the same until `apply` is called."""
        if self._observation is None:
            self._observation = self._begin()
        return self._observation

    def apply(self, action: Action | None) -> Action:
        """Live through the step that begins at the present observation.

        Args:
            action: what the policy requests; None after the last observation of an episode, where nothing is done, or
                if there is no policy: the middle of every action's range, or the first choice, is taken then.

        Returns:
            What was applied.
        """
        observation = self.observe()
        if observation.is_last:
            self._observation = None
            return Action(observation.key, self._null.copy())
        if action is None:
            action = Action(observation.key, self._nothing(), Source.LATE)
        self._observation = self._live(self._actions.of(action.values))
        return action

    @property
    def latched(self) -> str:
        """Nothing: there is no guard."""
        return ""

    def pose(self) -> dict[str, float]:
        """Nothing: an environment's joints are its own business."""
        return {}

    def poses(self) -> dict[str, Any]:
        """None that anybody knows of."""
        return {}

    def photograph(self) -> np.ndarray:
        """A picture of the environment, uint8, shape (height, width, 3).

        Raises:
            WorldError: if it cannot be rendered on this machine.
        """
        try:
            picture = self._environment.render()
        except (RuntimeError, gymnasium.error.Error) as error:
            raise WorldError(
                f"{self.config.task.world} cannot be rendered here ({error}): install what is missing; MuJoCo needs "
                f"EGL or OSMesa where there is no display"
            ) from error
        return np.asarray(picture)

    def close(self) -> None:
        """Close the environment."""
        self._environment.close()

    def _nothing(self) -> np.ndarray:
        values = self._null.copy()
        if self._actions.discrete:
            values[0] = 1.0
        return values

    def _begin(self) -> Observation:
        self._episodes += 1
        self._steps = 0
        every = self.config.task.evaluate_every
        due = every > 0 and self._episodes % every == 0
        self._mode = Mode.EVALUATE if self._evaluate or due else Mode.EXPLORE
        seed = int(start_rng(self._seed, self._episodes - 1).integers(LARGEST_SEED))
        observed, _ = self._environment.reset(seed=seed)
        return self._observed(observed, 0.0, is_first=True)

    def _live(self, action: Any) -> Observation:
        reward, terminated, truncated = 0.0, False, False
        for _ in range(self.config.task.action_repeat):
            observed, earned, terminated, truncated, _ = self._environment.step(action)
            self.control_steps += 1
            reward += float(earned)
            if terminated or truncated:
                break
        self._steps += 1
        truncated |= self._steps >= self.config.task.episode_steps
        return self._observed(observed, reward, is_last=terminated or truncated, is_terminal=terminated)

    def _observed(self, observed: Any, reward: float, **flags: bool) -> Observation:
        self._stamp_ns += round(self.config.step_s * NANOSECONDS)
        images = {name: seen(part.read(observed), self._sides[name]) for name, part in self._pictures.items()}
        if self._rendered:
            images = {name: seen(self.photograph(), side) for name, side in self._sides.items()}
        return Observation(
            key=StepKey(self._session, self._stamp_ns),
            values=values_of(self._vectors, observed),
            images=images,
            reward=reward,
            mode=self._mode,
            **flags,
        )
