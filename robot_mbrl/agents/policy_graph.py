"""A policy as one pure function, the shape in which it leaves the learner as ONNX."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from robot_mbrl.bundles import DECIDED, NoiseSpec
from robot_mbrl.specs import ActionSpec, ObservationSpec, TensorSpec, VectorSpec


class PolicyGraph(nn.Module, ABC):
    """One control step: (observation, prev_action, is_first, explore, noise, state) to (action, state).

    An agent derives its own from it, with the modules that it needs as attributes, and writes `step`.
    """

    threads = 1
    """CPU threads that robots give to a step; more than one is worth it for planners."""
    abstains = False
    """Whether there may be steps at which it requests no action; its graph then has the output `decided`."""

    def __init__(
        self,
        observation: ObservationSpec,
        action: ActionSpec,
        state: Mapping[str, TensorSpec],
        noise: Mapping[str, NoiseSpec],
        goal: Mapping[str, VectorSpec] | None = None,
    ) -> None:
        """Say what goes in and out.

        Args:
            observation: what is observed.
            action: what is decided.
            state: what is carried from one step to the next, zeros before the first.
            goal: what it is told to bring about, in physical units; none if it takes no goal.
            noise: random numbers that the robot draws anew for each step; random choices must come from nothing else.
        """
        super().__init__()
        self.observation, self.action = observation, action
        self.state, self.noise, self.goal = dict(state), dict(noise), dict(goal or {})

    @property
    def input_names(self) -> list[str]:
        """Names of the arguments of `forward`, in order, as the bundle's contract has them."""
        return [
            *(f"observation.{name}" for name in (*self.observation.vectors, *self.observation.images)),
            "prev_action",
            "is_first",
            "explore",
            *(f"goal.{name}" for name in self.goal),
            *(f"noise.{name}" for name in self.noise),
            *(f"state.{name}" for name in self.state),
        ]

    @property
    def output_names(self) -> list[str]:
        """Names of the results of `forward`, in order."""
        return ["action", *(f"next_state.{name}" for name in self.state), *([DECIDED] if self.abstains else [])]

    @abstractmethod
    def step(self, inputs: Mapping[str, Tensor]) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Decide.

        Args:
            inputs: by `input_names`, each with a batch dimension of 1 (see `bundles`).

        Returns:
            The action (1, A), within [-1, 1] or one-hot, and the next state by the names of `state`, (1, ...). Of a
            policy that abstains the action is NaN where it requests none; the state is finite all the same.
        """

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """`step`, with inputs and outputs in the order of `input_names` and `output_names`."""
        action, state = self.step(dict(zip(self.input_names, inputs, strict=True)))
        following = [state[name] for name in self.state]
        if not self.abstains:
            return action, *following
        decided = torch.isfinite(action).all(-1)  # (1,)
        return torch.where(decided.unsqueeze(-1), action, 0.0), *following, decided.to(action)
