"""Genetic algorithm: plans are crossed in time and mutated, and the cheapest survive."""

from collections.abc import Mapping

import torch
from torch import Tensor

from robot_mbrl.agent_configs.planning import PlanningSettings
from robot_mbrl.bundles import NoiseSpec
from robot_mbrl.planners.planner import UNUSABLE, Foresight, Plan, Planner, is_usable, usable
from robot_mbrl.planners.scanning import Step, Tensors, scan


class GeneticAlgorithm(Planner):
    """The cheapest plan of all generations.

    A child does what one parent does up to a random step, and from there on what another does; parents are drawn from
    the elites, which live on themselves.
    """

    def __init__(self, settings: PlanningSettings, action_size: int) -> None:
        super().__init__(settings, action_size)
        number, horizon = settings.candidates, settings.horizon
        shape = (settings.iterations, number, horizon, action_size)
        self.noise = {
            "plans": NoiseSpec(shape=shape, distribution="normal"),
            "mutations": NoiseSpec(shape=shape, distribution="uniform"),
            "crossings": NoiseSpec(shape=(settings.iterations, number, 3), distribution="uniform"),
        }

    def plan(self, world: Foresight, memory: Mapping[str, Tensor], noise: Mapping[str, Tensor]) -> Plan:
        """See `Planner.plan`."""
        settings, horizon = self.settings, self.settings.horizon
        noises = self.coloured(noise["plans"])
        start = self.start(memory, noises)
        time = torch.arange(horizon, device=start.device).to(start).view(1, -1, 1)

        def breed(elites: Tensor, normal: Tensor, uniform: Tensor, crossing: Tensor) -> Tensor:
            """The next generation (K, H, A) of the elites (E, H, A)."""
            first, second = ((crossing[:, i] * settings.elites).long().clamp(max=settings.elites - 1) for i in (0, 1))
            cut = (crossing[:, 2] * horizon).view(-1, 1, 1)
            children = torch.where(time < cut, elites.index_select(0, first), elites.index_select(0, second))
            children = torch.where(uniform < settings.mutation, children + settings.deviation * normal, children)
            return torch.cat([elites, children[settings.elites :].clamp(-1.0, 1.0)])

        def live(carry: Tensors, inputs: Tensors) -> Step:
            generation, best, least = carry  # (K, H, A), (H, A), ()
            costs, chosen = usable(world.costs(generation)).topk(settings.elites, largest=False)
            elites = generation.index_select(0, chosen)
            best = torch.where(costs[0] < least, elites[0], best)
            return (breed(elites, *inputs), best, torch.minimum(least, costs[0])), (costs[0],)

        # The last generation has no children, so its noise is free for the first.
        first = torch.cat([start.unsqueeze(0), start + settings.deviation * noises[-1, 1:]]).clamp(-1.0, 1.0)
        carry = (first, start, torch.full_like(start[0, 0], UNUSABLE))
        inputs = (noises, noise["mutations"], noise["crossings"])
        (_, best, least), _ = scan(live, carry, inputs)
        return self.result(best, is_usable(least))
