"""Checkpoints of Dreamer from before it shared its RSSM, its heads and its optimisers with the others."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

_RSSM, _NOW = "world_model.rssm.", "model.rssm."
_RENAMED = {
    f"{_RSSM}stoch_input.": f"{_NOW}core.of_latent.",
    f"{_RSSM}action_input.": f"{_NOW}core.of_action.",
    f"{_RSSM}input_norm.": f"{_NOW}core.after.",
    f"{_RSSM}gru.": f"{_NOW}core.gru.",
    f"{_RSSM}prior_hidden.": f"{_NOW}prior_network.0.",
    f"{_RSSM}prior_logits.": f"{_NOW}prior_network.1.",
    f"{_RSSM}posterior_deter.": f"{_NOW}posterior.of_deter.",
    f"{_RSSM}posterior_embedding.": f"{_NOW}posterior.of_embedding.",
    f"{_RSSM}posterior_norm.": f"{_NOW}posterior.rest.0.",
    f"{_RSSM}posterior_logits.": f"{_NOW}posterior.rest.1.",
    "world_model.reward.": "model.reward.network.",
    "world_model.continues.": "model.continues.network.",
    "world_model.": "model.",
    "critic.": "critic.network.",
    "slow_critic.": "slow_critic.network.",
    "return_range": "returns.limits",
}
"""How names of tensors began, and how they begin now; the first that fits counts."""


def as_saved_today(state: Mapping[str, Any], networks: nn.Module) -> Mapping[str, Any]:
    """An agent's state as `ImaginingAgent` takes it, whichever version saved it.

    Args:
        state: as it was saved. Before, one Adam had the moments of all networks, numbered through.
        networks: that it is to be loaded into.
    """
    if "moments" not in state:
        return state
    renamed = {_renamed(name): tensor for name, tensor in state["networks"].items()}
    optimizers, first = {}, 0
    for part in ("model", "actor", "critic"):
        parameters = list(networks.get_submodule(part).parameters())
        optimizers[part] = {"moments": _of_part(state["moments"], parameters, first)}
        first += len(parameters)
    return {**state, "networks": renamed | {"updates": torch.tensor(state["updates"])}, "optimizers": optimizers}


def _renamed(name: str) -> str:
    for before, now in _RENAMED.items():
        if name.startswith(before):
            return now + name.removeprefix(before)
    return name


def _of_part(moments: Mapping[int, Any], parameters: Sequence[Tensor], first: int) -> dict[int, Any]:
    """The moments of a network's parameters, in the order of `ClippedAdam`: kernels, then all others."""
    order = sorted(range(len(parameters)), key=lambda index: parameters[index].ndim <= 1)
    return {place: moments[first + index] for place, index in enumerate(order) if first + index in moments}
