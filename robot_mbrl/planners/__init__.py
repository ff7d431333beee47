"""Planners by name: ways to look for the cheapest plan, all of them part of a policy's graph."""

from robot_mbrl.agent_configs.planning import PlannerName, PlanningSettings
from robot_mbrl.planners.cem import CEM
from robot_mbrl.planners.evolution_strategy import EvolutionStrategy
from robot_mbrl.planners.genetic import GeneticAlgorithm
from robot_mbrl.planners.ilqr import ILQR
from robot_mbrl.planners.mppi import MPPI
from robot_mbrl.planners.planner import Plan, Planner
from robot_mbrl.planners.random_shooting import RandomShooting

PLANNERS: dict[PlannerName, type[Planner]] = {
    "random_shooting": RandomShooting,
    "cem": CEM,
    "mppi": MPPI,
    "ilqr": ILQR,
    "es": EvolutionStrategy,
    "ga": GeneticAlgorithm,
}


def make_planner(settings: PlanningSettings, action_size: int) -> Planner:
    """The planner that the settings name, for actions of so many elements."""
    return PLANNERS[settings.planner](settings, action_size)


__all__ = ["PLANNERS", "Plan", "Planner", "make_planner"]
