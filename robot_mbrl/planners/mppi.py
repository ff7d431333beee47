"""Path-integral control: the mean of many plans, weighted by how cheap they are (Williams et al. 2017, MPPI)."""

from collections.abc import Mapping

import torch
from torch import Tensor

from robot_mbrl.agent_configs.planning import PlanningSettings
from robot_mbrl.bundles import NoiseSpec
from robot_mbrl.planners.planner import Foresight, Plan, Planner, is_usable, usable
from robot_mbrl.planners.scanning import Step, Tensors, scan


class MPPI(Planner):
    """The weighted mean of the last iteration, whose plans were drawn around that of the iteration before."""

    def __init__(self, settings: PlanningSettings, action_size: int) -> None:
        super().__init__(settings, action_size)
        shape = (settings.iterations, settings.candidates, settings.horizon, action_size)
        self.noise = {"plans": NoiseSpec(shape=shape, distribution="normal")}

    def plan(self, world: Foresight, memory: Mapping[str, Tensor], noise: Mapping[str, Tensor]) -> Plan:
        """See `Planner.plan`."""
        settings = self.settings

        def improve(carry: Tensors, inputs: Tensors) -> Step:
            mean, found = carry  # (H, A), ()
            plans = (mean + settings.deviation * inputs[0]).clamp(-1.0, 1.0)  # (K, H, A)
            costs = usable(world.costs(plans))
            least = costs.min()
            weights = torch.softmax((least - costs) / settings.temperature, 0)  # (K,), 0 for the unusable
            weighted = (weights.view(-1, 1, 1) * plans).sum(0)
            mean = torch.where(is_usable(least), weighted, mean)
            return (mean, torch.maximum(found, is_usable(least).to(found))), (least,)

        noises = self.coloured(noise["plans"])
        mean = self.start(memory, noises)
        (mean, found), _ = scan(improve, (mean, mean.new_zeros(())), (noises,))
        return self.result(mean, found > 0.0)
