"""What is said at the end of a run that learned nothing."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from robot_mbrl.commands.results import Results
from robot_mbrl.config import load_run
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.runs.metrics import MetricsLog


@pytest.mark.parametrize(
    ("counted", "advice"),
    [
        ({}, "no policy was exported yet: run it for longer"),
        ({"not_finite.reward": 120.0}, "not finite (120 for their reward); mend what gives it"),
    ],
)
def test_a_run_without_a_policy_is_told_why(tmp_path: Path, counted: dict[str, float], advice: str) -> None:
    config = load_run("cartpole")
    folder = RunFolder.create(config, tmp_path / "run")
    with MetricsLog(folder.metrics, folder.tensorboard) as log:
        log.append("learner", {"updates": 0.0, **counted}, 10)
    said = io.StringIO()
    Results(config, folder, "train").tell(Console(file=said, width=200), interrupted=False)
    assert advice in said.getvalue()
