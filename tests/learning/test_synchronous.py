"""Learning in one process goes on where a robot on the graph would."""

from pathlib import Path

import torch

from robot_mbrl.control.bundle_file import Bundle, check_behaviour
from robot_mbrl.learning.learner import Learner
from robot_mbrl.learning.synchronous import SynchronousTraining
from robot_mbrl.runs.folder import RunFolder
from sim.in_process import InProcessRobot
from tests.learning.test_live import CONFIG, PREFILL


def test_learning_that_breaks_down_costs_neither_the_policy_nor_the_checkpoint_before(tmp_path: Path) -> None:
    robot = InProcessRobot(CONFIG, seed=0)
    said: list[str] = []
    training = SynchronousTraining(CONFIG, RunFolder.create(CONFIG, tmp_path), robot, said.append)
    list(training.run(PREFILL + 10))
    training.learner.save()
    driving, healthy = training._runner.bundle, training.learner.updates
    assert driving is not None
    with torch.no_grad():
        for parameter in training.learner.agent.networks.actor.parameters():
            parameter.fill_(torch.nan)
    list(training.run(40))
    assert training._runner.bundle is driving
    training.close()
    robot.close()
    assert any("learning has broken down" in sentence for sentence in said)
    resumed = Learner.resume(CONFIG, tmp_path)
    assert resumed.updates == healthy
    assert check_behaviour(Bundle(resumed.export(), "resumed")) is None
