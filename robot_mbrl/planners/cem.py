"""Cross-entropy method: draw plans, fit the next draws' mean and deviation to the cheapest (Chua et al. 2018, PETS)."""

from collections.abc import Mapping

import torch
from torch import Tensor

from robot_mbrl.agent_configs.planning import PlanningSettings
from robot_mbrl.bundles import NoiseSpec
from robot_mbrl.planners.planner import Foresight, Plan, Planner, is_usable, usable
from robot_mbrl.planners.scanning import Step, Tensors, scan


class CEM(Planner):
    """The mean of the last iteration's elites."""

    def __init__(self, settings: PlanningSettings, action_size: int) -> None:
        super().__init__(settings, action_size)
        shape = (settings.iterations, settings.candidates, settings.horizon, action_size)
        self.noise = {"plans": NoiseSpec(shape=shape, distribution="normal")}

    def plan(self, world: Foresight, memory: Mapping[str, Tensor], noise: Mapping[str, Tensor]) -> Plan:
        """See `Planner.plan`."""
        settings = self.settings

        def improve(carry: Tensors, inputs: Tensors) -> Step:
            mean, deviation, found = carry  # (H, A), (H, A), ()
            plans = (mean + deviation * inputs[0]).clamp(-1.0, 1.0)  # (K, H, A)
            costs, chosen = usable(world.costs(plans)).topk(settings.elites, largest=False)
            elites = plans.index_select(0, chosen)
            counts = is_usable(costs).to(plans).view(-1, 1, 1)
            number = counts.sum().clamp(min=1.0)
            elite_mean = (counts * elites).sum(0) / number
            spread = ((counts * (elites - elite_mean).square()).sum(0) / number).sqrt()
            any_usable = is_usable(costs[0])
            mean = torch.where(any_usable, torch.lerp(elite_mean, mean, settings.smoothing), mean)
            spread = torch.lerp(spread, deviation, settings.smoothing).clamp(min=settings.least_deviation)
            deviation = torch.where(any_usable, spread, deviation)
            return (mean, deviation, torch.maximum(found, any_usable.to(found))), (costs[0],)

        noises = self.coloured(noise["plans"])
        mean = self.start(memory, noises)
        carry = (mean, torch.full_like(mean, settings.deviation), mean.new_zeros(()))
        (mean, _, found), _ = scan(improve, carry, (noises,))
        return self.result(mean, found > 0.0)
