"""Evolution strategy: mean and deviation follow the natural gradient of ranks (Schaul et al. 2011, separable NES)."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from robot_mbrl.agent_configs.planning import PlanningSettings
from robot_mbrl.bundles import NoiseSpec
from robot_mbrl.planners.planner import Foresight, Plan, Planner, is_usable, usable
from robot_mbrl.planners.scanning import Step, Tensors, scan


class EvolutionStrategy(Planner):
    """The mean after the last generation; half of each generation is the other half mirrored."""

    utilities: Tensor

    def __init__(self, settings: PlanningSettings, action_size: int) -> None:
        super().__init__(settings, action_size)
        half = settings.candidates // 2
        shape = (settings.iterations, half, settings.horizon, action_size)
        self.noise = {"plans": NoiseSpec(shape=shape, distribution="normal")}
        number, dimensions = 2 * half, settings.horizon * action_size
        ranks = torch.arange(1, number + 1, dtype=torch.float32)
        raw = (math.log(number / 2 + 1) - ranks.log()).clamp(min=0.0)
        self.register_buffer("utilities", (raw / raw.sum() - 1.0 / number).view(-1, 1, 1), persistent=False)
        self._deviation_rate = (3 + math.log(dimensions)) / (5 * math.sqrt(dimensions))

    def plan(self, world: Foresight, memory: Mapping[str, Tensor], noise: Mapping[str, Tensor]) -> Plan:
        """See `Planner.plan`."""

        def improve(carry: Tensors, inputs: Tensors) -> Step:
            mean, log_deviation, found = carry  # (H, A), (H, A), ()
            draws = torch.cat([inputs[0], -inputs[0]])  # (K, H, A)
            deviation = log_deviation.exp()
            costs = usable(world.costs((mean + deviation * draws).clamp(-1.0, 1.0)))
            ordered, order = costs.topk(costs.shape[0], largest=False)
            draws = draws.index_select(0, order)
            better = mean + deviation * (self.utilities * draws).sum(0)
            growth = 0.5 * self._deviation_rate * (self.utilities * (draws.square() - 1.0)).sum(0)
            any_usable = is_usable(ordered[0])
            mean = torch.where(any_usable, better.clamp(-1.0, 1.0), mean)
            log_deviation = torch.where(any_usable, log_deviation + growth, log_deviation)
            return (mean, log_deviation, torch.maximum(found, any_usable.to(found))), (ordered[0],)

        noises = self.coloured(noise["plans"])
        mean = self.start(memory, noises)
        carry = (mean, torch.full_like(mean, math.log(self.settings.deviation)), mean.new_zeros(()))
        (mean, _, found), _ = scan(improve, carry, (noises,))
        return self.result(mean, found > 0.0)
