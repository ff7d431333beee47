"""A probe: what an agent made of fixed inputs when it was saved, to be reproduced before it goes on."""

import copy
from collections.abc import Mapping

import torch
from torch import Tensor

from robot_mbrl.agents.agent import Agent
from robot_mbrl.agents.policy_graph import PolicyGraph

TOLERANCE = 1e-3
"""How far another processor's rounding may carry an action, or a value relative to its size."""
_SEED = 20
_INPUT, _OUTPUT = "input.", "output."


def take(agent: Agent) -> dict[str, Tensor]:
    """Inputs of a step, drawn at random, and what the policy and the agent's other networks make of them.

    Returns:
        Tensors on the CPU, named `input.<name of the policy's input>`, `output.action`, and `output.<name>` for what
        `Agent.probe` gives.
    """
    inputs = _inputs(agent.policy, torch.Generator().manual_seed(_SEED))
    return {f"{_INPUT}{name}": value for name, value in inputs.items()} | _outputs(agent, inputs)


def differences(agent: Agent, probe: Mapping[str, Tensor]) -> list[str]:
    """What the agent makes of a probe's inputs otherwise than the agent that was probed, in sentences."""
    inputs = {name: probe[f"{_INPUT}{name}"] for name in agent.policy.input_names}
    found = []
    for name, now in _outputs(agent, inputs).items():
        then = probe[name]
        if not torch.allclose(now, then, rtol=TOLERANCE, atol=TOLERANCE):
            found.append(f"{name.removeprefix(_OUTPUT)} was {then.flatten().tolist()}, now {now.flatten().tolist()}")
    return found


def _inputs(policy: PolicyGraph, generator: torch.Generator) -> dict[str, Tensor]:
    def draw(*shape: int) -> Tensor:
        return torch.rand(1, *shape, generator=generator)

    inputs = {
        f"observation.{name}": (2.0 * draw(vector.size) - 1.0) * torch.from_numpy(vector.scales)
        for name, vector in policy.observation.vectors.items()
    }
    for name, image in policy.observation.images.items():
        # As 16 bit integers that have a sign, which every version of the file format knows.
        kind = torch.uint8 if image.encoding == "rgb8" else torch.int16
        inputs[f"observation.{name}"] = (255.0 * draw(*image.shape)).to(kind)
    inputs["prev_action"] = 2.0 * draw(policy.action.size) - 1.0
    inputs |= {"is_first": torch.zeros(1), "explore": torch.zeros(1)}
    for name, goal in policy.goal.items():
        inputs[f"goal.{name}"] = (2.0 * draw(goal.size) - 1.0) * torch.from_numpy(goal.scales)
    inputs |= {f"noise.{name}": draw(*noise.shape) for name, noise in policy.noise.items()}
    for name, tensor in policy.state.items():
        inputs[f"state.{name}"] = torch.zeros(1, *tensor.shape, dtype=getattr(torch, tensor.dtype))
    return inputs


def _outputs(agent: Agent, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """On the CPU: a GPU rounds so coarsely that another latent may be the likeliest."""
    policy = copy.deepcopy(agent.policy).cpu()
    with torch.no_grad():
        results = policy(*(_as_seen(inputs[name]) for name in policy.input_names))
    outputs = dict(zip(policy.output_names, results, strict=True))
    others = agent.probe({name: outputs[f"next_state.{name}"] for name in policy.state})
    named = {"action": outputs["action"], **others}
    return {f"{_OUTPUT}{name}": tensor.contiguous() for name, tensor in named.items()}


def _as_seen(value: Tensor) -> Tensor:
    return value.view(torch.uint16) if value.dtype == torch.int16 else value
