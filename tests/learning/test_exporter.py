"""An exported bundle acts exactly as the model it was exported from, whatever has been learned since."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from robot_mbrl.agents.imagining_policy import ImaginingPolicy
from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.control.bundle_file import Bundle, check_behaviour, read_bundle
from robot_mbrl.learning.exporter import PolicyExporter
from robot_mbrl.specs import ActionSpec, ObservationSpec
from tests.agents.settings import CONTINUOUS, DISCRETE, FUSED, OBSERVATION, Specified, make_agent

STEPS = 1000
RESET_SHARE = 0.02
BOUNDARY = 1e-6
"""Uniforms closer than this to a boundary between two classes may fall on either side."""


class _Exported:
    """An agent, its policy in torch and its exporter."""

    def __init__(self, config: RunConfig, observation: ObservationSpec, action: ActionSpec) -> None:
        self.agent = make_agent(action, observation)
        self.policy = ImaginingPolicy(self.agent.model, self.agent.actor, self.agent.acting, observation, action)
        self.exporter = PolicyExporter(self.policy, Specified(observation, action, config), "run")  # type: ignore[arg-type]

    def bundle(self, folder: Path, version: int = 1) -> Bundle:
        file = folder / f"{version}.onnx"
        file.write_bytes(self.exporter.export(version, updates=version))
        bundle = read_bundle(file)
        check_behaviour(bundle)
        return bundle


def _step_differs(exported: _Exported, bundle: Bundle, rng: np.random.Generator, index: int) -> tuple[float, bool]:
    """Largest difference between torch and ONNX on a random step, and whether a class was drawn differently."""
    for name, array in bundle.inputs.items():
        if name.startswith("observation.") and array.dtype == np.uint8:
            array[:] = rng.integers(0, 256, array.shape)
        elif name.startswith(("observation.", "prev_action")):
            array[:] = rng.normal(size=array.shape)
        elif name.startswith("noise."):
            array[:] = rng.random(array.shape)
    bundle.inputs["is_first"][:] = float(index == 0 or rng.random() < RESET_SHARE)
    bundle.inputs["explore"][:] = float(rng.random() < 0.5)
    arguments = [torch.from_numpy(bundle.inputs[name].copy()) for name in exported.policy.input_names]
    with torch.no_grad():
        action, deter, classes = (x.numpy() for x in exported.policy(*arguments))
    bundle.run()
    redrawn = not np.array_equal(classes, bundle.outputs["next_state.latent"])
    difference = float(np.abs(deter - bundle.outputs["next_state.deter"]).max())
    if not redrawn:
        difference = max(difference, float(np.abs(action - bundle.outputs["action"]).max()))
    bundle.carry_state()
    return difference, redrawn


@pytest.mark.parametrize("action", [CONTINUOUS, DISCRETE], ids=["continuous", "discrete"])
@pytest.mark.parametrize("observation", [OBSERVATION, FUSED], ids=["vectors", "with a camera"])
def test_bundle_agrees_with_torch_at_every_step_of_a_long_life(
    tmp_path: Path, observation: ObservationSpec, action: ActionSpec
) -> None:
    exported = _Exported(load_run("cartpole"), observation, action)
    bundle = exported.bundle(tmp_path)
    rng = np.random.default_rng(0)
    steps = [_step_differs(exported, bundle, rng, index) for index in range(STEPS)]
    assert max(difference for difference, _ in steps) <= 1e-4
    # A uniform lies that close to one of a variable's boundaries with a chance of about 1e-5 per step here.
    assert sum(redrawn for _, redrawn in steps) <= 1


def test_weights_learned_since_the_graph_was_traced_are_in_the_next_bundle(tmp_path: Path) -> None:
    exported = _Exported(load_run("cartpole"), OBSERVATION, CONTINUOUS)
    first = exported.bundle(tmp_path, 1)
    with torch.no_grad():
        for parameter in exported.agent.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    second = exported.bundle(tmp_path, 2)
    difference, redrawn = _step_differs(exported, second, np.random.default_rng(1), 0)
    assert not redrawn
    assert difference <= 1e-4
    np.copyto(first.inputs["prev_action"], second.inputs["prev_action"])
    first.run()
    assert not np.allclose(first.outputs["action"], second.outputs["action"])
    assert (first.metadata.version, second.metadata.version) == (1, 2)


def test_every_weight_of_the_policy_that_the_graph_uses_can_be_replaced(tmp_path: Path) -> None:
    exported = _Exported(load_run("cartpole"), FUSED, CONTINUOUS)
    model = onnx.load_from_string(exported.exporter.export(1, updates=1))
    replaceable = {initializer.name for initializer in model.graph.initializer}
    only_for_imagination = {name for name in exported.policy.state_dict() if "prior" in name}
    assert set(exported.policy.state_dict()) - replaceable == only_for_imagination


def test_a_bundle_says_what_a_step_of_it_costs(tmp_path: Path) -> None:
    budget = _Exported(load_run("cartpole"), OBSERVATION, CONTINUOUS).bundle(tmp_path).metadata.budget
    assert 0 < budget.step_ms < 1000
    assert budget.threads == 1
