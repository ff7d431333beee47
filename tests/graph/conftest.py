"""Fixtures of tests that run real nodes over real DDS."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from robot_mbrl.runs.environment import node_environment
from tests.graph.graph import PATIENCE_S, Graph

IN_TERMINAL = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Makes standard input the terminal of the command that follows."""


@pytest.fixture(scope="session")
def graph_environment() -> dict[str, str]:
    """Variables that nodes run with: a ROS domain of this test run's own, reached from this machine only."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith("ROS_DOMAIN")}
    return node_environment({**outside, "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"})


@pytest.fixture
def graph(graph_environment: dict[str, str], request: pytest.FixtureRequest) -> Iterator[Graph]:
    """A graph without nodes but the test's own; whatever the test starts ends with it."""
    # A namespace for each test: writers of the one before may still be announced.
    graph = Graph(graph_environment, namespace=f"/{request.node.name.split('[')[0]}")
    yield graph
    graph.close()


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

    def start(*words: str, terminal: int | None = None) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "robot_mbrl.cli", *words]
        if terminal is not None:
            # In a session of its own, which the terminal controls.
            command = [sys.executable, "-c", IN_TERMINAL, *command]
        started.append(
            subprocess.Popen(
                command,
                env=cartpole.environment,
                stdin=subprocess.DEVNULL if terminal is None else terminal,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.terminate()
        process.communicate(timeout=PATIENCE_S)
