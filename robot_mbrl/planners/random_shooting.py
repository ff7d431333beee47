"""Random shooting: of many plans drawn uniformly, the cheapest (Nagabandi et al. 2017, section IV-C)."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from robot_mbrl.agent_configs.planning import PlanningSettings
from robot_mbrl.bundles import NoiseSpec
from robot_mbrl.planners.planner import Foresight, Plan, Planner, is_usable, usable


class RandomShooting(Planner):
    """The cheapest of `candidates` x `iterations` plans; coloured or not, each action is uniform in [-1, 1]."""

    def __init__(self, settings: PlanningSettings, action_size: int) -> None:
        super().__init__(settings, action_size)
        plans = settings.candidates * settings.iterations
        self.noise = {"plans": NoiseSpec(shape=(plans, settings.horizon, action_size), distribution="normal")}

    def plan(self, world: Foresight, memory: Mapping[str, Tensor], noise: Mapping[str, Tensor]) -> Plan:
        """See `Planner.plan`."""
        # The distribution function of the standard normal makes uniform values of normal ones.
        plans = torch.erf(self.coloured(noise["plans"]) / math.sqrt(2.0))  # (K, H, A)
        if self.memory:
            plans = torch.cat([self.start(memory, plans).unsqueeze(0), plans[1:]])
        cost, best = usable(world.costs(plans)).min(0)
        return self.result(plans.index_select(0, best.unsqueeze(0)).squeeze(0), is_usable(cost))
