"""Fixtures of tests that run real nodes over real DDS."""

import os
from collections.abc import Iterator

import pytest

from robot_mbrl.runs.environment import node_environment
from tests.graph.graph import Graph


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
