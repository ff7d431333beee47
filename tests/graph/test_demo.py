"""The demo as users run it: it survives the death of a node, stops on Ctrl-C, resumes, and judges its policy."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from robot_mbrl.runs.folder import RunFolder, read_json
from robot_mbrl.runs.metrics import read_metrics
from robot_mbrl.runs.scenario import SCENARIOS

ROOT = Path(__file__).parents[2]
PATIENCE_S = 90.0
SHORT = ("--set", "task.episode_steps=20", "--set", "agent.prefill_steps=60", "--set", "agent.export_period_s=1")


def wait_for(condition: Callable[[], bool], what: str, demo: subprocess.Popen[str]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert demo.poll() is None, f"the demo ended before {what}"
        assert time.monotonic() < deadline_s, f"waited {PATIENCE_S} s in vain for {what}"
        time.sleep(0.05)


@pytest.fixture
def robot_mbrl() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a command, and ends it with the test."""
    started: list[subprocess.Popen[str]] = []
    environment = {name: value for name, value in os.environ.items() if name != "ROS_DOMAIN_ID"}

    def start(*words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "robot_mbrl.cli", *words]
        started.append(subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def finish(process: subprocess.Popen[str]) -> str:
    """What it printed, once it has ended well."""
    printed, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    return printed


def learned(folder: RunFolder) -> int:
    """Updates that the learner has reported."""
    return max((int(line.get("updates", 0)) for line in read_metrics(folder.metrics)), default=0)


def lines(folder: RunFolder, kind: str) -> int:
    return sum(line["kind"] == kind for line in read_metrics(folder.metrics))


def summary(folder: RunFolder) -> dict[str, Any]:
    assert {
        "robot_steps",
        "wall_s",
        "updates",
        "episodes",
        "mean_return_last5",
        "expert_return",
        "evaluation",
        "latency_ms",
        "missed_steps",
    } <= folder.read_summary().keys()
    return folder.read_summary()


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_run_from_its_start_over_a_death_and_an_interruption_to_its_verdict(
    tmp_path: Path, robot_mbrl: Callable[..., subprocess.Popen[str]]
) -> None:
    folder = RunFolder(tmp_path)
    demo = robot_mbrl("demo", "cartpole", "--seed=3", "--minutes=10", f"--run={tmp_path}", *SHORT)

    wait_for(lambda: lines(folder, "bundle") > 0, "the first policy", demo)
    processes = read_json(folder.processes)
    assert processes.keys() == set(SCENARIOS["demo"])
    status = robot_mbrl("status", f"--run={tmp_path}", "--json", "--seconds=4")
    report = json.loads(finish(status))
    assert "/cartpole/learner" in report["nodes"]
    assert report["bundles"]["/cartpole"]["version"] >= 1

    os.kill(processes["learner"], signal.SIGKILL)
    wait_for(lambda: read_json(folder.processes).get("learner", 0) != processes["learner"], "a new learner", demo)
    lived = lines(folder, "episode")
    wait_for(lambda: lines(folder, "episode") > lived, "the robot to live on", demo)
    demo.send_signal(signal.SIGINT)
    assert f"go on: robot-mbrl demo cartpole --run {tmp_path} --resume" in finish(demo)
    assert read_json(folder.processes) == {}
    interrupted = summary(folder)
    assert interrupted["restarts"]["learner"] == 1
    assert interrupted["evaluation"]["episodes"] == 0

    printed = finish(robot_mbrl("demo", "cartpole", "--minutes=0.3", f"--run={tmp_path}", "--resume", "--speed=2"))
    assert "of 10 episodes from starts it never trained on" in printed
    concluded = summary(folder)
    assert concluded["evaluation"]["episodes"] == 10
    assert concluded["robot_steps"] > interrupted["robot_steps"]
    assert concluded["wall_s"] > interrupted["wall_s"]
    assert learned(folder) > 0
    assert folder.curve.exists()
    assert list(folder.bags.glob("*.mcap"))
    assert list(folder.tensorboard.iterdir())

    verdict = json.loads(finish(robot_mbrl("evaluate", str(tmp_path), "--episodes=2", "--json")))
    assert verdict.keys() == {"episodes", "solved", "mean_return", "expert_return"}
    assert verdict["episodes"] == 2
