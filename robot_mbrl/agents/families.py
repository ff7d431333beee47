"""Every family of agents by its name: the one place, beside `agent_configs`, where a new one is entered."""

from collections.abc import Callable
from typing import Any

import torch

from robot_mbrl.agent_configs import AgentSettings
from robot_mbrl.agents.agent import Agent
from robot_mbrl.agents.daydreamer import DayDreamer
from robot_mbrl.agents.dreamer import Dreamer
from robot_mbrl.agents.dreamer_v1 import DreamerV1
from robot_mbrl.agents.dreamer_v3 import DreamerV3
from robot_mbrl.agents.imagining_agent import ImaginingAgent, Networks
from robot_mbrl.agents.mpc import MPC
from robot_mbrl.agents.planet import PlaNet
from robot_mbrl.agents.purpose import Purpose
from robot_mbrl.specs import ActionSpec, ObservationSpec

Factory = Callable[[ObservationSpec, ActionSpec, Any, torch.device, int, Purpose | None], Agent]
"""Makes an agent of (observation, action, settings of its family, device, seed, purpose)."""


def _imagining(networks: Callable[[ObservationSpec, ActionSpec, Any], Networks]) -> Factory:
    """What makes agents of one of the Dreamers."""

    def make(
        observation: ObservationSpec,
        action: ActionSpec,
        config: Any,
        device: torch.device,
        seed: int,
        _: Purpose | None,
    ) -> ImaginingAgent:
        made = networks(observation, action, config).to(device)
        return ImaginingAgent(made, observation, action, config, device, seed)

    return make


FAMILIES: dict[str, Factory] = {
    "dreamer": _imagining(Dreamer),
    "dreamer-v1": _imagining(DreamerV1),
    "daydreamer": _imagining(DayDreamer),
    "dreamerv3": _imagining(DreamerV3),
    "mpc": MPC,
    "planet": PlaNet,
}


def make_agent(
    observation: ObservationSpec,
    action: ActionSpec,
    settings: AgentSettings,
    device: torch.device,
    seed: int,
    purpose: Purpose | None = None,
) -> Agent:
    """A new agent: its seed alone decides its first weights, whatever else this process drew before.

    Args:
        observation: what it observes.
        action: what it decides.
        settings: of its family.
        device: where it learns; on "meta" it has shapes, but no numbers.
        seed: of its weights and of all that it draws.
        purpose: what it is to bring about; None if nobody asks for its policy.
    """
    with torch.random.fork_rng(devices=[]), torch.device(device if device.type == "meta" else "cpu"):
        torch.manual_seed(seed)
        return FAMILIES[settings.family](observation, action, settings, device, seed, purpose)


def count_parameters(observation: ObservationSpec, action: ActionSpec, settings: AgentSettings) -> int:
    """Numbers that an agent learns, without making any of them."""
    return make_agent(observation, action, settings, torch.device("meta"), seed=0).size
