"""What is drawn beside a body lies where goals, bounds and expectations are, by independent computations of where."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sim
from robot_mbrl.config import load_run, packaged
from robot_mbrl.errors import ConfigError
from robot_mbrl.imagined import Imagined
from robot_mbrl.steps import StepKey
from robot_mbrl.views.marks import FARTHEST_M, Mark
from robot_mbrl.views.outlook import Outlook
from robot_mbrl.views.panels import overview
from robot_mbrl.views.robot_shape import RobotShape
from sim.worlds import WORLDS, MobileScene
from sim.worlds.sphero import ARENA_M, arena_to_world

URDF = Path(sim.__file__).parent / "urdf"
TASKS = packaged("tasks")


def outlook(task: str) -> Outlook:
    """Of a task whose robot has been described."""
    config = load_run(task)
    drawn = Outlook(config)
    drawn.shape = RobotShape((URDF / f"{config.robot.name}.urdf").read_text())
    return drawn


def at_rest(task: str, **values: float) -> dict[str, float]:
    """All that is observed, 0 but for the angles' cosines and what is said, with the goal that holds at first."""
    config = load_run(task)
    names = {value.name: float(value.transform == "cos") for _, _, value in config.robot.values()}
    told = {element.name: element.start for goal in config.task.goal.values() for element in goal.elements}
    return names | told | values


def expected(task: str, courses: dict[str, np.ndarray], **values: float) -> dict[str, list[Mark]]:
    """What is drawn of an expectation, by its space."""
    config = load_run(task)
    rows = np.column_stack(list(courses.values()))
    imagined = Imagined(StepKey("s", 0), tuple(courses), rows, config.step_s)
    return by_space(outlook(task).expected(at_rest(task, **values), imagined))


def by_space(marks: list[Mark]) -> dict[str, list[Mark]]:
    spaces = dict.fromkeys(mark.space for mark in marks)
    return {space: [mark for mark in marks if mark.space == space] for space in spaces}


def places(marks: list[Mark]) -> np.ndarray:
    return np.array([mark.origin[:3, 3] for mark in marks])


@pytest.mark.parametrize("angle", [0.0, 0.7, -2.5])
def test_a_pole_is_expected_where_trigonometry_has_it(angle: float) -> None:
    steps = np.linspace(0.0, 1.0, 21)
    courses = {
        "cart_position": 0.4 * steps,
        "pole_cos": np.cos(angle * steps),
        "pole_sin": np.sin(angle * steps),
        "cart_velocity": np.full(21, 0.4),
        "pole_velocity": np.full(21, angle),
    }
    drawn = expected("cartpole", courses)
    (way,) = drawn["way"]
    # The pole's middle is half a metre from the hinge, which is in the middle of the cart.
    x, z = courses["cart_position"] + 0.5 * courses["pole_sin"], 0.5 * courses["pole_cos"]
    np.testing.assert_allclose(way.points[:, [0, 2]], np.column_stack([x, z]), atol=1e-9)
    assert any(np.allclose(place[[0, 2]], (x[-1], z[-1])) for place in places(drawn["ghost"]))
    assert {mark.frame for marks in drawn.values() for mark in marks} == {"rail"}


def test_an_arm_is_expected_where_trigonometry_has_it() -> None:
    shoulder, elbow = np.linspace(0.2, 0.9, 21), np.linspace(0.0, -1.4, 21)
    courses = {
        "shoulder_cos": np.cos(shoulder),
        "shoulder_sin": np.sin(shoulder),
        "elbow_cos": np.cos(elbow),
        "elbow_sin": np.sin(elbow),
    }
    (way,) = expected("reacher", courses)["way"]
    x = 0.4 * np.cos(shoulder) + 0.175 * np.cos(shoulder + elbow)
    y = 0.4 * np.sin(shoulder) + 0.175 * np.sin(shoulder + elbow)
    np.testing.assert_allclose(way.points[:, :2], np.column_stack([x, y]), atol=1e-9)


@pytest.mark.parametrize(("speed", "turn"), [(0.5, 0.0), (0.5, 0.8), (-0.3, 1.2)])
def test_a_base_that_turns_steadily_is_expected_to_drive_an_arc(speed: float, turn: float) -> None:
    courses = {"speed": np.full(11, speed), "turn_rate": np.full(11, turn)}
    drawn = expected("husky-goal", courses, x=3.0, y=-2.0, yaw=1.0)
    (way,) = drawn["way"]
    seconds = np.linspace(0.0, 1.0, 11)
    # From where its frame is now, whatever its heading: the closed form of a unicycle, or its limit.
    radius = speed / turn if turn else math.inf
    x = radius * np.sin(turn * seconds) if turn else speed * seconds
    y = radius * (1.0 - np.cos(turn * seconds)) if turn else np.zeros(11)
    np.testing.assert_allclose(way.points, np.column_stack([x, y, np.zeros(11)]), atol=1e-3)
    assert {mark.frame for mark in (way, *drawn["ghost"])} == {"chassis_link"}
    chassis = next(mark for mark in drawn["ghost"] if mark.kind == "box")
    assert math.atan2(chassis.origin[1, 0], chassis.origin[0, 0]) == pytest.approx(turn)


def test_a_robot_on_its_side_is_expected_to_move_along_the_ground_and_to_right_itself() -> None:
    roll = np.linspace(math.pi / 2.0, 0.0, 21)
    courses = {"roll": roll, "speed_forward": np.full(21, 0.2), "speed_left": np.full(21, 0.1)}
    drawn = expected("a1-goal", courses)
    (way,) = drawn["way"]
    # Its left side points up, so that what is to the left over the ground is below the trunk, in its own frame.
    np.testing.assert_allclose(way.points[-1], (0.2, 0.0, -0.1), atol=1e-9)
    (trunk,) = (mark for mark in drawn["ghost"] if mark.size_m == max(m.size_m for m in drawn["ghost"]))
    np.testing.assert_allclose(trunk.origin[:3, :3] @ (0.0, 0.0, 1.0), (0.0, 1.0, 0.0), atol=1e-9)


def test_a_place_in_an_arena_is_drawn_where_the_simulator_has_it() -> None:
    shares = np.linspace((0.2, 0.3), (0.4, 0.9), 3)
    drawn = expected("sphero-goal", {"arena_x": shares[:, 0], "arena_y": shares[:, 1]})
    (way,) = drawn["way"]
    np.testing.assert_allclose(way.points[:, :2], [arena_to_world(*share) for share in shares], atol=1e-9)
    assert way.frame == "world"
    now = by_space(outlook("sphero-goal").now(at_rest("sphero-goal", goal_x=0.1, goal_y=0.2)))
    (goal,), (bounds,) = now["goal"], now["bounds"]
    np.testing.assert_allclose(goal.origin[:2, 3], arena_to_world(0.1, 0.2))
    assert np.ptp(bounds.points, 0)[:2] == pytest.approx([ARENA_M, ARENA_M])
    np.testing.assert_allclose(bounds.points[:-1, :2].mean(0), 0.0, atol=1e-9)


@pytest.mark.parametrize(
    ("task", "told", "place"),
    [
        ("husky-goal", {"goal_x": 2.0, "goal_y": -1.0}, (2.0, -1.0)),
        ("husky-pose", {"goal_x": 2.0, "goal_y": -1.0, "goal_yaw": 0.5}, (2.0, -1.0)),
        ("reacher", {"target_x": 0.3, "target_y": 0.2}, (0.3, 0.2)),
        ("reacher-goal", {"goal_x": 0.3, "goal_y": -0.2}, (0.3, -0.2)),
    ],
)
def test_a_goal_on_the_ground_lies_where_it_is_told(
    task: str, told: dict[str, float], place: tuple[float, ...]
) -> None:
    (goal, *heading) = by_space(outlook(task).now(at_rest(task, **told)))["goal"]
    assert tuple(goal.origin[:2, 3]) == pytest.approx(place)
    assert [mark.kind for mark in heading] == (["arrow"] if task == "husky-pose" else [])
    for arrow in heading:
        assert math.atan2(arrow.origin[1, 0], arrow.origin[0, 0]) == pytest.approx(0.5)


def test_a_goal_of_joints_is_the_robot_as_it_is_to_be() -> None:
    goal = by_space(outlook("cartpole-goal").now(at_rest("cartpole-goal", goal_position=-0.7, pole_cos=-1.0)))["goal"]
    assert any(np.allclose(place[[0, 2]], (-0.7, 0.5)) for place in places(goal))
    rod = by_space(outlook("pendulum-goal").now(at_rest("pendulum-goal", goal_angle=math.pi / 2.0)))["goal"]
    assert max(abs(places(rod)[:, 2])) < 0.01


def test_a_velocity_that_is_told_is_the_way_of_a_second() -> None:
    goal_speed, goal_turn_rate = 0.4, 0.6
    told = at_rest("a1-goal", goal_speed=goal_speed, goal_turn_rate=goal_turn_rate)
    (way,) = by_space(outlook("a1-goal").now(told))["goal"]
    radius = goal_speed / goal_turn_rate
    end = (radius * math.sin(goal_turn_rate), radius * (1.0 - math.cos(goal_turn_rate)))
    assert way.points[-1][:2] == pytest.approx(end, abs=1e-4)


@pytest.mark.parametrize("task", TASKS)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_rubbish_is_never_drawn(task: str, data: st.DataObject) -> None:
    drawn, values = outlook(task), at_rest(task)
    anything = st.floats(allow_nan=True, allow_infinity=True)
    told = data.draw(st.dictionaries(st.sampled_from(sorted(values)), anything))
    names = load_run(task).observation_spec().element_names or tuple(values)
    finite = st.floats(allow_nan=False, allow_infinity=False)
    row = data.draw(st.lists(st.one_of(finite, st.just(0.0)), min_size=len(names), max_size=len(names)))
    imagined = Imagined(StepKey("s", 0), names, np.array([row, row]), 0.05)
    with np.errstate(all="ignore"):
        for mark in (*drawn.now(values | told), *drawn.expected(values | told, imagined)):
            numbers = [*mark.origin.ravel(), *mark.points.ravel(), *mark.size_m]
            assert all(abs(number) < FARTHEST_M for number in numbers)


def test_before_the_robot_is_described_only_places_are_drawn() -> None:
    undescribed = Outlook(load_run("cartpole"))
    assert undescribed.now(at_rest("cartpole")) == []
    assert [mark.kind for mark in Outlook(load_run("husky-goal")).now(at_rest("husky-goal"))] == ["cylinder"]


def test_a_real_robots_places_are_told_in_the_frame_of_its_odometry() -> None:
    (goal,) = Outlook(load_run("husky-goal", {"task.world": None})).now(at_rest("husky-goal"))
    assert goal.frame == "odom"


@pytest.mark.parametrize("task", TASKS)
def test_things_are_asked_for_where_a_simulator_puts_some(task: str) -> None:
    config = load_run(task)
    mobile = isinstance(WORLDS.get(str(config.task.world)), MobileScene)
    assert any(topic.endswith("/scene") for topic in overview(config).markers) == mobile


def test_a_display_of_what_is_not_measured_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"display: \['speed'\] are no elements of vectors"):
        load_run("cartpole", {"robot.display.motion": {"forward": "speed"}})
