"""What the launch files ask ROS's `launch` for.

`launch` is not among the ROS packages on PyPI, so plain records stand in for its classes: they
show what it is asked for, not what it makes of it.
"""

import importlib
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from robot_mbrl.errors import USER_ERROR, ConfigError
from robot_mbrl.runs.launching import ARGUMENTS
from robot_mbrl.runs.scenario import LEARNER_NICENESS, SCENARIOS, Side

ROOT = Path(__file__).parents[2]


class Asked(SimpleNamespace):
    """An instance of a class of `launch`, as it was asked for."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(args=args, **kwargs)


class LaunchConfiguration(Asked):
    """The value of a launch argument."""

    def perform(self, context: dict[str, str]) -> str:
        return context.get(self.args[0], getattr(self, "default", None))


@pytest.fixture
def describe(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`ros_nodes.launch_description.describe`, whatever ROS is installed."""
    contents = {
        "launch": {"LaunchContext": dict, "LaunchDescription": Asked},
        "launch.actions": {name: type(name, (Asked,), {}) for name in ("DeclareLaunchArgument", "OpaqueFunction")},
        "launch.events": {},
        "launch.events.process": {"ProcessExited": Asked},
        "launch.substitutions": {"LaunchConfiguration": LaunchConfiguration},
        "launch_ros": {},
        "launch_ros.actions": {"Node": Asked},
    }
    contents["launch.actions"]["Shutdown"] = type("Shutdown", (Asked,), {})
    for name, content in contents.items():
        module = ModuleType(name)
        module.__dict__.update(content)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, "ros_nodes.launch_description", raising=False)
    yield importlib.import_module("ros_nodes.launch_description").describe
    sys.modules.pop("ros_nodes.launch_description", None)


def nodes(description: Any, **chosen: str) -> dict[str, Any]:
    """The nodes that a description starts, by executable, with these arguments and the others' defaults."""
    *declared, opaque = description.args[0]
    assert [argument.args[0] for argument in declared] == list(ARGUMENTS)
    assert all(argument.description for argument in declared)
    context = {argument.args[0]: argument.default_value for argument in declared} | chosen
    return {node.exec_name: node for node in opaque.function(context)}


@pytest.mark.parametrize("side", Side)
def test_each_launch_file_starts_the_nodes_of_its_side(describe: Any, side: Side, tmp_path: Path) -> None:
    found: dict[str, Any] = {}
    exec((ROOT / "launch" / f"{side}.launch.py").read_text(), found)  # noqa: S102 as `ros2 launch` does
    started = nodes(found["generate_launch_description"](), config="cartpole", run_dir=str(tmp_path / "run"))
    assert set(started) == set(SCENARIOS[side])
    for node in started.values():
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
    started = nodes(describe("workstation"), config="cartpole", run_dir=str(tmp_path / "run"))
    crashed, wrong = SimpleNamespace(returncode=1), SimpleNamespace(returncode=USER_ERROR)
    learner, monitor = started["learner"], started["monitor"]
    assert "message is above" in learner.on_exit(wrong, {}).reason
    assert monitor.on_exit(crashed, {}) is None
    # What was told rightly at first is worth another try after a crash.
    assert monitor.on_exit(wrong, {}) is None
