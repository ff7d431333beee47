"""Scales that were measured go where the weights go: into bundles and checkpoints."""

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from robot_mbrl.control.bundle_file import Bundle, check_bundle
from robot_mbrl.learning.learner import Learner
from robot_mbrl.nets.scaling import VectorScaling
from robot_mbrl.steps import Action, Step
from sim.public.description import load_public_run
from sim.public.robot import PublicRobot
from tests.learning.test_live import SMALL
from tests.sim.public import counting


def scaling(learner: Learner) -> VectorScaling:
    return learner.agent.networks.model.encoder.scaling


@pytest.fixture(scope="module")
def learner(tmp_path_factory: pytest.TempPathFactory) -> Learner:
    counting.register()
    config = load_public_run(counting.NAME, {f"agent.{name}": value for name, value in SMALL.items()})
    learner = Learner(config, tmp_path_factory.mktemp("run"))
    robot, rng = PublicRobot(config), np.random.default_rng(0)
    for _ in range(60):
        observation = robot.observe()
        action = Action(observation.key, rng.uniform(-1, 1, 2).astype(np.float32))
        applied = robot.apply(None if observation.is_last else action)
        learner.receive(Step(observation, applied))
    for _ in range(5):
        learner.update()
    return learner


def test_they_are_those_of_what_was_lived(learner: Learner):
    # Counted from 0 to 10 in every episode: the mean is 5 and the variance 10.
    measured = dict(zip(learner.config.observation_spec().element_names, scaling(learner).shift.tolist(), strict=True))
    assert measured["steps.0"] == pytest.approx(5.0, abs=1.5)
    assert float(scaling(learner).variance[-1]) == pytest.approx(10.0, abs=4.0)


def test_a_bundle_carries_them(learner: Learner):
    learner.export()
    with torch.no_grad():
        scaling(learner).shift.add_(3.0)
    data = learner.export()
    check_bundle(Bundle(data, "moved"), learner.config)
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load_from_string(data).graph.initializer}
    for name in ("shift", "scale"):
        (carried,) = (value for key, value in weights.items() if key.endswith(f"scaling.{name}"))
        assert np.array_equal(carried, getattr(scaling(learner), name).numpy())
    with torch.no_grad():
        scaling(learner).shift.sub_(3.0)


def test_a_resumed_run_goes_on_with_them_bit_for_bit(learner: Learner):
    learner.save()
    resumed = Learner.resume(learner.config, learner.folder.parent)
    for one in (learner, resumed):
        for _ in range(3):
            one.update()
    for name, value in scaling(learner).state_dict().items():
        assert torch.equal(scaling(resumed).state_dict()[name], value)
    ours, theirs = (torch.cat([p.flatten() for p in one.agent.networks.parameters()]) for one in (learner, resumed))
    assert torch.equal(ours, theirs)
