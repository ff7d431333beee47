"""The systemd units that the documentation shows start what they say, and stop it in good order."""

import shlex
from pathlib import Path

import pytest

import robot_mbrl
from robot_mbrl.cli import build_parser
from robot_mbrl.errors import USER_ERROR
from robot_mbrl.runs.scenario import LEARNER_STOP_S, NODES, RECORDER_STOP_S, SCENARIOS
from robot_mbrl.runs.supervisor import TERM_S

UNITS = Path(robot_mbrl.__file__).parents[1] / "docs" / "systemd"


def settings(side: str) -> dict[str, str]:
    """Settings of a unit; those that repeat are not needed here."""
    lines = (UNITS / f"robot-mbrl-{side}.service").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


@pytest.mark.parametrize("side", ["robot", "workstation"])
def test_a_unit_starts_its_side_in_a_folder_of_its_own_and_tells_what_happens(side: str):
    program, *words = shlex.split(settings(side)["ExecStart"])
    assert Path(program).name == "robot-mbrl"
    args = build_parser(words[0]).parse_args(words)
    assert words[0] == side
    assert args.folder.startswith(settings(side)["WorkingDirectory"])
    # systemd writes $ as $$.
    assert "$${ROBOT_MBRL_EVENT}" in args.notify


@pytest.mark.parametrize("side", ["robot", "workstation"])
def test_a_unit_waits_until_its_nodes_have_stopped_and_tells_the_command_alone(side: str):
    unit = settings(side)
    longest_s = max(row.stop_s for row in NODES if row.name in SCENARIOS[side])
    assert longest_s in (LEARNER_STOP_S, RECORDER_STOP_S)
    assert float(unit["TimeoutStopSec"]) >= longest_s + TERM_S
    assert unit["KillMode"] == "mixed"


@pytest.mark.parametrize("side", ["robot", "workstation"])
def test_a_unit_comes_back_after_a_crash_but_not_after_a_mistake(side: str):
    unit = settings(side)
    assert unit["Restart"] == "on-failure"
    assert unit["RestartPreventExitStatus"] == str(USER_ERROR)
