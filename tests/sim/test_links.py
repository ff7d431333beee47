"""Where links are told to be is where the engine has them, by its own reading of the same file."""

import numpy as np
import pybullet
import pytest

from robot_mbrl.errors import ConfigError
from sim.links import Links
from sim.worlds.bullet import URDF_FOLDER
from sim.worlds.engine import connect, load_body

URDFS = sorted(path.name for path in URDF_FOLDER.glob("*.urdf"))


@pytest.fixture
def bullet():
    client = connect(0.002)
    yield client
    client.disconnect()


@pytest.mark.parametrize("file", URDFS)
def test_each_link_is_where_the_engine_has_it(file, bullet):
    rng = np.random.default_rng(URDFS.index(file))
    links = Links(URDF_FOLDER / file)
    body = load_body(bullet, URDF_FOLDER / file, fixed=False)
    turn = rng.normal(size=4)
    bullet.resetBasePositionAndOrientation(body, rng.normal(size=3).tolist(), (turn / np.linalg.norm(turn)).tolist())
    positions = {}
    for index in range(bullet.getNumJoints(body)):
        info = bullet.getJointInfo(body, index)
        if info[2] != bullet.JOINT_FIXED:
            positions[info[1].decode()] = rng.uniform(-1.0, 1.0)
            bullet.resetJointState(body, index, positions[info[1].decode()])

    told = {links.root: links.root_at(bullet.getBasePositionAndOrientation(body))}
    for parent, child, stance in links.hanging(positions):
        told[child] = pybullet.multiplyTransforms(*told[parent], *stance)
    indices = range(bullet.getNumJoints(body))
    assert len(told) == len(indices) + 1
    for index in indices:
        name = bullet.getJointInfo(body, index)[12].decode()
        place, turned = bullet.getLinkState(body, index, computeForwardKinematics=1)[4:6]
        np.testing.assert_allclose(told[name][0], place, atol=1e-5, err_msg=name)
        # A quaternion and its negative are one orientation.
        assert abs(np.dot(told[name][1], turned)) == pytest.approx(1.0, abs=1e-6), name


def test_the_base_of_a_robot_is_its_links_frame_and_not_its_centre_of_mass():
    # The husky's centre of mass lies 0.12 m above the frame that its description begins with.
    place, _ = Links(URDF_FOLDER / "husky.urdf").root_at(((1.0, 2.0, 0.3), (0.0, 0.0, 0.0, 1.0)))
    assert place == pytest.approx((1.0, 2.0, 0.18))


@pytest.mark.parametrize(
    "text", ["<robot><link name='a'/><link name='b'/></robot>", "<robot>", "<robot><joint name='j'/></robot>"]
)
def test_what_is_no_body_is_refused_by_the_name_of_its_file(text, tmp_path):
    (tmp_path / "robot.urdf").write_text(text)
    with pytest.raises(ConfigError, match=r"robot\.urdf: cannot be read as URDF"):
        Links(tmp_path / "robot.urdf")
