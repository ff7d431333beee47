"""The commands for a robot that exists: it does not move before it is enabled, and stops when told to."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from std_msgs.msg import Float64MultiArray

from robot_mbrl.config import load_run
from robot_mbrl.runs.folder import RunFolder, read_json
from robot_mbrl.runs.metrics import read_metrics
from robot_mbrl.runs.scenario import SCENARIOS
from ros_nodes import qos
from tests.graph.graph import PATIENCE_S, Graph
from tests.graph.tiny import TINY

SIMULATOR = "sim.sim_node"
MANY = 20


@pytest.fixture
def cartpole(graph_environment: dict[str, str]) -> Iterator[Graph]:
    """The namespace of the robot."""
    graph = Graph(graph_environment, "/cartpole")
    yield graph
    graph.close()


@pytest.fixture
def robot_mbrl(cartpole: Graph) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a command in the graph's domain, and ends it with the test."""
    started: list[subprocess.Popen[str]] = []

    def start(*words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "robot_mbrl.cli", *words]
        started.append(
            subprocess.Popen(
                command, env=cartpole.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.terminate()
        process.communicate(timeout=PATIENCE_S)


def test_robot_moves_only_while_it_is_enabled(
    cartpole: Graph, robot_mbrl: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    folder = RunFolder(tmp_path / "run")
    commands = cartpole.collect(Float64MultiArray, "effort_controller/commands", qos.EVENTS)

    def enable(*words: str) -> str:
        switch = robot_mbrl("enable", f"--run={folder.path}", *words)
        cartpole.until(lambda: switch.poll() is not None)
        printed, complaint = switch.communicate()
        assert switch.returncode == 0, complaint
        return printed

    # A simulator in real time is as good as a driver.
    cartpole.start(SIMULATOR, config="cartpole")
    robot = robot_mbrl("robot", "cartpole", f"--run={folder.path}", "--start-policy=random")
    cartpole.until(lambda: len(commands) > MANY)
    assert read_json(folder.processes).keys() == set(SCENARIOS["robot"])
    assert {command.data[0] for command in commands} == {0.0}
    assert enable().startswith("enabled")
    cartpole.until(lambda: commands[-1].data[0] != 0.0)
    assert "stopped" in enable("--off")
    cartpole.until(lambda: commands[-1].data[0] == 0.0)

    robot.send_signal(signal.SIGINT)
    cartpole.until(lambda: robot.poll() is not None)
    printed, _ = robot.communicate()
    assert robot.returncode == 0
    assert f"robot-mbrl enable --run {folder.path}" in printed
    assert read_json(folder.processes) == {}
    assert list(folder.bags.glob("*.mcap"))


def test_enabling_without_a_robot_says_that_nobody_answers(
    robot_mbrl: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    RunFolder.create(load_run("cartpole"), tmp_path)
    switch = robot_mbrl("enable", f"--run={tmp_path}")
    _, complaint = switch.communicate(timeout=PATIENCE_S)
    assert switch.returncode == 1
    assert "no guard answers on /cartpole/enable" in complaint


def test_workstation_learns_until_it_is_interrupted(
    cartpole: Graph, robot_mbrl: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    folder = RunFolder.create(load_run("cartpole", TINY), tmp_path)
    workstation = robot_mbrl("workstation", f"--run={folder.path}")
    # What the learner reports, and the monitor writes down.
    cartpole.until(lambda: any(line["kind"] == "learner" for line in read_metrics(folder.metrics)))
    assert read_json(folder.processes).keys() == set(SCENARIOS["workstation"])
    assert read_json(folder.environment)["ROS_DOMAIN_ID"] == cartpole.environment["ROS_DOMAIN_ID"]
    workstation.send_signal(signal.SIGINT)
    cartpole.until(lambda: workstation.poll() is not None)
    assert workstation.returncode == 0
    assert (folder.checkpoints / "checkpoint.json").exists()
