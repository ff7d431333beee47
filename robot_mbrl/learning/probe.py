"""A probe: what a learner's networks made of fixed inputs when they were saved, to be reproduced before they go on."""

import copy

import torch
from torch import Tensor

from robot_mbrl.agents.dreamer import Dreamer
from robot_mbrl.agents.policy_graph import PolicyGraph
from robot_mbrl.specs import ActionSpec, ObservationSpec

TOLERANCE = 1e-3
"""How far another processor's rounding may carry an action, or a value relative to its size."""
_SEED = 20
_INPUT, _OUTPUT = "input.", "output."


def take(agent: Dreamer, observation: ObservationSpec, action: ActionSpec) -> dict[str, Tensor]:
    """Inputs of a step, drawn at random, and what the policy, the critic and the reward head make of them.

    Returns:
        Tensors on the CPU, named `input.<name of the policy's input>` and `output.action`, `.value`, `.reward`.
    """
    policy = PolicyGraph(agent, observation, action)
    inputs = _inputs(policy, torch.Generator().manual_seed(_SEED))
    return {f"{_INPUT}{name}": value for name, value in inputs.items()} | _outputs(agent, policy, inputs)


def differences(
    agent: Dreamer, observation: ObservationSpec, action: ActionSpec, probe: dict[str, Tensor]
) -> list[str]:
    """What the agent makes of a probe's inputs otherwise than the agent that was probed, in sentences."""
    policy = PolicyGraph(agent, observation, action)
    inputs = {name: probe[f"{_INPUT}{name}"] for name in policy.input_names}
    found = []
    for name, now in _outputs(agent, policy, inputs).items():
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
    inputs |= {f"noise.{name}": draw(*noise.shape) for name, noise in policy.noise.items()}
    for name, tensor in policy.state.items():
        inputs[f"state.{name}"] = torch.zeros(1, *tensor.shape, dtype=getattr(torch, tensor.dtype))
    return inputs


def _outputs(agent: Dreamer, policy: PolicyGraph, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """On the CPU: a GPU rounds so coarsely that another latent may be the likeliest."""
    local = copy.deepcopy(policy).cpu()
    with torch.no_grad():
        action, deter, latent = local(*(_as_seen(inputs[name]) for name in policy.input_names))
        state = deter.to(agent.return_range.device), latent.to(agent.return_range.device)
        value = agent.twohot.mean(agent.critic(*state))
        reward = agent.world_model.reward(*state)
    outputs = {"action": action, "value": value, "reward": reward}
    return {f"{_OUTPUT}{name}": tensor.cpu().contiguous() for name, tensor in outputs.items()}


def _as_seen(value: Tensor) -> Tensor:
    return value.view(torch.uint16) if value.dtype == torch.int16 else value
