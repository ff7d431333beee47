"""The policy that a bundle is, stepped once per observation, its state carried from step to step."""

from collections.abc import Callable
from operator import itemgetter
from typing import Any

import numpy as np

from robot_mbrl.control.bundle_file import Bundle
from robot_mbrl.errors import BundleError, MessageError
from robot_mbrl.specs import Mode, Source
from robot_mbrl.steps import Action, Observation


class NonFiniteActionError(BundleError):
    """A bundle gave an action that is not finite: the guard must hear of it, and nobody may trust the bundle."""

    def __init__(self, name: str, action: Action) -> None:
        """Name the bundle, and keep what it gave."""
        super().__init__(f"{name}: gave {action.values.tolist()}; go back to an older bundle")
        self.action = action


class BundlePolicy:
    """Steps a bundle and exchanges it between two steps.

    Attributes:
        undecided: steps for which a bundle requested no action.
    """

    def __init__(self, bundle: Bundle, seed: int = 0) -> None:
        """Take a bundle to work.

        Args:
            bundle: opened and checked; the policy owns its arrays from now on.
            seed: of the noise it draws for the policy.
        """
        self.undecided = 0
        self._rng = np.random.default_rng(seed)
        self._fresh = True  # Whether the state is that of no step, so that the next one is told it is the first.
        self._noise: list[Callable[[], object]] = []
        self._install(bundle)

    @property
    def bundle(self) -> Bundle:
        """The bundle at work."""
        return self._bundle

    def act(self, observation: Observation, prev_action: np.ndarray | None) -> Action | None:
        """The action that the policy requests for this observation.

        Args:
            observation: with all the values and images that the bundle observes.
            prev_action: what was applied at the previous step, float32, shape (action size,); None where there was no
                previous step or it is not known: the state then starts afresh, as at the first step of an episode.

        Returns:
            The action, within [-1, 1] or a one-hot, under the observation's key; None where the bundle decides on none.

        Raises:
            MessageError: if the observation lacks a value or image, or an image has another shape.
            NonFiniteActionError: if the action is not finite; the state then starts afresh at the next step.
            BundleError: if the bundle cannot be run.
        """
        fresh = self._fresh or observation.is_first or prev_action is None
        self._fresh = True  # Until this step has succeeded.
        self._observe(observation)
        self._fill("is_first", float(fresh))
        self._fill("explore", float(observation.mode is not Mode.EVALUATE))
        self._fill("prev_action", 0.0 if fresh or prev_action is None else prev_action)
        for draw in self._noise:
            draw()
        self._bundle.run()
        action = self._bundle.outputs["action"][0]
        version = self._bundle.metadata.version
        if not np.isfinite(action).all():
            raise NonFiniteActionError(
                self._bundle.name, Action(observation.key, action.copy(), Source.POLICY, version)
            )
        self._bundle.carry_state()
        self._fresh = False
        if not self._bundle.decided:
            self.undecided += 1
            return None
        return Action(observation.key, action.clip(-1.0, 1.0), Source.POLICY, version)

    def swap(self, bundle: Bundle) -> bool:
        """Exchange the bundle; to be called between two steps.

        Args:
            bundle: opened and checked, which has also warmed it up.

        Returns:
            Whether the state was carried over: if it means the same, because run, specifications and state's shapes
            are the same. Otherwise the next step starts afresh.
        """
        old, new = self._bundle.metadata, bundle.metadata
        same = all(
            getattr(old, field) == getattr(new, field)
            for field in ("run_id", "agent", "observation", "action", "goal", "state")
        )
        carried = same and not self._fresh
        if carried:
            for key in bundle.inputs.keys() & self._bundle.inputs.keys():
                if key.startswith("state."):
                    np.copyto(bundle.inputs[key], self._bundle.inputs[key])
        self._install(bundle)
        self._fresh = not carried
        return carried

    def _install(self, bundle: Bundle) -> None:
        self._bundle = bundle
        inputs, observed = bundle.inputs, bundle.metadata.observation
        groups = {f"observation.{name}": vector for name, vector in observed.vectors.items()}
        groups |= {f"goal.{name}": vector for name, vector in bundle.metadata.goal.items()}
        self._vectors = [(inputs[name][0], _getter(vector.names)) for name, vector in groups.items() if name in inputs]
        self._images = [
            (inputs[f"observation.{name}"][0], name) for name in observed.images if f"observation.{name}" in inputs
        ]
        self._noise = [
            _drawer(self._rng, inputs[f"noise.{name}"], noise.distribution)
            for name, noise in bundle.metadata.noise.items()
            if f"noise.{name}" in inputs
        ]

    def _observe(self, observation: Observation) -> None:
        try:
            for array, get in self._vectors:
                array[:] = get(observation.values)
            for array, name in self._images:
                if observation.images[name].shape != array.shape:
                    shape = observation.images[name].shape
                    raise MessageError(f"image {name!r} has shape {shape}, the policy sees {array.shape}")
                array[:] = observation.images[name]
        except KeyError as error:
            raise MessageError(f"observation lacks {error}, which {self._bundle.name} observes") from error

    def _fill(self, key: str, value: float | np.ndarray) -> None:
        if (array := self._bundle.inputs.get(key)) is not None:
            array[:] = value


def _getter(names: tuple[str, ...]) -> Callable[[dict[str, float]], Any]:
    """A function from a dict to its values in this order; a single value broadcasts into an array of one."""
    return itemgetter(*names)


def _drawer(rng: np.random.Generator, array: np.ndarray, distribution: str) -> Callable[[], object]:
    """A function that fills the array with new noise in place."""
    if distribution == "uniform":
        return lambda: rng.random(dtype=np.float32, out=array)
    return lambda: rng.standard_normal(dtype=np.float32, out=array)
