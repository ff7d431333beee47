"""What the launch files ask ROS's `launch` for.

`launch` is not among the ROS packages on PyPI, so plain records stand in for its classes: they
show what it is asked for, not what it makes of it.
"""

import importlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import rclpy
from rclpy.node import Node

from robot_mbrl.commands import launched_demo
from robot_mbrl.config import load_run
from robot_mbrl.errors import USER_ERROR, ConfigError
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.runs.launching import ARGUMENTS
from robot_mbrl.runs.running import living_nodes, running_runs
from robot_mbrl.runs.scenario import LEARNER_NICENESS, SCENARIOS, Side
from ros_nodes.claims import claim

ROOT = Path(__file__).parents[2]


class Asked(SimpleNamespace):
    """An instance of a class of `launch`, as it was asked for."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(args=args, **kwargs)


class LaunchConfiguration(Asked):
    """The value of a launch argument."""

    def perform(self, context: dict[str, str]) -> str:
        return context.get(self.args[0], getattr(self, "default", None))


NAMES = {
    "launch": ("Action", "LaunchDescription"),
    "launch.actions": ("DeclareLaunchArgument", "EmitEvent", "ExecuteProcess", "LogInfo", "OpaqueFunction")
    + ("RegisterEventHandler", "TimerAction"),
    "launch.event_handlers": ("OnProcessExit", "OnProcessStart"),
    "launch.events": (),
    "launch.events.process": ("ProcessExited", "ProcessStarted", "ShutdownProcess"),
    "launch.substitutions": (),
    "launch_ros": (),
    "launch_ros.actions": ("Node",),
}


@pytest.fixture
def description(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`ros_nodes.launch_description`, whatever ROS is installed."""
    # Actions are told from one another as objects are, whatever they were asked for.
    plain = {"__eq__": object.__eq__, "__hash__": object.__hash__}
    for name, classes in NAMES.items():
        module = ModuleType(name)
        module.__dict__.update({each: type(each, (Asked,), plain) for each in classes})
        monkeypatch.setitem(sys.modules, name, module)
    sys.modules["launch"].LaunchContext = dict
    sys.modules["launch.substitutions"].LaunchConfiguration = LaunchConfiguration
    sys.modules["launch.events"].matches_action = lambda action: lambda other: other is action
    monkeypatch.delitem(sys.modules, "ros_nodes.launch_description", raising=False)
    at_exit: list[Any] = []
    monkeypatch.setattr("atexit.register", at_exit.append)
    module: Any = importlib.import_module("ros_nodes.launch_description")
    module.at_exit = at_exit
    yield module
    sys.modules.pop("ros_nodes.launch_description", None)


@pytest.fixture
def describe(description: Any) -> Any:
    return description.describe


def started(described: Any, arguments: Mapping[str, Any] = ARGUMENTS, **chosen: str) -> list[Any]:
    """What a description starts with these arguments and the others' defaults."""
    *declared, opaque = described.args[0]
    assert [argument.args[0] for argument in declared] == list(arguments)
    assert all(argument.description for argument in declared)
    context = {argument.args[0]: argument.default_value for argument in declared} | chosen
    return list(opaque.function(context))


def nodes(described: Any, **chosen: str) -> dict[str, Any]:
    """The nodes among it, by executable."""
    return {node.exec_name: node for node in started(described, **chosen)}


def raised(action: Any) -> str:
    """What an action ends launch with."""
    with pytest.raises(ConfigError) as error:
        action.function({})
    return str(error.value)


@pytest.mark.parametrize("side", Side)
def test_each_launch_file_starts_the_nodes_of_its_side(describe: Any, side: Side, tmp_path: Path) -> None:
    found: dict[str, Any] = {}
    exec((ROOT / "launch" / f"{side}.launch.py").read_text(), found)  # noqa: S102 as `ros2 launch` does
    found_nodes = nodes(found["generate_launch_description"](), config="cartpole", run_dir=str(tmp_path / "run"))
    assert set(found_nodes) == set(SCENARIOS[side])
    for node in found_nodes.values():
        assert (node.executable, node.namespace, node.respawn) == (sys.executable, "/cartpole", True)
        assert node.parameters[0]["config"] == str(tmp_path / "run" / "config.yaml")


def test_the_guard_has_time_to_stop_the_robot_and_the_learner_yields(describe: Any, tmp_path: Path) -> None:
    run_dir = str(tmp_path / "run")
    guard = nodes(describe("robot"), config="cartpole", run_dir=run_dir)["actuator"]
    assert float(guard.sigterm_timeout) >= 3.0
    assert guard.prefix == "setpriv --pdeathsig TERM"
    assert guard.parameters[0]["enable_on_start"] is False
    learner = nodes(describe("workstation"), run_dir=run_dir)["learner"]
    assert learner.prefix == f"setpriv --pdeathsig TERM nice -n {LEARNER_NICENESS}"


def test_a_pushed_namespace_is_refused_with_what_helps(describe: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="namespace:=NAME"):
        nodes(describe("robot"), config="cartpole", run_dir=str(tmp_path / "run"), ros_namespace="/lab")


def test_a_node_that_was_told_something_wrong_ends_the_launch_and_a_crash_does_not(
    describe: Any, tmp_path: Path
) -> None:
    both = nodes(describe("workstation"), config="cartpole", run_dir=str(tmp_path / "run"))
    crashed, wrong = SimpleNamespace(returncode=1), SimpleNamespace(returncode=USER_ERROR)
    learner, monitor = both["learner"], both["monitor"]
    # An error, so that launch itself does not end as if all were well.
    assert "message is above" in raised(learner.on_exit(wrong, {}))
    assert monitor.on_exit(crashed, {}) is None
    # What was told rightly at first is worth another try after a crash.
    assert monitor.on_exit(wrong, {}) is None


@pytest.fixture
def living(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A sensor node of the cart-pole that claims to be the only one, in a ROS domain of its own."""
    monkeypatch.setenv("ROS_DOMAIN_ID", "97")
    rclpy.init(domain_id=97)
    node = Node("sensor", namespace="/cartpole")
    claimed: socket.socket = claim(node)
    yield claimed
    claimed.close()
    node.destroy_node()
    rclpy.shutdown()


def test_a_second_launch_of_a_robot_is_refused_before_there_is_a_folder_for_it(
    describe: Any, living: socket.socket, tmp_path: Path
) -> None:
    run_dir = tmp_path / "run"
    with pytest.raises(ConfigError, match="another sensor node"):
        nodes(describe("robot"), config="cartpole", run_dir=str(run_dir))
    assert not run_dir.exists()
    # Those of another robot, and a workstation's, may be started; and the first one's again once it has gone.
    assert nodes(describe("robot"), config="cartpole", run_dir=str(tmp_path / "b"), namespace="second")
    assert nodes(describe("workstation"), config="cartpole", run_dir=str(tmp_path / "c"))
    living.close()
    assert nodes(describe("robot"), config="cartpole", run_dir=str(run_dir))


class Demo:
    """A demo as launch is asked for it: its nodes and what follows when they start and end."""

    def __init__(self, description: Any, **chosen: str) -> None:
        actions = started(description.describe_demo(), launched_demo.ARGUMENTS, **chosen)
        self.introduction, *rest = actions
        self.nodes = {action.exec_name: action for action in rest if hasattr(action, "exec_name")}
        self.timers = [action for action in rest if hasattr(action, "period")]
        # Libraries that are loaded meanwhile have ends of their own.
        self.at_exit = description.at_exit[-1]
        (self._start,) = [a.args[0].on_start for a in rest if a.args and hasattr(a.args[0], "on_start")]
        (self.exits,) = [a.args[0].on_exit for a in rest if a.args and hasattr(a.args[0], "on_exit")]

    def starts(self, *names: str, pid: int | None = None) -> None:
        for name in names:
            self._start(SimpleNamespace(action=self.nodes[name], pid=os.getpid() if pid is None else pid), {})

    def ends(self, *names: str) -> list[Any]:
        """What follows the ends of nodes, one after another."""
        return [self.exits(SimpleNamespace(action=self.nodes[name]), {}) for name in names]

    def asked_to_end(self) -> set[str]:
        """The nodes that are asked to end when the time is up."""
        told, opaque = self.timers[0].actions
        matchers = [action.event.process_matcher for action in opaque.function({})]
        return {name for name, node in self.nodes.items() if sum(matches(node) for matches in matchers) == 1}


def demo_of(description: Any, run_dir: Path, **chosen: str) -> Demo:
    return Demo(description, run_dir=str(run_dir), **chosen)


def test_the_demo_starts_a_simulated_robot_that_learns(description: Any, tmp_path: Path) -> None:
    found: dict[str, Any] = {}
    exec((ROOT / "launch" / "demo.launch.py").read_text(), found)  # noqa: S102 as `ros2 launch` does
    as_launched = SimpleNamespace(describe_demo=found["generate_launch_description"], at_exit=description.at_exit)
    demo = Demo(as_launched, run_dir=str(tmp_path / "run"))
    assert set(demo.nodes) == set(SCENARIOS["demo"])
    assert demo.nodes["actuator"].parameters[0]["enable_on_start"] is True
    assert str(tmp_path / "run") in demo.introduction.msg
    assert load_run(tmp_path / "run").task.name == "cartpole"


def test_when_the_time_is_up_the_nodes_end_and_then_the_policy_is_judged(description: Any, tmp_path: Path) -> None:
    demo = demo_of(description, tmp_path / "run", minutes="2.5")
    names = list(SCENARIOS["demo"])
    demo.starts(*names)
    # A node that crashes before is started again, which is nobody's end.
    assert demo.ends("monitor") == [None]
    demo.starts("monitor")
    assert demo.timers[0].period == 150.0
    assert demo.asked_to_end() == set(names)
    *before, judging = demo.ends(*names)
    assert before == [None] * (len(names) - 1)
    assert judging.cmd == [sys.executable, "-m", "robot_mbrl.commands.demo_end", str(tmp_path / "run"), "150"]


def test_whoever_ends_it_before_has_its_results_written_down_once_its_nodes_have_ended(
    description: Any, tmp_path: Path
) -> None:
    demo = demo_of(description, tmp_path / "run", minutes="0")
    with subprocess.Popen(["sleep", "600"]) as node:
        # As at SIGTERM, at which launch leaves what it has started; this process itself is not what it has started.
        demo.starts("simulator", pid=node.pid)
        demo.starts("learner")
        demo.at_exit()
        assert not Path(f"/proc/{node.pid}").exists()
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["evaluation"]["episodes"] == 0
    assert summary["wall_s"] > 0.0


@pytest.mark.parametrize(("returncode", "written"), [(0, False), (-2, True)])
def test_what_was_judged_is_written_down_once(
    description: Any, tmp_path: Path, returncode: int, *, written: bool
) -> None:
    demo = demo_of(description, tmp_path / "run", minutes="2.5")
    names = list(SCENARIOS["demo"])
    demo.starts(*names)
    demo.asked_to_end()
    *_, judging = demo.ends(*names)
    demo.exits(SimpleNamespace(action=judging, returncode=returncode), {})
    demo.at_exit()
    assert (tmp_path / "run" / "summary.json").exists() is written


def test_a_demo_that_never_began_leaves_nothing_to_write_down(description: Any, tmp_path: Path) -> None:
    demo_of(description, tmp_path / "run").at_exit()
    assert not (tmp_path / "run" / "summary.json").exists()


def test_a_demo_may_be_of_another_world(description: Any, tmp_path: Path) -> None:
    demo = demo_of(description, tmp_path / "run", randomise="true", change="mass=2 friction=0.5", video="true")
    parameters = demo.nodes["simulator"].parameters[0]
    assert (parameters["randomise"], parameters["push"]) == (True, False)
    assert parameters["change"] == "mass=2 friction=0.5"
    assert parameters["video"].endswith(".mp4")


def test_a_living_demo_is_found_by_its_nodes(description: Any, tmp_path: Path) -> None:
    demo = demo_of(description, tmp_path / "run")
    assert running_runs(tmp_path) == []
    demo.starts("simulator", "learner")
    assert [run.path for run in running_runs(tmp_path)] == [tmp_path / "run"]
    assert living_nodes(RunFolder(tmp_path / "run")) == {"simulator", "learner"}


def test_a_demo_without_end_is_judged_by_nobody(description: Any, tmp_path: Path) -> None:
    demo = demo_of(description, tmp_path / "run", minutes="0")
    names = list(SCENARIOS["demo"])
    demo.starts(*names)
    assert demo.timers == []
    assert demo.ends(*names) == [None] * len(names)


@pytest.mark.parametrize(
    ("chosen", "reason"),
    [
        ({"config": "nothing"}, "'nothing' is neither"),
        ({"config": "~nobody-here/x.yaml"}, "no home"),
        ({"agent": "nothing"}, "'nothing' is neither"),
        ({"minutes": "soon"}, "minutes: 'soon' is not a number"),
        ({"minutes": "-1"}, "minutes: -1 is below zero"),
        ({"speed": "0"}, "speed: 0 is not above zero"),
        ({"seed": "-1"}, "seed: -1 is below zero"),
        ({"namespace": "a b"}, "namespace: 'a b' must begin"),
        ({"lockstep": "perhaps"}, "lockstep: 'perhaps' is neither"),
        ({"lockstep": "true", "speed": "2"}, "no meaning in lockstep"),
        ({"provider": "tpu"}, "provider: 'tpu' is none of"),
        ({"change": "weight=2"}, "change: 'weight' is none of"),
        ({"faults": "/nowhere.yaml"}, "/nowhere.yaml: cannot be read"),
        ({"ros_namespace": "/lab"}, "namespace:=NAME"),
    ],
)
def test_a_wrong_argument_is_refused_before_there_is_a_folder(
    description: Any, chosen: dict[str, str], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=reason):
        demo_of(description, tmp_path / "run", **chosen)
    assert not (tmp_path / "run").exists()


def test_a_task_that_exists_in_hardware_only_is_no_demo(description: Any, tmp_path: Path) -> None:
    task = tmp_path / "real.yaml"
    task.write_text((ROOT / "robot_mbrl" / "tasks" / "cartpole.yaml").read_text().replace("world:", "# world:"))
    with pytest.raises(ConfigError, match="hardware only"):
        demo_of(description, tmp_path / "run", config=str(task))
    assert not (tmp_path / "run").exists()


def test_a_demo_goes_on_where_it_ended_with_starts_it_has_not_seen(description: Any, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    first = demo_of(description, run_dir, config="pendulum", seed="3")
    assert first.nodes["simulator"].parameters[0]["seed"] == 3
    with pytest.raises(ConfigError, match="in use"):
        demo_of(description, run_dir)
    # As the end of launch's process does.
    description.at_exit.clear()
    del first
    RunFolder(run_dir).metrics.write_text('{"kind": "learner", "robot_steps": 500}\n')
    again = demo_of(description, run_dir)
    assert again.nodes["simulator"].parameters[0]["seed"] == 503
    assert load_run(run_dir).task.name == "pendulum"


@pytest.mark.parametrize("chosen", [{"seed": "4"}, {"agent": "mpc-cpu"}])
def test_what_defines_a_run_is_refused_of_one_that_goes_on(
    description: Any, chosen: dict[str, str], tmp_path: Path
) -> None:
    RunFolder.create(load_run("cartpole"), tmp_path / "run")
    with pytest.raises(ConfigError, match="keeps what its config.yaml says"):
        demo_of(description, tmp_path / "run", **chosen)
    with pytest.raises(ConfigError, match="holds a run with other values"):
        demo_of(description, tmp_path / "run", config="pendulum")
