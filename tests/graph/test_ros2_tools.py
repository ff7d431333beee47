"""The `ros2` commands that README and docs name, with the real tools: launch files, topics, parameters, services.

`ROS2_PYTHON` names a Python of an environment that has `launch`, `launch_ros` and `ros2cli` beside what this project
needs (docs/installed-ros.md).
"""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from robot_mbrl.commands import launched_demo
from robot_mbrl.runs.environment import free_domain
from robot_mbrl.runs.launching import ARGUMENTS
from robot_mbrl.runs.scenario import SCENARIOS

ROOT = Path(__file__).parents[2]
PYTHON = os.environ.get("ROS2_PYTHON", "")
PATIENCE_S = 120.0
STOP_S = 40.0
"""The learner may take 30 s to write its checkpoint."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not PYTHON, reason="ROS2_PYTHON names no interpreter that has ROS's command line tools"),
]


class Ros2:
    """The command `ros2`, as it finds this project once colcon has installed it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        share = folder / "prefix" / "share"
        index = share / "ament_index" / "resource_index" / "packages"
        index.mkdir(parents=True)
        (index / "robot_mbrl").touch()
        shutil.copytree(ROOT / "launch", share / "robot_mbrl" / "launch")
        shutil.copy(ROOT / "package.xml", share / "robot_mbrl")
        # What the test's own interpreter was started with leads to its own libraries.
        own = ("LD_LIBRARY_PATH", "_ROS_WHEELS", "ROS_", "RMW_", "PYTHON", "AMENT_")
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(own)} | {
            "PATH": f"{Path(PYTHON).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "AMENT_PREFIX_PATH": f"{folder / 'prefix'}:{Path(PYTHON).parents[1]}",
            "ROS_DOMAIN_ID": str(free_domain()),
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
            "ROS_HOME": str(folder),
            "OMP_NUM_THREADS": "1",
        }
        self._command = [PYTHON, str(Path(PYTHON).parent / "ros2")]
        self._launched: list[subprocess.Popen[bytes]] = []

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Until it ends by itself."""
        return subprocess.run(
            [*self._command, *words],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def says(self, *words: str) -> str:
        """What a command that succeeds prints."""
        done = self.run(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def launch(self, file: str, *arguments: str) -> "Launched":
        """A launch that goes on, in a session of its own as in a terminal of its own."""
        log = self.folder / "launch.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [*self._command, "launch", "robot_mbrl", file, *arguments],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # A shell's job in the background ignores Ctrl-C, and would hand that on.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
        self._launched.append(process)
        return Launched(process, log)

    def close(self) -> None:
        """End what a failed test has left."""
        for process in self._launched:
            process.terminate()
            process.wait(PATIENCE_S)


class Launched:
    """A launch that was started."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process, self._log = process, log

    @property
    def printed(self) -> str:
        return self._log.read_text(errors="replace")

    def await_line(self, text: str) -> None:
        """Until it has printed this, or is over."""
        within(PATIENCE_S, lambda: text in self.printed or self.process.poll() is not None, text)
        assert text in self.printed, self.printed

    def stop(self, number: signal.Signals) -> int:
        """Its exit code once it has ended after a signal."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)


def within(duration_s: float, done: Callable[[], object], what: str) -> None:
    """Look again and again until it is so; other programs tell no events."""
    end_s = time.monotonic() + duration_s
    while not done():
        assert time.monotonic() < end_s, f"not within {duration_s:g} s: {what}"
        time.sleep(0.1)


def nodes_of(run_dir: Path) -> dict[str, int]:
    """Process ids of a demo's nodes by their names."""
    found: dict[str, int] = json.loads((run_dir / "processes.json").read_text())
    return found


def summary_of(run_dir: Path) -> dict[str, Any]:
    """What became of a demo, as it has written it down."""
    found: dict[str, Any] = json.loads((run_dir / "summary.json").read_text())
    return found


def alive(pids: dict[str, int]) -> list[str]:
    return [name for name, pid in pids.items() if Path(f"/proc/{pid}").exists()]


@pytest.fixture
def ros2(tmp_path: Path) -> Iterator[Ros2]:
    ros2 = Ros2(tmp_path)
    yield ros2
    ros2.close()


@pytest.mark.parametrize("name", ["demo", "robot", "sim", "workstation"])
def test_show_args_describes_every_argument(ros2: Ros2, name: str) -> None:
    shown = ros2.says("launch", "robot_mbrl", f"{name}.launch.py", "--show-args")
    arguments = launched_demo.ARGUMENTS if name == "demo" else ARGUMENTS
    for argument, (_, text) in arguments.items():
        assert f"'{argument}':" in shown
        assert text in " ".join(shown.split())


@pytest.mark.parametrize(
    ("file", "argument", "reason"),
    [
        ("demo", "minutes:=soon", "minutes: 'soon' is not a number"),
        ("demo", "config:=nothing", "'nothing' is neither a packaged name nor a YAML file"),
        ("robot", "start_policy:=rnd", "start_policy: 'rnd' is none of"),
    ],
)
def test_a_wrong_argument_is_refused_before_anything_starts(ros2: Ros2, file: str, argument: str, reason: str) -> None:
    words = {argument.partition(":=")[0]: argument, "run_dir": "run_dir:=run"}
    if file == "robot":
        words["config"] = "config:=cartpole"
    done = ros2.run("launch", "robot_mbrl", f"{file}.launch.py", *words.values())
    assert done.returncode == 1
    printed = done.stdout + done.stderr
    assert reason in printed.strip().splitlines()[-1]
    assert "process started" not in printed
    assert not (ros2.folder / "run").exists()


def test_a_running_demo_answers_what_the_docs_name_and_leaves_no_node(ros2: Ros2) -> None:
    demo = ros2.launch("demo.launch.py", "run_dir:=run", "minutes:=0")
    demo.await_line("cartpole.learner]: began run")

    second = ros2.run("launch", "robot_mbrl", "demo.launch.py", "run_dir:=other")
    assert second.returncode == 1
    assert "has another actuator node" in (second.stdout + second.stderr).strip().splitlines()[-1]
    assert not (ros2.folder / "other").exists()

    here = ("--no-daemon", "--spin-time", "5")
    assert {f"/cartpole/{name}" for name in SCENARIOS["demo"]} <= set(ros2.says("node", "list", *here).split())
    assert "slider" in ros2.says("topic", "echo", "--once", "/cartpole/applied_action")
    assert "moving" in ros2.says("topic", "echo", "--once", "/cartpole/state")
    described = ros2.says("topic", "echo", "--once", "--full-length", "/cartpole/robot_description")
    assert "</robot>" in described

    assert "speed_scale" in ros2.says("param", "list", "/cartpole/actuator", *here)
    set_parameter = ("param", "set", "/cartpole/actuator")
    assert "successful" in ros2.says(*set_parameter, "speed_scale", "0.5", *here)
    refused = ros2.run(*set_parameter, "speed", "3.0", *here)
    assert "read-only" in refused.stdout + refused.stderr

    press = ("topic", "pub", "-r", "10", "-t", "30", "/cartpole/emergency_stop", "std_msgs/msg/Bool")
    ros2.says(*press, "{data: true}")
    demo.await_line("cartpole.actuator]: latched: emergency_stop")
    ros2.says(*press, "{data: false}")
    released = ros2.says("service", "call", "/cartpole/actuator/reset_stop", "std_srvs/srv/Trigger")
    assert "success=True" in released
    # A simulated robot goes on by itself.
    within(PATIENCE_S, lambda: "moving" in demo.printed.rpartition("latched: emergency_stop")[2], "it moves again")

    pids = nodes_of(ros2.folder / "run")
    assert set(alive(pids)) == set(SCENARIOS["demo"])
    assert demo.stop(signal.SIGINT) == 0
    assert not alive(pids)
    assert summary_of(ros2.folder / "run")["robot_steps"] > 0


def test_sigterm_leaves_no_node_behind(ros2: Ros2) -> None:
    demo = ros2.launch("demo.launch.py", "run_dir:=run")
    demo.await_line("cartpole.learner]: began run")
    pids = nodes_of(ros2.folder / "run")
    assert set(alive(pids)) == set(SCENARIOS["demo"])
    demo.stop(signal.SIGTERM)
    within(STOP_S, lambda: not alive(pids), "the end of every node")
    assert summary_of(ros2.folder / "run")["evaluation"]["episodes"] == 0


def test_a_demo_ends_by_itself_with_its_results(ros2: Ros2) -> None:
    demo = ros2.launch("demo.launch.py", "run_dir:=run", "minutes:=0.4")
    assert demo.process.wait(300) == 0, demo.printed
    assert "the time is up" in demo.printed
    assert "no policy was exported yet" in demo.printed
    assert summary_of(ros2.folder / "run")["robot_steps"] > 0
    assert not alive(nodes_of(ros2.folder / "run"))
