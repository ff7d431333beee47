"""The command line as users meet it: real processes, their output and their exit codes."""

import argparse
import errno
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import robot_mbrl as robot_mbrl_package
from robot_mbrl.cli import INTERRUPTED, build_parser, main
from robot_mbrl.commands.options import open_run
from robot_mbrl.config import load_run, packaged
from robot_mbrl.errors import USER_ERROR
from robot_mbrl.runs.folder import RunFolder

ROBOTS = Path(robot_mbrl_package.__file__).parent / "robots"
EXTRAS = [
    *(
        "av",
        "cv2",
        "dm_control",
        "gymnasium",
        "matplotlib",
        "mujoco",
        "ray",
        "mcap",
        "mcap_ros2",
        "onnx",
        "onnxruntime",
        "onnxscript",
        "pyarrow",
        "pybullet",
        "rosbags",
    ),
    *("rclpy", "safetensors", "scipy", "sensor_msgs", "tensorboard", "textual", "torch"),
]
"""Modules that extras bring."""


def robot_mbrl(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "robot_mbrl.cli", *words]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=60, check=False)


def complaint(*words: str, cwd: Path) -> str:
    """What a user is told about a mistake: one line, no stack trace, exit code 2."""
    done = robot_mbrl(*words, cwd=cwd)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    return done.stderr.strip().splitlines()[-1]


def test_help_names_every_command(tmp_path: Path) -> None:
    shown = robot_mbrl("--help", cwd=tmp_path).stdout
    for command in (
        "demo",
        "train",
        "compare",
        "evaluate",
        "predict",
        "report",
        "layout",
        "watch",
        "robot",
        "workstation",
        "enable",
        "stop",
        "release",
        "bring-back",
        "start-episode",
        "status",
        "bundle",
        "describe",
        "agents",
        "import",
        "export",
        "sessions",
        "check",
        "jog",
        "console",
        "label",
        "classify",
    ):
        assert command in shown


def without_extras(*words: str) -> subprocess.CompletedProcess[str]:
    """The command line where nothing is installed but what the core requires."""
    code = f"import sys; sys.modules |= dict.fromkeys({EXTRAS}); from robot_mbrl.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, *words]
    return subprocess.run(
        command, cwd=Path(__file__).parents[1], capture_output=True, text=True, timeout=60, check=False
    )


def test_help_and_describe_need_no_extra() -> None:
    assert "COMMAND" in without_extras("--help").stdout
    assert "/cartpole/observation" in without_extras("describe", "cartpole").stdout


def test_a_missing_extra_is_told(tmp_path: Path) -> None:
    (tmp_path / "policy.onnx").touch()
    done = without_extras("bundle", "show", str(tmp_path / "policy.onnx"))
    assert done.returncode == 2
    assert "onnxruntime" in done.stderr
    assert "robot-mbrl[ros,learner,sim]" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_extra_of_one_command_is_named(tmp_path: Path) -> None:
    RunFolder.create(load_run("cartpole"), tmp_path / "run")
    code = (
        "import sys; sys.modules |= {'av': None, 'pyarrow': None}; "
        "from robot_mbrl.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    words = ["export", str(tmp_path / "run"), f"--out={tmp_path / 'set'}"]
    command = [sys.executable, "-c", code, *words]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[1], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "pip install 'robot-mbrl[lerobot]' installs it" in done.stderr


def test_a_missing_extra_of_public_tasks_is_named() -> None:
    done = without_extras("train", "gym:CartPole-v1")
    assert done.returncode == 2
    assert "pip install robot-mbrl[gym]" in done.stderr


def test_the_demo_needs_no_task(tmp_path: Path) -> None:
    config, _ = open_run(build_parser().parse_args(["demo", "--minutes", "5", f"--run={tmp_path / 'default'}"]))
    assert config.task.name == "cartpole"
    config, _ = open_run(build_parser().parse_args(["demo", "pendulum", f"--run={tmp_path / 'named'}"]))
    assert config.task.name == "pendulum"


def test_the_agent_is_chosen_by_its_preset_or_its_file(tmp_path: Path) -> None:
    words = ["train", "cartpole-image", "--agent", "dreamerv3-cpu", f"--run={tmp_path / 'packaged'}"]
    config, _ = open_run(build_parser().parse_args(words))
    assert (config.task.agent, config.agent.family, config.agent.train_ratio) == ("dreamerv3-cpu", "dreamerv3", 256.0)
    (tmp_path / "mine.yaml").write_text("family: dreamer\nunits: 32\nthreads: 2\n")
    words = ["train", "cartpole-image", "--agent", str(tmp_path / "mine.yaml"), f"--run={tmp_path / 'pictures'}"]
    config, _ = open_run(build_parser().parse_args(words))
    assert (config.agent.threads, config.agent.train_ratio) == (2, 128)  # the task's own settings, of the same family
    words = ["demo", "--agent", str(tmp_path / "mine.yaml"), "--set=agent.prefill_steps=7", f"--run={tmp_path / 'own'}"]
    config, _ = open_run(build_parser().parse_args(words))
    assert (config.agent.threads, config.agent.prefill_steps) == (2, 7)


def test_an_agent_of_no_family_is_told_which_there_are(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("family: dreamed\n")
    said = complaint("train", "cartpole", "--agent=mine.yaml", cwd=tmp_path)
    assert "mine.yaml" in said
    assert "'dreamed'" in said
    assert "'dreamer'" in said
    assert "'nothing' is neither a packaged name" in complaint("train", "cartpole", "--agent=nothing", cwd=tmp_path)


def test_train_asks_for_a_task(tmp_path: Path) -> None:
    assert "name a TASK: one of a1-goal, a1-walk, cartpole" in complaint("train", cwd=tmp_path)


def test_run_of_a_task_of_ones_own_is_resumed_by_its_folder(tmp_path: Path) -> None:
    fields = ("name: mine", "robot: cartpole", "task: cartpole_swingup", "world: cartpole", "observe: [positions]")
    (tmp_path / "mine.yaml").write_text("\n".join(fields))
    open_run(build_parser().parse_args(["train", str(tmp_path / "mine.yaml"), f"--run={tmp_path / 'run'}"]))
    config, folder = open_run(build_parser().parse_args(["demo", f"--run={tmp_path / 'run'}", "--resume"]))
    assert (config.task.name, folder.path) == ("mine", tmp_path / "run")
    said = complaint("demo", "pendulum", f"--run={tmp_path / 'run'}", "--resume", cwd=tmp_path)
    assert "is a run of 'mine', not of 'pendulum'" in said


def test_seeds_are_not_negative(tmp_path: Path) -> None:
    assert "--seed" in complaint("train", "cartpole", "--seed=-1", cwd=tmp_path)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["train", "cartpole", "--seed=two"], "argument --seed: 'two' is not a whole number"),
        (["train", "cartpole", "--steps=3.5"], "argument --steps: '3.5' is not a whole number"),
        (["train", "cartpole", "--minutes=soon"], "argument --minutes: 'soon' is not a number"),
        (["compare", "--tasks=cartpole", "--agents=dreamer-cpu", "--out=x", "--seeds=0"], "0 is not above zero"),
        (["watch", "--port=http"], "argument --port: 'http' is not a whole number"),
        (["label", "run", "--episode=last"], "argument --episode: 'last' is not a whole number"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_what_is_no_number_is_named_in_the_words_of_people(tmp_path: Path, words: list[str], says: str) -> None:
    assert says in complaint(*words, cwd=tmp_path)


@pytest.mark.parametrize(
    "words",
    [["report", "run"], ["layout", "rviz", "cartpole"], ["predict", "run"]],
    ids=lambda words: words[0],
)
def test_a_file_that_cannot_be_there_is_named_before_it_is_made(tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "taken").mkdir()
    assert "argument --out: taken is a folder: name a file" in complaint(*words, "--out=taken", cwd=tmp_path)
    said = complaint(*words, "--out=nowhere/file", cwd=tmp_path)
    assert "argument --out: nowhere is not a folder: make it first" in said


def test_a_comparison_is_not_put_into_a_file(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    said = complaint("compare", "--tasks=cartpole", "--agents=dreamer-cpu", "--out=taken", cwd=tmp_path)
    assert "argument --out: taken is a file: name a folder" in said


@pytest.mark.parametrize("words", [["train", "cartpole", "--run="], ["status", "--run="], ["report", ""]], ids=" ".join)
def test_an_empty_name_of_a_folder_is_not_the_present_one(tmp_path: Path, words: list[str]) -> None:
    assert "an empty text names no folder" in complaint(*words, cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_setting_with_a_field_given_twice_is_named(tmp_path: Path) -> None:
    assert "task.overrides, line 1: a is given twice" in complaint(
        "train", "cartpole", "--set=task.overrides={a: 1, a: 2}", cwd=tmp_path
    )


@pytest.mark.parametrize("words", [["status"], ["demo"], ["robot", "cartpole"]], ids=lambda words: words[0])
@pytest.mark.parametrize("domain", ["abc", "233", "-1"])
def test_domain_that_is_none_is_named_before_a_run_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], domain: str
) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", domain)
    if words[0] != "status":
        words = [*words, "--run", "mine"]
    assert f"ROS_DOMAIN_ID: '{domain}' is no domain" in complaint(*words, cwd=tmp_path)
    assert not (tmp_path / "mine").exists()


def test_robot_that_is_not_running_cannot_be_stopped_without_its_name(tmp_path: Path) -> None:
    assert "name its run's folder with --run" in complaint("stop", cwd=tmp_path)


def test_yaml_is_utf_8_whatever_the_locale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fields = ("name: mine", "robot: cartpole", "task: cartpole_swingup", "observe: [positions]", "description: für")
    (tmp_path / "mine.yaml").write_text("\n".join(fields), encoding="utf-8")
    for name, value in {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}.items():
        monkeypatch.setenv(name, value)
    shown = robot_mbrl("describe", "mine.yaml", cwd=tmp_path)
    assert shown.returncode == 0
    # What this locale's terminal cannot show is replaced.
    assert shown.stdout.startswith("mine: f?r\n")
    assert json.loads(robot_mbrl("describe", "mine.yaml", "--json", cwd=tmp_path).stdout)["description"] == "für"


def test_an_unknown_task_is_told_which_there_are(tmp_path: Path) -> None:
    said = complaint("demo", "cartpool", cwd=tmp_path)
    assert "'cartpool' is neither a packaged name nor a YAML file" in said
    assert "cartpole" in said
    assert not (tmp_path / "runs").exists()


def test_an_unknown_option_is_named(tmp_path: Path) -> None:
    assert "--minuts" in complaint("demo", "cartpole", "--minuts", "3", cwd=tmp_path)


@pytest.mark.parametrize("minutes", ["0", "-1", "nan", "soon"])
def test_minutes_are_above_zero(tmp_path: Path, minutes: str) -> None:
    assert "--minutes" in complaint("demo", "cartpole", f"--minutes={minutes}", cwd=tmp_path)


def test_a_speed_is_refused_where_it_means_nothing_before_a_run_is_begun(tmp_path: Path) -> None:
    assert "no meaning in lockstep" in complaint("demo", "cartpole", "--lockstep", "--speed", "4", cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_broken_yaml_is_named_with_file_and_field(tmp_path: Path) -> None:
    fields = ("name: mine", "robot: cartpole", "task: cartpole_swingup", "observe: [positions]", "episode_steps: many")
    (tmp_path / "mine.yaml").write_text("\n".join(fields))
    said = complaint("describe", "mine.yaml", cwd=tmp_path)
    assert "mine.yaml" in said
    assert "episode_steps" in said


def test_a_yaml_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("name: [mine\n")
    assert "mine.yaml: cannot be read as YAML" in complaint("describe", "mine.yaml", cwd=tmp_path)


def test_a_misspelt_setting_is_named(tmp_path: Path) -> None:
    said = complaint("demo", "cartpole", "--set", "agent.train_ration=3", cwd=tmp_path)
    assert "agent.train_ration: there is no such field" in said
    assert "KEY=VALUE" in complaint("demo", "cartpole", "--set", "agent.train_ratio", cwd=tmp_path)


def test_there_is_nothing_to_resume(tmp_path: Path) -> None:
    assert "no run of cartpole under runs/" in complaint("demo", "cartpole", "--resume", cwd=tmp_path)


def test_a_resumed_run_keeps_what_it_was_defined_by(tmp_path: Path) -> None:
    assert "--agent, --seed and --set define" in complaint("train", "cartpole", "--resume", "--agent=x", cwd=tmp_path)
    assert "--seed and --set define a new run" in complaint("demo", "cartpole", "--resume", "--seed=1", cwd=tmp_path)


def test_a_folder_without_a_run_cannot_be_evaluated(tmp_path: Path) -> None:
    assert "is not a run folder" in complaint("evaluate", str(tmp_path), cwd=tmp_path)


@pytest.mark.parametrize("task", packaged("tasks"))
def test_every_task_describes_itself(tmp_path: Path, task: str) -> None:
    described = json.loads(robot_mbrl("describe", task, "--json", cwd=tmp_path).stdout)
    assert described["task"] == task
    assert described["topics"]["observation"] == {
        "name": f"{described['namespace']}/observation",
        "type": "sensor_msgs/msg/JointState",
    }
    assert described["sources"] == {"policy": 0, "late": 1, "random": 2, "teleop": 3, "stop": 4}
    for command in described["commands"]:
        assert len(command["joints"]) == len(command["low"]) == len(command["high"]) > 0


def test_the_description_of_the_cartpole(tmp_path: Path) -> None:
    described = json.loads(robot_mbrl("describe", "cartpole", "--json", cwd=tmp_path).stdout)
    assert described["control_rate_hz"] == 20.0
    assert described["namespace"] == "/cartpole"
    assert described["action"] == [{"name": "slider", "low": -1.0, "high": 1.0}]
    assert described["commands"] == [
        {
            "topic": "/cartpole/effort_controller/commands",
            "type": "std_msgs/msg/Float64MultiArray",
            "joints": ["slider"],
            "low": [-10.0],
            "high": [10.0],
        }
    ]
    assert {"observation", "action", "applied_action", "policy", "emergency_stop"} <= described["topics"].keys()
    assert described["sensors"]["joints"] == {
        "topic": "/cartpole/joint_states",
        "type": "sensor_msgs/msg/JointState",
        "reliability": "reliable",
        "durability": "volatile",
        "max_age_s": 0.2,
    }
    assert described["conditions"] == []
    shown = robot_mbrl("describe", "cartpole", cwd=tmp_path).stdout
    assert "/cartpole/applied_action" in shown
    assert "best effort, volatile; stale after 0.3 s" in shown


def test_description_fits_into_a_terminal_and_names_the_conditions(tmp_path: Path) -> None:
    packaged_robot = yaml.safe_load((ROBOTS / "cartpole.yaml").read_text(encoding="utf-8"))
    packaged_robot["sources"]["battery"] = {
        "topic": "power/front_left_compartment/battery_state",
        "type": "sensor_msgs/msg/BatteryState",
        "max_age_s": 2.0,
    }
    condition = {"source": "battery", "field": "percentage", "above": 0.2, "latch": True}
    packaged_robot["guard"]["conditions"] = [condition]
    (tmp_path / "robot.yaml").write_text(yaml.safe_dump(packaged_robot), encoding="utf-8")
    fields = ("name: mine", "robot: robot.yaml", "task: cartpole_swingup", "observe: [positions]")
    (tmp_path / "mine.yaml").write_text("\n".join(fields), encoding="utf-8")
    shown = robot_mbrl("describe", "mine.yaml", cwd=tmp_path).stdout
    assert "battery.percentage" in shown
    assert "above 0.2, or a person must release it" in shown
    assert max(len(line) for line in shown.splitlines()) <= 80
    described = json.loads(robot_mbrl("describe", "mine.yaml", "--json", cwd=tmp_path).stdout)
    assert described["conditions"] == [condition | {"name": "battery.percentage"}]


@pytest.mark.parametrize(("set_by_user", "expected"), [(None, "passive"), ("active", "active")])
def test_threads_wait_passively_for_one_another_unless_the_user_chose(
    set_by_user: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    if set_by_user is not None:
        monkeypatch.setenv("OMP_WAIT_POLICY", set_by_user)
    assert main(["agents", "--json"]) == 0
    assert os.environ["OMP_WAIT_POLICY"] == expected


def test_an_interrupt_while_a_command_is_still_being_imported_ends_it_without_a_trace(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(_: str) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr(importlib, "import_module", interrupted)
    assert main(["agents"]) == INTERRUPTED
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO])
def test_what_a_disk_refuses_is_told_in_a_line(
    number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(_: argparse.Namespace) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("robot_mbrl.commands.agents.run", refused)
    assert main(["agents"]) == USER_ERROR
    assert capsys.readouterr().err == f"robot-mbrl: {os.strerror(number)}: look after the disk that is written to\n"
