"""Frames of links are where the physics engine has them, and quaternions turn as the frames they are of."""

from pathlib import Path

import numpy as np
import pybullet
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim
from robot_mbrl.views.kinematics import placed, quaternion_of, turned
from robot_mbrl.views.marks import GHOST
from robot_mbrl.views.robot_shape import RobotShape
from sim.worlds.engine import connect, load_body

URDF = Path(sim.__file__).parent / "urdf"
angle = st.floats(-7.0, 7.0)


@pytest.mark.parametrize("robot", ["a1", "cartpole", "husky", "reacher"])
def test_every_part_is_drawn_where_the_physics_engine_has_it(robot: str) -> None:
    bullet = connect(0.01)
    try:
        body = load_body(bullet, URDF / f"{robot}.urdf")
        rng = np.random.default_rng(0)
        joints = {}
        for index in range(bullet.getNumJoints(body)):
            info = bullet.getJointInfo(body, index)
            if info[2] in (bullet.JOINT_REVOLUTE, bullet.JOINT_PRISMATIC):
                joints[info[1].decode()] = float(rng.uniform(-1.0, 1.0))
                bullet.resetJointState(body, index, joints[info[1].decode()])
        shown = bullet.getVisualShapeData(body)
        shape = RobotShape((URDF / f"{robot}.urdf").read_text())
        # Of a base, the engine tells its centre of mass alone.
        mass, turn = bullet.getBasePositionAndOrientation(body)
        inertial = bullet.getDynamicsInfo(body, -1)[3:5]
        base = _frame(*bullet.multiplyTransforms(mass, turn, *bullet.invertTransform(*inertial)))
        drawn = [mark.origin for mark in shape.parts(joints, base, shape.root, "ghost", GHOST)]
        assert len(drawn) == len(shown)
        for visual in shown:
            link, own = visual[1], _frame(visual[5], visual[6])
            lies = base if link < 0 else _frame(*bullet.getLinkState(body, link, computeForwardKinematics=True)[4:6])
            frame = lies @ own
            assert any(np.allclose(frame, each, atol=1e-4) for each in drawn), (link, frame)
    finally:
        bullet.disconnect()


def _frame(place: tuple[float, ...], turn: tuple[float, ...]) -> np.ndarray:
    frame = np.eye(4)
    frame[:3, :3] = np.array(pybullet.getMatrixFromQuaternion(turn)).reshape(3, 3)
    frame[:3, 3] = place
    return frame


@given(angle, angle, angle)
def test_a_quaternion_turns_as_its_frame(roll: float, pitch: float, yaw: float) -> None:
    frame = turned(roll, pitch, yaw)
    turn = quaternion_of(frame)
    assert np.linalg.norm(turn) == pytest.approx(1.0)
    np.testing.assert_allclose(_frame((0.0, 0.0, 0.0), turn), frame, atol=1e-6)
    expected = np.array(pybullet.getQuaternionFromEuler((roll, pitch, yaw)))
    assert abs(expected @ turn) == pytest.approx(1.0, abs=1e-6)


def test_a_turn_that_is_no_number_is_no_frame() -> None:
    assert not np.isfinite(placed((0.0, 0.0, 0.0), (0.0, 0.0, float("inf")))).all()
