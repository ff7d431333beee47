"""`robot-mbrl train TASK+TASK`: one set of weights for both, a verdict and a policy for each, and a resume."""

import json
from pathlib import Path

import pytest

from robot_mbrl.cli import main
from robot_mbrl.errors import USER_ERROR
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.runs.metrics import read_metrics
from tests.leaning import write_tasks

EPISODE = 20
STEPS, FURTHER = 160, 80
SMALL = [
    f"--set={name}={value}"
    for name, value in {
        **{f"agent.{size}": 8 for size in ("deter", "hidden", "units", "batch_size", "batch_length", "candidates")},
        **{"agent.stoch": 4, "agent.horizon": 3, "agent.iterations": 2, "agent.elites": 3, "agent.prefill_steps": 60},
        **{"agent.pretrain_updates": 2, "agent.updates_per_episode": 2},
    }.items()
]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_each_task_gets_its_policy_and_its_verdict_and_the_run_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = RunFolder(tmp_path / "run")
    both = write_tasks(tmp_path, EPISODE)
    assert main(["train", both, "--quiet", f"--run={folder.path}", f"--steps={STEPS}", *SMALL]) == 0
    told = capsys.readouterr().out
    lived = [line for line in read_metrics(folder.metrics) if line["kind"] == "episode"]
    assert [line["task"] for line in lived] == ["left", "right"] * (STEPS // EPISODE // 2)
    tasks = folder.read_summary()["tasks"]
    for name in ("left", "right"):
        assert tasks[name]["episodes"] == 10
        assert f"{name}: solved" in told
        assert str(folder.member(name).policy) in told
        assert folder.member(name).curve.exists()
        assert main(["evaluate", str(folder.member(name).path), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["mean_return"] == pytest.approx(tasks[name]["mean_return"])

    assert main(["train", "--quiet", f"--run={folder.path}", "--resume", f"--steps={STEPS + FURTHER}"]) == 0
    went_on = [line["task"] for line in read_metrics(folder.metrics) if line["kind"] == "episode"]
    assert [went_on.count(name) for name in ("left", "right")] == [(STEPS + FURTHER) // EPISODE // 2] * 2
    capsys.readouterr()
    assert main(["evaluate", str(folder.path)]) == USER_ERROR
    assert str(folder.member("left").path) in capsys.readouterr().err


def test_commands_that_take_one_robot_say_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "pendulum+cartpole", f"--run={tmp_path / 'run'}", "--view"]) == USER_ERROR
    assert "--view shows one robot" in capsys.readouterr().err
    offline = ["--offline", str(tmp_path), "--updates=5"]
    assert main(["train", "pendulum+cartpole", f"--run={tmp_path / 'off'}", *offline]) == USER_ERROR
    assert "--offline learns a single task" in capsys.readouterr().err
    assert main(["demo", "pendulum+cartpole", f"--run={tmp_path / 'demo'}"]) == USER_ERROR
    assert "it has no topics: use robot-mbrl train" in capsys.readouterr().err
    assert main(["layout", "plotjuggler", "pendulum+cartpole"]) == USER_ERROR
    assert "has no topics to look at" in capsys.readouterr().err
    assert not (tmp_path / "demo").exists()
