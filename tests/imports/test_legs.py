"""A bag of a robot on legs: values from several sources, positions with gains on topics of their own, stops."""

from pathlib import Path

import numpy as np
import pytest

from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.control.shaping import to_command
from tests.imports.bags import ARRAY, JOINT_STATE, SECOND, START_NS, Said, header, message, write
from tests.imports.test_public_bags import imported

READING_S, STEP_S, STEPS, STOPPED = 0.01, 0.05, 40, 25
IMU, ODOMETRY = "sensor_msgs/msg/Imu", "nav_msgs/msg/Odometry"
PLAIN = load_run("a1-walk")
COMMAND = PLAIN.robot.commands[0]
NAMES = [joint.name for joint in COMMAND.joints]
REST = np.tile([0.0, 0.9, -1.8], 4)


def mixed() -> RunConfig:
    """An A1 one of whose vectors is read from two sources, each value with its own."""
    robot = PLAIN.robot.model_dump(mode="json")
    body, legs = robot["vectors"].pop("body"), robot["vectors"].pop("legs")
    robot["vectors"]["all"] = {
        "elements": [{**value, "source": vector["source"]} for vector in (body, legs) for value in vector["elements"]]
    }
    return load_run("a1-walk", {"robot.vectors": robot["vectors"], "task.observe": ["all"]})


def lean(now_s: float) -> float:
    """By how much all targets are above those of rest, rad."""
    return float(0.1 * np.sin(now_s))


def walk(names: list[str] = NAMES) -> list[Said]:
    """Readings and commands at 100 Hz; from a step on the joints are let go."""
    said = []
    for tick in range(round(STEPS * STEP_S / READING_S) + 1):
        now_s = tick * READING_S
        now_ns = START_NS + round(now_s * SECOND)
        stiffness = 80.0 if now_s < STOPPED * STEP_S else 0.0
        said += [
            Said(f"/a1/{PLAIN.robot.sources['joints'].topic}", JOINT_STATE, now_ns, now_ns, _joints(names)),
            Said(f"/a1/{PLAIN.robot.sources['imu'].topic}", IMU, now_ns, now_ns, _imu),
            Said(f"/a1/{PLAIN.robot.sources['tracker'].topic}", ODOMETRY, now_ns, now_ns, _odometry(0.3 * now_s)),
            Said(f"/a1/{COMMAND.topic}", ARRAY, now_ns, 0, _array(REST + lean(now_s))),
            Said(f"/a1/{COMMAND.interface_topics['kp']}", ARRAY, now_ns, 0, _array(np.full(12, stiffness))),
            Said(f"/a1/{COMMAND.interface_topics['kd']}", ARRAY, now_ns, 0, _array(np.full(12, 2.0))),
        ]
    return said


@pytest.mark.parametrize("config", [PLAIN, mixed()], ids=["by vector", "by value"])
def test_a_walk_becomes_steps_until_the_joints_are_let_go(tmp_path: Path, config: RunConfig):
    steps, report = imported(tmp_path, write(tmp_path / "bag", walk()), config=config)
    assert not report.refused
    assert len(steps) == STOPPED + 1
    joint = COMMAND.joints[1]
    for number, step in enumerate(steps[:-1]):
        wanted = REST[1] + lean((number + 1) * STEP_S)
        # The last command before the next step is up to a reading old.
        assert to_command(joint, step.action.values[1]) == pytest.approx(wanted, abs=0.1 * READING_S + 1e-6)
    assert steps[10].observation.values["speed_forward"] == pytest.approx(0.3, abs=1e-6)
    assert report.dropped["no command"] == STEPS - STOPPED - 1
    assert report.actions[joint.name]["far"] == 0.0
    assert any("smooths what is wanted below 1.5 Hz" in note for note in report.notes)
    assert not any("leg_kp" in topic for topic in report.skipped)


@pytest.mark.parametrize("config", [PLAIN, mixed()], ids=["by vector", "by value"])
def test_a_leg_that_is_not_measured_is_named(tmp_path: Path, config: RunConfig):
    steps, report = imported(tmp_path, write(tmp_path / "bag", walk(NAMES[:-1])), config=config)
    assert not steps
    assert "has no joint RL_calf_joint" in report.refused


def _array(values: np.ndarray):
    layout = message("std_msgs/msg/MultiArrayLayout", dim=[], data_offset=0)
    return lambda _: message(ARRAY, layout=layout, data=np.asarray(values, float))


def _joints(names: list[str]):
    places = dict(zip(NAMES, REST, strict=True))
    return lambda stamped_ns: message(
        JOINT_STATE,
        header=header(stamped_ns),
        name=list(names),
        position=np.array([places[name] for name in names]),
        velocity=np.zeros(len(names)),
        effort=np.array([]),
    )


def _vector(x: float = 0.0) -> object:
    return message("geometry_msgs/msg/Vector3", x=x, y=0.0, z=0.0)


def _level() -> object:
    return message("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=0.0, w=1.0)


def _imu(stamped_ns: int) -> object:
    fields = ("orientation", "angular_velocity", "linear_acceleration")
    covariances = {f"{field}_covariance": np.zeros(9) for field in fields}
    values = {"orientation": _level(), "angular_velocity": _vector(), "linear_acceleration": _vector()}
    return message(IMU, header=header(stamped_ns), **values, **covariances)


def _odometry(forward_m: float):
    def make(stamped_ns: int) -> object:
        place = message("geometry_msgs/msg/Point", x=forward_m, y=0.0, z=0.3)
        pose = message("geometry_msgs/msg/Pose", position=place, orientation=_level())
        twist = message("geometry_msgs/msg/Twist", linear=_vector(), angular=_vector())
        return message(
            ODOMETRY,
            header=header(stamped_ns),
            child_frame_id="trunk",
            pose=message("geometry_msgs/msg/PoseWithCovariance", pose=pose, covariance=np.zeros(36)),
            twist=message("geometry_msgs/msg/TwistWithCovariance", twist=twist, covariance=np.zeros(36)),
        )

    return make
