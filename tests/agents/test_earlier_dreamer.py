"""Checkpoints from before Dreamer shared its parts with the others go on as if nothing had been renamed."""

import copy
from typing import Any

import torch

from robot_mbrl.agents.families import make_agent
from robot_mbrl.agents.imagining_agent import ImaginingAgent
from robot_mbrl.learning.state_tree import split
from tests.agents.imagining import imagining_agent, remembered_batch
from tests.agents.settings import CONFIG, CONTINUOUS, OBSERVATION

BEFORE = {
    "model.rssm.core.of_latent": "world_model.rssm.stoch_input",
    "model.rssm.core.of_action": "world_model.rssm.action_input",
    "model.rssm.core.after.norm": "world_model.rssm.input_norm.norm",
    "model.rssm.core.gru": "world_model.rssm.gru",
    "model.rssm.prior_network.0": "world_model.rssm.prior_hidden",
    "model.rssm.prior_network.1": "world_model.rssm.prior_logits",
    "model.rssm.posterior.of_deter": "world_model.rssm.posterior_deter",
    "model.rssm.posterior.of_embedding": "world_model.rssm.posterior_embedding",
    "model.rssm.posterior.rest.0": "world_model.rssm.posterior_norm",
    "model.rssm.posterior.rest.1": "world_model.rssm.posterior_logits",
    "model.encoder": "world_model.encoder",
    "model.decoder": "world_model.decoder",
    "model.reward.network": "world_model.reward",
    "model.continues.network": "world_model.continues",
    "critic.network": "critic",
    "slow_critic.network": "slow_critic",
    "returns.limits": "return_range",
    "actor": "actor",
}
"""Names of parts now and then."""


def _as_saved_before(agent: ImaginingAgent) -> dict[str, Any]:
    """The agent's state in the form of that time: one Adam, whose moments are numbered through three groups."""
    state = copy.deepcopy(agent.state_dict())
    named = {
        next(name.replace(now, then, 1) for now, then in BEFORE.items() if name.startswith(now)): tensor
        for name, tensor in state["networks"].items()
        if name != "updates"
    }
    moments, first = {}, 0
    for part in ("model", "actor", "critic"):
        parameters = list(agent.networks.get_submodule(part).parameters())
        kernels = [index for index, p in enumerate(parameters) if p.ndim > 1]
        others = [index for index, p in enumerate(parameters) if p.ndim <= 1]
        of_part = state["optimizers"][part]["moments"]
        moments |= {
            first + index: of_part[place] for place, index in enumerate([*kernels, *others]) if place in of_part
        }
        first += len(parameters)
    return {"networks": named, "moments": moments, "updates": state["updates"], "random": state["random"]}


def test_it_goes_on_from_one_bit_for_bit() -> None:
    config = CONFIG.model_copy(update={"warmup_updates": 5})
    agent, batch = imagining_agent(config), remembered_batch()
    for _ in range(3):
        agent.update({"sequences": batch})
    other = make_agent(OBSERVATION, CONTINUOUS, config, torch.device("cpu"), seed=9)
    other.load_state_dict(_as_saved_before(agent))
    for _ in range(3):
        for each in (agent, other):
            each.update({"sequences": batch})
    (_, tensors), (_, others) = split(agent.state_dict()), split(other.state_dict())
    assert tensors.keys() == others.keys()
    assert all(torch.equal(tensor, others[name]) for name, tensor in tensors.items())


def test_one_from_before_the_first_update_has_no_moments_yet() -> None:
    agent = imagining_agent(CONFIG)
    other = make_agent(OBSERVATION, CONTINUOUS, CONFIG, torch.device("cpu"), seed=9)
    other.load_state_dict(_as_saved_before(agent) | {"moments": {}})
    for each in (agent, other):
        each.update({"sequences": remembered_batch()})
    assert all(torch.equal(p, q) for p, q in zip(agent.networks.parameters(), other.networks.parameters(), strict=True))
