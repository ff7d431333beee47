"""Nested states survive JSON and safetensors."""

import json

import pytest
import torch
from safetensors.torch import load, save

from robot_mbrl.learning.state_tree import join, split


def test_a_state_comes_back_as_it_was() -> None:
    network = torch.nn.Linear(3, 2)
    adam = torch.optim.Adam(network.parameters())
    network(torch.ones(3)).sum().backward()
    adam.step()
    state = {
        "networks": network.state_dict(),
        "adam": adam.state_dict()["state"],
        "counts": [1, 2.5, None, True, "stage"],
        "generator": torch.Generator().manual_seed(1).get_state(),
        "large": 2**127 + 1,
        "none": {},
    }
    tree, tensors = split(state)
    assert {"networks.weight", "adam.0.exp_avg", "generator"} <= tensors.keys()
    back = join(json.loads(json.dumps(tree)), load(save(tensors)))
    assert back.keys() == state.keys()
    assert list(back["adam"]) == [0, 1]
    assert (back["counts"], back["large"], back["none"]) == (state["counts"], state["large"], {})
    others = split(back)[1]
    assert all(torch.equal(tensor, others[name]) for name, tensor in tensors.items())


def test_what_no_checkpoint_can_hold_is_named_by_its_place() -> None:
    with pytest.raises(TypeError, match=r"agent\.stages\.1: a checkpoint cannot hold set"):
        split({"agent": {"stages": [0, {1, 2}]}})
