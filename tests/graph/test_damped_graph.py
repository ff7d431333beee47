"""Positions with gains over real DDS: a driver that takes gains on a topic of their own, and a policy that dies."""

from pathlib import Path

import pytest
from std_msgs.msg import Float64MultiArray

from robot_mbrl.config import resolve_run, save_run
from ros_nodes import qos
from tests.control.robots import COMMANDS, robot
from tests.graph.graph import Graph

SENSOR, ACTUATOR, POLICY = "ros_nodes.sensor_node", "ros_nodes.actuator_node", "tests.graph.constant_policy"
STAND_IN = "sim.stand_in_node"
WISH = 0.5
GAINS = {
    "filter": {"order": 2, "cutoff_hz": 3.0},
    "interfaces": ["position", "kp", "kd"],
    "interface_topics": {"kp": "stiffness"},
    "constants": {"kp": 80.0, "kd": 2.0},
    "stop_constants": {"kp": 0.0, "kd": 5.0},
}
ELEMENTS = [
    {"name": "pole_cos", "field": "position", "joint": "a", "transform": "cos"},
    {"name": "cart_position", "field": "position", "joint": "b"},
    {"name": "pole_velocity", "field": "position", "joint": "a", "difference_s": 0.1},
]


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    joints = [joint | {"max_offset": 0.2} for joint in COMMANDS["position"]["joints"]]
    legs = robot(
        "position",
        commands=[COMMANDS["position"] | GAINS | {"joints": joints}],
        guard={"safe_stop": "damping"},
        vectors={"legs": {"source": "joints", "elements": ELEMENTS}},
    )
    task = {"name": "t", "robot": "legs", "task": "cartpole_swingup", "observe": ["legs"], "reset": "none"}
    path = tmp_path / "config.yaml"
    save_run(resolve_run(task | {"episode_steps": 100_000}, "t.yaml", robot=legs), path)
    return path


@pytest.mark.slow
def test_a_driver_hears_gains_with_its_positions_and_is_told_to_let_go_when_the_policy_dies(
    graph: Graph, config_file: Path
) -> None:
    positions = graph.collect(Float64MultiArray, "positions", qos.EVENTS)
    stiffness = graph.collect(Float64MultiArray, "stiffness", qos.EVENTS)
    config = str(config_file)
    graph.start(STAND_IN, config=config)
    graph.start(ACTUATOR, config=config, simulated=True, enable_on_start=True)
    graph.start(SENSOR, config=config)
    graph.start(POLICY, config=config, value=WISH)
    # The second joint's range is from -0.5 to 2; a position and its damping, of one joint after the other.
    # A step that is late on a busy machine stops it for a moment, with the damping of a stop.
    graph.until(
        lambda: (
            positions
            and positions[-1].data[2] == pytest.approx(1.375, abs=0.01)
            and list(positions[-1].data[1::2]) == [2.0, 2.0]
        )
    )
    graph.until(lambda: stiffness and list(stiffness[-1].data) == [80.0, 80.0])
    graph.kill(POLICY)
    graph.until(lambda: list(stiffness[-1].data) == [0.0, 0.0])
    graph.until(lambda: list(positions[-1].data[1::2]) == [5.0, 5.0])
    # It goes on for as long as the stop lasts, and moves again by itself once a policy is there.
    count = len(stiffness)
    graph.until(lambda: len(stiffness) > count + 50)
    graph.start(POLICY, config=config, value=WISH)
    graph.until(lambda: list(stiffness[-1].data) == [80.0, 80.0])
    graph.until(lambda: positions[-1].data[2] == pytest.approx(1.375, abs=0.01))
