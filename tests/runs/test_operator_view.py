"""What an operator's console says of a robot."""

import pytest

from robot_mbrl.runs.operator_view import HOLD, SILENT_S, Seen, curve, lines

NOW_S = 100.0
REPORT = {
    "state": "moving",
    "detail": "",
    "acting": "policy",
    "takeover": "free",
    "speed_scale": "1.0",
    "shadow": "False",
}


def told(seen: Seen) -> dict[str, str]:
    return dict(lines(seen, NOW_S))


def a_robot(**changes: object) -> Seen:
    known = {"word": "moving", "report": REPORT, "reported_s": NOW_S, "observed_s": NOW_S - 0.04}
    return Seen(**{**known, **changes})  # type: ignore[arg-type]


def test_a_robot_that_moves_says_who_acts_and_how_to_take_over() -> None:
    seen = a_robot(
        ages_s={"joints": 0.01},
        nodes={"policy": ("version 7 of run abc", {"version_age_s": "42.4"})},
        returns=[1.0, 3.0, 2.0],
    )
    said = told(seen)
    assert said["state"] == "moving"
    assert said["why"] == ""
    assert said["acting"] == f"the policy; {HOLD}"
    assert said["ages"] == "observation 0.04 s, joints 0.05 s"
    assert said["policy"] == "version 7 of run abc, 42 s old"
    assert said["returns"].endswith("last 2.0, best 3.0")
    assert said["speed"] == "100% of each joint's speed"


def test_where_there_is_a_joystick_its_node_says_what_to_hold() -> None:
    said = told(a_robot(nodes={"teleop": ("takeover is ready: hold button 4", {})}))
    assert said["acting"] == "the policy; takeover is ready: hold button 4"


def test_a_robot_that_stands_says_why() -> None:
    seen = a_robot(
        word="stopped: stale_joints",
        report=REPORT | {"detail": "joints on joint_states are stale", "acting": "stop"},
        troubles={"sensor": "waiting for a person"},
    )
    said = told(seen)
    assert said["why"] == "joints on joint_states are stale; sensor: waiting for a person"
    assert said["acting"].startswith("nobody: the robot is stopped")


def test_a_person_who_acts_is_told_from_one_who_must_let_go() -> None:
    held = told(a_robot(report=REPORT | {"acting": "teleop", "takeover": "held"}))["acting"]
    assert held == "a person, until takeover is let go"
    lost = told(a_robot(report=REPORT | {"acting": "stop", "takeover": "lost"}))["acting"]
    assert lost.endswith("let takeover go first")


def test_shadow_and_speed_are_not_to_be_missed() -> None:
    report = REPORT | {"shadow": "True", "speed_scale": "0.1"}
    said = told(a_robot(word="moving (shadow)", report=report))
    assert said["speed"] == "10% of each joint's speed; nothing is sent to the driver (--shadow)"
    assert said["why"] == ""


@pytest.mark.parametrize("heard_s", [float("-inf"), NOW_S - SILENT_S - 1.0])
def test_what_is_old_is_not_shown_as_the_present(heard_s: float) -> None:
    said = told(a_robot(reported_s=heard_s))
    assert said["state"].startswith("its guard is silent")
    assert "acting" not in said


@pytest.mark.parametrize(
    ("returns", "drawn"),
    [
        ([], "no episode has ended yet"),
        ([2.0], "▁ last 2.0, best 2.0"),
        ([0.0, 7.0, float("nan"), 3.5], "▁█▅ last 3.5, best 7.0"),
    ],
)
def test_the_curve_of_returns(returns: list[float], drawn: str) -> None:
    assert curve(returns) == drawn


def test_figures_that_are_none_are_left_out() -> None:
    nodes = {"policy": ("version 7", {"version_age_s": "x"})}
    said = told(a_robot(nodes=nodes, report={**REPORT, "speed_scale": "fast", "shadow": "True"}))
    assert said["policy"] == "version 7"
    assert said["speed"] == "nothing is sent to the driver (--shadow)"
