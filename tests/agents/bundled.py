"""Policies that plan, as bundles and in torch."""

import numpy as np
import torch

from robot_mbrl.agents.mpc import MPC
from robot_mbrl.agents.planet import PlaNet
from robot_mbrl.control.bundle_file import Bundle


def draw_inputs(bundle: Bundle, rng: np.random.Generator, *, first: bool = False) -> None:
    """Give a bundle inputs that anything may follow on."""
    for name, array in bundle.inputs.items():
        if name.startswith("noise."):
            uniform = bundle.metadata.noise[name.removeprefix("noise.")].distribution == "uniform"
            array[:] = rng.random(array.shape) if uniform else rng.standard_normal(array.shape)
        elif array.dtype in (np.uint8, np.uint16):
            array[:] = rng.integers(0, 256, array.shape)
        elif name.startswith(("observation.", "prev_action", "goal.")):
            array[:] = rng.normal(size=array.shape)
    bundle.inputs["is_first"][:] = float(first or rng.random() < 0.05)
    bundle.inputs["explore"][:] = float(rng.random() < 0.5)


def in_torch(agent: MPC | PlaNet, bundle: Bundle) -> dict[str, np.ndarray]:
    """What torch makes of a bundle's inputs."""
    arguments = [torch.from_numpy(bundle.inputs[name].copy()) for name in agent.policy.input_names]
    with torch.no_grad():
        return dict(zip(agent.policy.output_names, (x.numpy() for x in agent.policy(*arguments)), strict=True))
