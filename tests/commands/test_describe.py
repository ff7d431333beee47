"""What `robot-mbrl describe` tells of robots that say more than topics and limits."""

from typing import Any

import pytest

from robot_mbrl.commands.describe import describe
from robot_mbrl.commands.describe import run as tell
from robot_mbrl.config import RunConfig, load_run, resolve_run
from robot_mbrl.robot_config import RobotConfig
from tests.control.robots import COMMANDS, robot

GAINS = {
    "filter": {"order": 2, "cutoff_hz": 1.5},
    "interfaces": ["position", "kp", "kd"],
    "interface_topics": {"kd": "damping"},
    "constants": {"kp": 80.0, "kd": 2.0},
    "stop_constants": {"kp": 0.0, "kd": 5.0},
}
ELEMENTS = [
    {"name": "pole_cos", "field": "position", "joint": "a", "transform": "cos"},
    {"name": "cart_position", "source": "base", "field": "pose.position.x", "unit": "m"},
    {"name": "pole_velocity", "field": "position", "joint": "a", "difference_s": 0.1, "unit": "rad/s"},
]


def legs() -> RobotConfig:
    first, second = COMMANDS["position"]["joints"]
    joints = [first | {"max_offset": 0.2, "constants": {"kd": 1.0}}, second]
    return robot(
        "position",
        commands=[COMMANDS["position"] | GAINS | {"joints": joints}],
        guard={"safe_stop": "damping"},
        sources={
            "joints": {"topic": "joint_states", "type": "sensor_msgs/msg/JointState", "max_age_s": 0.2},
            "base": {"topic": "/pose", "type": "geometry_msgs/msg/PoseStamped", "max_age_s": 0.2},
        },
        vectors={
            "seen": {"source": "joints", "elements": ELEMENTS[:2]},
            "unseen": {"source": "joints", "elements": ELEMENTS[2:]},
        },
    )


def run() -> RunConfig:
    task = {"name": "t", "robot": "unused", "task": "cartpole_swingup", "observe": ["seen"]}
    return resolve_run(task, "t.yaml", {"namespace": "left-leg"}, robot=legs())


def test_commands_tell_their_filter_offsets_and_gains() -> None:
    (command,) = describe(run())["commands"]
    assert command["topic"] == "/left_leg/positions"
    assert command["filter"] == GAINS["filter"]
    assert command["max_offset"] == [0.2, None]
    assert command["interface_topics"] == {"kd": "/left_leg/damping"}
    assert command["constants"] == {"kp": [80.0, 80.0], "kd": [1.0, 2.0]}
    assert command["stop_constants"] == {"kp": [0.0, 0.0], "kd": [5.0, 5.0]}


def test_values_tell_where_they_are_read_and_whether_the_agent_sees_them() -> None:
    rows = {row["name"]: row for row in describe(run())["values"]}
    assert [(row["source"], row["observed"]) for row in rows.values()] == [
        ("joints", True),
        ("base", True),
        ("joints", False),
    ]
    assert (rows["pole_cos"]["joint"], rows["pole_cos"]["transform"]) == ("a", "cos")
    assert rows["pole_velocity"]["difference_s"] == 0.1


def test_robots_that_have_none_of_it_are_described_as_before() -> None:
    (command,) = describe(load_run("cartpole"))["commands"]
    assert set(command) == {"topic", "type", "joints", "low", "high"}


def test_a_joystick_says_which_axis_moves_what(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stick = {"dead_man": 4, "axes": {"slider": {"axis": 1, "scale": -5.0}}}
    config = load_run("cartpole", {"robot.teleop": stick})
    assert describe(config)["joystick"]["topic"] == "/cartpole/joy"
    assert "joystick" not in describe(load_run("cartpole"))
    monkeypatch.setattr("robot_mbrl.commands.describe.load_run", lambda task: config)
    arguments: Any = type("Arguments", (), {"task": "t", "json": False})
    assert tell(arguments) == 0
    told = capsys.readouterr().out
    assert "while button 4 is held" in told
    assert "axis 1 moves slider, times -5" in told


@pytest.mark.parametrize(
    ("teleop", "lines"),
    [
        (
            {"dead_man": 4, "choices": {"push": {"button": 1}}},
            ("while button 4 is held", "button 1 picks push; none, or two at once, stay"),
        ),
        ({"choices": {"push": {"key": "right"}}}, ("in the console", "right picks push; none stay")),
    ],
)
def test_buttons_and_keys_say_which_choice_they_pick(
    teleop: dict[str, Any], lines: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    choices = [{"name": "push", "values": {"slider": 5.0}}, {"name": "stay", "values": {}}]
    config = load_run("cartpole", {"robot.choices": choices, "robot.teleop": teleop | {"neutral": "stay"}})
    monkeypatch.setattr("robot_mbrl.commands.describe.load_run", lambda task: config)
    assert tell(type("Arguments", (), {"task": "t", "json": False})) == 0
    told = capsys.readouterr().out
    assert all(line in told for line in lines)
    assert told.count("picks push") == 1


def test_people_are_told_in_words(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("robot_mbrl.commands.describe.load_run", lambda task: run())
    arguments: Any = type("Arguments", (), {"task": "t", "json": False})
    assert tell(arguments) == 0
    told = capsys.readouterr().out
    for words in (
        "namespace /left_leg",
        "a -1 to 1, within 0.2 of where it is",
        "low-pass of order 2 at 1.5 Hz",
        "kp 80; in a stop 0",
        "kd 1, 2; in a stop 5",
        "joints: position of a, cos",
        "(pole_velocity)",
        "joints: position of a, change within 0.1 s rad/s",
    ):
        assert words in told
