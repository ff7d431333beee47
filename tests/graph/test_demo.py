"""The demo as users run it: it survives deaths, stops on Ctrl-C, resumes, and judges its policy."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sensor_msgs.msg import JointState

from robot_mbrl import topics
from robot_mbrl.config import load_run
from robot_mbrl.experience.reading import StepReader
from robot_mbrl.messages import read_key
from robot_mbrl.runs.folder import RunFolder, read_json
from robot_mbrl.runs.metrics import read_metrics
from robot_mbrl.runs.scenario import SCENARIOS
from ros_nodes import qos
from tests.graph.graph import Graph
from tests.graph.tiny import TINY

ROOT = Path(__file__).parents[2]
PATIENCE_S = 400.0
PREFILL_STEPS = 60
SHORT = {"task.episode_steps": 20, "agent.prefill_steps": PREFILL_STEPS, "agent.export_period_s": 1}
CHECKPOINT_PERIOD_S = 3.0
CHECKPOINT_S = 3.0
"""What the update under way and the writing may take."""
CHECKPOINTS = 6
"""Between which the median time is looked at: a busy machine may hold the learner up at some of them."""
LATE_STEPS = 10
"""By how much a recorder may be behind that was held up; `test_recorder_graph` tells how little it keeps to itself."""


def settings(values: Mapping[str, float]) -> list[str]:
    return [f"--set={path}={value}" for path, value in values.items()]


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


def updates(folder: RunFolder) -> list[int]:
    """Updates made, as the learner reported them one after the other."""
    return [int(line["updates"]) for line in read_metrics(folder.metrics) if line["kind"] == "learner"]


def counters(folder: RunFolder) -> dict[str, int]:
    """The counters of the newest checkpoint, from its index alone: the learner may be writing the next one."""
    index = read_json(folder.path / "checkpoints" / "checkpoint.json")
    state = dict(index["state"]["mapping"]) if index else {"counters": {"mapping": [["updates", 0]]}}
    return dict(state["counters"]["mapping"])


def rises(counts: list[int]) -> bool:
    return any(before < after for before, after in pairwise(counts))


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
        "stopped_steps",
    } <= folder.read_summary().keys()
    return folder.read_summary()


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_run_from_its_start_over_a_death_and_an_interruption_to_its_verdict(
    tmp_path: Path, robot_mbrl: Callable[..., subprocess.Popen[str]]
) -> None:
    folder = RunFolder(tmp_path)
    demo = robot_mbrl("demo", "cartpole", "--seed=3", "--minutes=10", f"--run={tmp_path}", *settings(SHORT))

    wait_for(lambda: lines(folder, "bundle") > 0, "the first policy", demo)
    processes = read_json(folder.processes)
    assert processes.keys() == {*SCENARIOS["demo"], "console"}

    def is_shown() -> bool:
        report = json.loads(finish(robot_mbrl("status", f"--run={tmp_path}", "--json", "--seconds=4")))
        return "/cartpole/learner" in report["nodes"] and "/cartpole" in report["bundles"]

    wait_for(is_shown, "a status with the learner and its policy", demo)

    reports = len(updates(folder))
    os.kill(processes["learner"], signal.SIGKILL)
    wait_for(lambda: read_json(folder.processes).get("learner", 0) != processes["learner"], "a new learner", demo)
    lived = lines(folder, "episode")
    wait_for(lambda: lines(folder, "episode") > lived, "the robot to live on", demo)
    wait_for(lambda: rises(updates(folder)[reports:]), "the new learner to learn", demo)
    demo.send_signal(signal.SIGINT)
    assert f"go on: robot-mbrl demo --run {tmp_path} --resume" in finish(demo)
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
    assert folder.curve.exists()
    assert list(folder.bags.glob("*.mcap"))
    assert list(folder.tensorboard.iterdir())

    verdict = json.loads(finish(robot_mbrl("evaluate", str(tmp_path), "--episodes=2", "--json")))
    assert verdict.keys() == {"episodes", "solved", "mean_return", "expert_return"}
    assert verdict["episodes"] == 2


def lose_power(demo: subprocess.Popen[str], folder: RunFolder) -> None:
    """End supervisor and nodes at one blow."""
    # Halted first, since it would start killed nodes again, and the kernel would ask them to stop once it is gone.
    demo.send_signal(signal.SIGSTOP)
    for pid in read_json(folder.processes).values():
        os.kill(pid, signal.SIGKILL)
    demo.kill()
    demo.wait()


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_loss_of_power_costs_few_steps_and_about_a_checkpoint_period(
    tmp_path: Path, robot_mbrl: Callable[..., subprocess.Popen[str]]
) -> None:
    folder, index = RunFolder(tmp_path), tmp_path / "checkpoints" / "checkpoint.json"
    demo = robot_mbrl(
        "demo",
        "cartpole",
        "--minutes=10",
        f"--run={tmp_path}",
        *settings(SHORT | TINY | {"agent.checkpoint_period_s": CHECKPOINT_PERIOD_S}),
    )
    wait_for(lambda: lines(folder, "bundle") > 0, "the first policy", demo)
    witness = Graph({**os.environ, **read_json(folder.environment)}, "/cartpole")
    try:
        observed = witness.collect(JointState, topics.OBSERVATION, qos.STEPS)
        applied = witness.collect(JointState, topics.APPLIED_ACTION, qos.STEPS)
        wait_for(lambda: counters(folder)["updates"] > 0, "a checkpoint", demo)
        written_s: set[float] = set()

        def again_and_again() -> bool:
            written_s.add(index.stat().st_mtime)
            return len(written_s) >= CHECKPOINTS

        wait_for(again_and_again, "further checkpoints", demo)
        witness.until(lambda: len(applied) > PREFILL_STEPS)
        count = len(observed)
        witness.until(lambda: len(observed) > count)
        lose_power(demo, folder)
        # What was sent before is heard, too.
        witness.serve(0.5)
    finally:
        witness.close()

    lived = {read_key(message) for message in observed} & {read_key(message) for message in applied}
    recorded = StepReader(load_run(folder.path).action_spec()).read(sorted(folder.bags.glob("*.mcap")))
    kept = {step.observation.key for step in recorded}
    assert len(lived - kept) <= 1 + LATE_STEPS
    assert np.median(np.diff(sorted(written_s))) <= CHECKPOINT_PERIOD_S + CHECKPOINT_S
    saved = counters(folder)

    before, reports = read_metrics(folder.metrics), len(updates(folder))
    demo = robot_mbrl("demo", "cartpole", "--minutes=10", f"--run={tmp_path}", "--resume")
    wait_for(lambda: rises(updates(folder)[reports:]), "the learner to go on", demo)
    demo.send_signal(signal.SIGINT)
    finish(demo)
    after = read_metrics(folder.metrics)[len(before) :]
    resumed = next(line for line in after if line["kind"] == "learner")
    assert resumed["updates"] >= saved["updates"]
    assert resumed["robot_steps"] >= len(kept)
    old, new = ([line for line in part if line["kind"] == "bundle"] for part in (before, after))
    assert {line["run_id"] for line in new} == {line["run_id"] for line in old}
    assert min(line["version"] for line in new) >= max(line["version"] for line in old)
