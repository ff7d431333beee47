"""A robot's body is drawn where its joints are, by an independent computation of where its parts lie."""

import math
from pathlib import Path

import numpy as np
import pytest

import sim
from robot_mbrl.config import load_run
from robot_mbrl.errors import ConfigError
from robot_mbrl.views.body import Body

URDF = Path(sim.__file__).parent / "urdf"


def middle(points: list[list[float]]) -> tuple[float, float]:
    return tuple(np.mean(points, 0))


def drawn(task: str, **values: float) -> dict[str, list[list[float]]]:
    """The outlines by colour; no two parts that are looked at share one."""
    robot = load_run(task).robot
    return {shape["colour"]: shape["points"] for shape in Body(robot, URDF / f"{robot.name}.urdf").draw(values)}


@pytest.mark.parametrize(("cart", "angle"), [(0.0, 0.0), (0.7, 0.4), (-1.2, -2.0), (0.3, math.pi)])
def test_a_pole_stands_on_its_cart_and_tips_towards_plus_x(cart: float, angle: float) -> None:
    parts = drawn("cartpole", cart_position=cart, pole_cos=math.cos(angle), pole_sin=math.sin(angle))
    # The pole's middle is half a metre from the hinge.
    assert middle(parts["#f2730d"]) == pytest.approx((cart + 0.5 * math.sin(angle), 0.5 * math.cos(angle)), abs=1e-3)
    assert middle(parts["#1a4cd9"]) == pytest.approx((cart, 0.0), abs=1e-3)


def test_an_arm_in_the_horizontal_plane_is_seen_from_above() -> None:
    robot = load_run("reacher").robot
    plain = [v for vector in robot.vectors.values() for v in vector.elements if v.field == "position" and v.joint]
    values: dict[str, float] = {}
    angles = {"shoulder": 0.5, "elbow": -0.9}
    for value in plain:
        angle = angles.get(value.joint, 0.0)
        values[value.name] = {"cos": math.cos, "sin": math.sin, "none": float}[value.transform](angle)
    parts = drawn("reacher", **values)
    elbow = (0.4 * math.cos(0.5), 0.4 * math.sin(0.5))
    forearm = (elbow[0] + 0.175 * math.cos(-0.4), elbow[1] + 0.175 * math.sin(-0.4))
    assert middle(parts["#f2730d"]) == pytest.approx(forearm, abs=1e-3)


def test_a_robot_on_its_back_is_drawn_on_its_back() -> None:
    robot = load_run("a1-walk").robot
    standing = {value.name: {"thigh": 0.8, "calf": -1.6}.get(value.name[3:], 0.0) for _, _, value in robot.values()}

    def heights(**lies: float) -> list[float]:
        shapes = Body(robot, URDF / "a1.urdf").draw(standing | lies)
        return sorted(up for shape in shapes for _, up in shape["points"])

    upright, fallen = heights(), heights(roll=math.pi)
    # Thigh and calf of 0.2 m each, bent by 0.8 rad from the vertical; the foot's radius is 0.02 m.
    assert upright[0] == pytest.approx(-0.4 * math.cos(0.8) - 0.02, abs=0.005)
    np.testing.assert_allclose(fallen, -np.array(upright[::-1]), atol=1e-6)
    # Forward is to the right: pitched, the nose is down.
    places = [place for shape in Body(robot, URDF / "a1.urdf").draw({"pitch": 0.3}) for place in shape["points"]]
    assert max(places)[1] < -0.05


def test_what_is_nearer_is_drawn_later() -> None:
    robot = load_run("cartpole").robot
    colours = [shape["colour"] for shape in Body(robot, URDF / "cartpole.urdf").draw({})]
    # The rail is behind the cart, the pole before it.
    assert colours == ["#59616b", "#59616b", "#59616b", "#1a4cd9", "#f2730d"]


def test_what_is_no_urdf_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "robot.urdf").write_text("<robot><joint name='a'/></robot>")
    with pytest.raises(ConfigError, match=r"robot\.urdf: cannot be read as URDF: joint 'a' has no parent"):
        Body(load_run("cartpole").robot, tmp_path / "robot.urdf")
