"""What a planner is: it looks for the cheapest plan from where the robot is, at every step anew.

All planners are parts of a policy's graph: fixed shapes, loops that `scanning` keeps, and noise only as it is given.

Shapes: K plans, H steps of each (the horizon), A action, S state.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from robot_mbrl.agent_configs.planning import PlanningSettings
from robot_mbrl.bundles import NoiseSpec
from robot_mbrl.planners.colour import colouring
from robot_mbrl.specs import TensorSpec

UNUSABLE = 1e30
"""Stands for a cost that is not finite: dearer than any, and yet a number that can be sorted and subtracted."""


class Foresight(Protocol):
    """What planners know of the world: what plans cost from where the robot is."""

    def costs(self, plans: Tensor) -> Tensor:
        """What these plans cost, (K,), of plans (K, H, A) within [-1, 1]; anything may be not finite."""
        ...


class Plan(NamedTuple):
    """What came of planning a step."""

    actions: Tensor
    """(H, A), within [-1, 1], finite."""
    found: Tensor
    """bool, (): whether any plan was found whose cost is finite; otherwise `actions` mean nothing."""
    memory: dict[str, Tensor]
    """What the next step begins with, by the names of `Planner.memory`."""


class Planner(nn.Module, ABC):
    """Finds plans. Derived classes have what they need at random in `noise`, by name."""

    colour: Tensor

    def __init__(self, settings: PlanningSettings, action_size: int) -> None:
        """Prepare.

        Args:
            settings: what to look for, and how.
            action_size: elements of an action, each within [-1, 1].
        """
        super().__init__()
        self.settings, self.action_size = settings, action_size
        self.noise: dict[str, NoiseSpec] = {}
        plan = (settings.horizon, action_size)
        self.memory: dict[str, TensorSpec] = {"plan": TensorSpec(shape=plan)} if settings.warm_start else {}
        self.register_buffer("colour", colouring(settings.horizon, settings.noise_colour), persistent=False)

    @abstractmethod
    def plan(self, world: Foresight, memory: Mapping[str, Tensor], noise: Mapping[str, Tensor]) -> Plan:
        """Look for a cheap plan.

        Args:
            world: what plans cost.
            memory: what the step before has left, by the names of `memory`; zeros at the start of an episode.
            noise: by the names of `noise`, drawn anew.
        """

    def coloured(self, white: Tensor) -> Tensor:
        """Noise (..., H, A), standard normal, coloured along time."""
        return self.colour @ white if self.settings.noise_colour else white

    def start(self, memory: Mapping[str, Tensor], like: Tensor) -> Tensor:
        """The plan to begin with, (H, A): what is left of the last one, or zeros.

        Args:
            memory: as `plan` takes it.
            like: a tensor on the device.
        """
        return memory["plan"] if self.memory else like.new_zeros(self.settings.horizon, self.action_size)

    def result(self, actions: Tensor, found: Tensor) -> Plan:
        """What is returned for a plan (H, A): it is also what the next step begins with, one step on."""
        moved = torch.cat([actions[1:], torch.zeros_like(actions[:1])])
        return Plan(actions, found, {"plan": moved} if self.memory else {})


def usable(costs: Tensor) -> Tensor:
    """Costs with `UNUSABLE` in place of those that are not finite, or beyond it."""
    return torch.where(torch.isfinite(costs), costs, UNUSABLE).clamp(max=UNUSABLE)


def is_usable(costs: Tensor) -> Tensor:
    """Which of such costs are those of plans, bool."""
    return costs < UNUSABLE / 2
