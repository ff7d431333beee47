"""A small PlaNet for tests, whose weights are all in use."""

import torch

from robot_mbrl.agent_configs import PlaNetConfig
from robot_mbrl.agents.families import make_agent
from robot_mbrl.agents.planet import PlaNet
from robot_mbrl.agents.purpose import Purpose
from robot_mbrl.specs import ObservationSpec
from tests.agents.planning import GOAL, BeThere
from tests.agents.settings import BATCH, CONTINUOUS, OBSERVATION, TIME

CONFIG = PlaNetConfig(
    deter=16, hidden=12, stoch=4, units=12, cnn_depth=2, vector_layers=2, reward_layers=2, horizon=5, candidates=24,
    iterations=3, elites=6, batch_size=BATCH, batch_length=TIME, prefill_steps=20, pretrain_updates=0,
)  # fmt: skip


def planet_agent(observation: ObservationSpec = OBSERVATION, seed: int = 0, **changes: object) -> PlaNet:
    """An agent whose biases, too, are not zero."""
    settings = PlaNetConfig.model_validate(CONFIG.model_dump() | changes)
    agent = make_agent(observation, CONTINUOUS, settings, torch.device("cpu"), seed, Purpose(BeThere(), GOAL))
    assert isinstance(agent, PlaNet)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in agent.model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return agent
