"""The YAML's limits against a URDF's, room on the disk, and the exit code."""

import pytest

from benchmarks.campaign.kills import HARDWARE
from robot_mbrl.config import load_run
from robot_mbrl.errors import ConfigError
from robot_mbrl.readiness.finding import Finding, Level, as_json, exit_code
from robot_mbrl.readiness.machine import judge_disk
from robot_mbrl.readiness.urdf import judge_limits, read_urdf
from sim.worlds.bullet import URDF_FOLDER

ARM = load_run(HARDWARE / "arm-task.yaml").robot
URDF = """<robot name="arm">
  <joint name="shoulder" type="revolute"><limit lower="-1.2" upper="1.2" velocity="2.0" effort="10"/></joint>
  <joint name="elbow" type="revolute"><limit lower="-1.0" upper="1.0" velocity="1.0" effort="10"/></joint>
</robot>"""


def found(urdf: str) -> dict[str, Finding]:
    return {finding.name: finding for finding in judge_limits(ARM, read_urdf(urdf))}


def test_limits_that_are_the_same_are_green() -> None:
    assert {f.level for f in found(URDF).values()} == {Level.GREEN}
    assert found(URDF).keys() == {"limits.shoulder", "limits.elbow"}


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ('upper="1.2"', 'upper="1.1"', "positions of [-1.2, 1.2] is more than the URDF's [-1.2, 1.1]"),
        ('velocity="2.0"', 'velocity="1.9"', "velocity of 2 is more than the URDF's 1.9"),
    ],
)
def test_what_allows_more_than_the_urdf_is_red(before: str, after: str, says: str) -> None:
    changed = found(URDF.replace(before, after))
    assert changed["limits.shoulder"].level is Level.RED
    assert says in changed["limits.shoulder"].found
    assert changed["limits.elbow"].level is Level.GREEN


def test_a_joint_that_the_urdf_does_not_know_cannot_be_compared() -> None:
    assert found(URDF.replace("elbow", "wrist"))["limits.elbow"].level is Level.AMBER


@pytest.mark.parametrize(("text", "says"), [("<robot", "no XML"), ("<sdf/>", "no URDF"), ("{}", "no XML")])
def test_what_is_no_urdf_is_refused(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        read_urdf(text)


def test_a_limit_that_is_no_number_names_its_joint() -> None:
    with pytest.raises(ConfigError, match="limit upper of joint shoulder"):
        read_urdf(URDF.replace('upper="1.2"', 'upper="${pi}"'))


@pytest.mark.parametrize(("free_mb", "level"), [(100, Level.RED), (3_000, Level.AMBER), (50_000, Level.GREEN)])
def test_room_for_recordings(free_mb: int, level: Level, tmp_path) -> None:
    assert judge_disk(tmp_path, free_mb).level is level


def test_the_worst_finding_makes_the_exit_code() -> None:
    levels = [Finding("a", level, "so") for level in (Level.GREEN, Level.AMBER, Level.RED)]
    assert [exit_code(levels[:count]) for count in range(4)] == [0, 0, 1, 2]
    assert as_json(levels[:1]) == {"checks": [{"name": "a", "level": "green", "found": "so", "remedy": ""}]}


@pytest.mark.parametrize(
    "task", ["cartpole", "pendulum", "reacher", "a1-walk", "go2-walk", "husky-goal", "sphero-navigate"]
)
def test_what_this_project_ships_allows_no_more_than_its_own_urdf(task: str) -> None:
    assert Level.RED not in {finding.level for finding in shipped(task)}


def test_a_latch_beyond_the_stop_of_an_effort_is_no_command_beyond_it() -> None:
    (finding,) = shipped("cartpole")
    assert finding.level is Level.AMBER
    assert "[-2.6, 2.6] is more than the URDF's [-2.4, 2.4]" in finding.found


def shipped(task: str) -> list[Finding]:
    robot = load_run(task).robot
    return list(judge_limits(robot, read_urdf((URDF_FOLDER / f"{robot.name}.urdf").read_text())))
