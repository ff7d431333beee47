"""What drives the robot before it has a bundle: random exploration, or nothing at all."""

from typing import Protocol

import numpy as np

from robot_mbrl.config import RunConfig
from robot_mbrl.specs import ActionSpec, Source
from robot_mbrl.steps import Action, Observation


class Policy(Protocol):
    """Anything that requests an action at each step."""

    def act(self, observation: Observation, prev_action: np.ndarray | None) -> Action | None:
        """The action requested for this observation, or None for none; see `BundlePolicy.act`."""


class HoldPolicy:
    """Requests nothing, so that the guard keeps the robot in its safe stop, the one stillness every robot has.

    A normalised action cannot mean "stay": for a joint commanded by position, 0 is the middle of its range.
    """

    def act(self, observation: Observation, prev_action: np.ndarray | None) -> None:
        """No action."""


class WithoutBundle:
    """Lets another policy drive only as long as the robot is known to have no bundle.

    A robot that has learned something must not be driven as if it had not, while its bundle is being looked for or
    loaded, or because it could not be. Once there has been one, the other policy never drives again.
    """

    def __init__(self, policy: Policy) -> None:
        """Begin with nothing known, and so with nothing that drives."""
        self._policy = policy
        self.has_bundle: bool | None = None
        """Whether the robot has a bundle; None as long as nobody says."""

    def told(self, has_bundle: bool | None) -> None:
        """Take in whether there is a bundle, or that nobody is there any more who would know (None)."""
        if not self.has_bundle:
            self.has_bundle = has_bundle

    def act(self, observation: Observation, prev_action: np.ndarray | None) -> Action | None:
        """The other policy's action, or none."""
        return self._policy.act(observation, prev_action) if self.has_bundle is False else None


class RandomPolicy:
    """Uniform actions, or random choices, each held for some steps so that they move the robot; then nothing."""

    def __init__(self, spec: ActionSpec, hold_steps: int, limit_steps: int, seed: int = 0) -> None:
        """Prepare to explore.

        Args:
            spec: what is decided at each step.
            hold_steps: how many steps each draw is held.
            limit_steps: after how many steps it ends and requests nothing more. Steps at which something else was
                applied, because the robot was stopped, do not count.
            seed: of its draws.
        """
        self._spec = spec
        self._hold_steps = hold_steps
        self._left_steps = limit_steps
        self._held_steps = 0
        self._rng = np.random.default_rng(seed)
        self._values = spec.null()

    @classmethod
    def for_run(cls, config: RunConfig, limit_steps: int) -> "RandomPolicy":
        """The random policy that the run's robot asks for, seeded by the run."""
        return cls(config.action_spec(), config.robot.random_hold_steps, limit_steps, config.seed)

    def act(self, observation: Observation, prev_action: np.ndarray | None) -> Action | None:
        """A random action; a new one at the start of an episode and whenever the last was held long enough."""
        if prev_action is not None and np.array_equal(prev_action, self._values):
            self._left_steps -= 1
        if self._left_steps <= 0:
            return None
        if observation.is_first or self._held_steps == 0:
            self._held_steps = self._hold_steps
            self._values = self._draw()
        self._held_steps -= 1
        return Action(observation.key, self._values, Source.RANDOM)

    def _draw(self) -> np.ndarray:
        if not self._spec.discrete:
            return self._rng.uniform(-1.0, 1.0, self._spec.size).astype(np.float32)
        values = self._spec.null()
        values[self._rng.integers(self._spec.size)] = 1.0
        return values
