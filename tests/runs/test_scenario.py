"""The table of nodes agrees with the nodes, the console scripts and the launch files."""

import ast
import importlib.util
import tomllib
from pathlib import Path

import pytest

from robot_mbrl.config import load_run
from robot_mbrl.runs.folder import RunFolder
from robot_mbrl.runs.launching import ARGUMENTS, launched
from robot_mbrl.runs.scenario import NODES, SCENARIOS, NodeProcess, NodeRow, Options, Side, scenario

ROOT = Path(__file__).parents[2]
CONFIG = load_run("cartpole", seed=3)
ROWS = pytest.mark.parametrize("row", NODES, ids=lambda row: row.name)


def declared(module: str) -> dict[str, ast.expr]:
    """Default of each parameter that a node's source declares with a literal name."""
    spec = importlib.util.find_spec(module)
    assert spec is not None, f"there is no {module}"
    assert spec.origin is not None
    calls = [node for node in ast.walk(ast.parse(Path(spec.origin).read_text())) if isinstance(node, ast.Call)]
    declarations = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "declare"]
    return {call.args[1].value: call.args[2] for call in declarations if isinstance(call.args[1], ast.Constant)}


def processes(name: str, folder: Path, options: Options | None = None, **kwargs: bool) -> dict[str, NodeProcess]:
    return {process.name: process for process in scenario(name, CONFIG, folder, options, **kwargs)}


@ROWS
def test_a_node_declares_every_parameter_that_the_table_sets(row: NodeRow, tmp_path: Path) -> None:
    known = declared(row.module)
    for name in SCENARIOS:
        options = Options(view=True, video=True)
        for process in scenario(name, CONFIG, tmp_path, options):
            if process.name != row.name:
                continue
            for parameter, value in process.parameters.items():
                if parameter == "use_sim_time":
                    continue
                assert parameter in known, f"{row.module} does not declare {parameter!r}, only {sorted(known)}"
                default = known[parameter]
                if isinstance(default, ast.Constant):
                    assert type(default.value) is type(value), f"{row.module}: {parameter} is of another type"


@ROWS
def test_every_node_is_a_console_script(row: NodeRow) -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts[row.executable] == f"{row.module}:main"


def test_a_scenario_names_only_nodes_of_the_table() -> None:
    assert {name for names in SCENARIOS.values() for name in names} <= {row.name for row in NODES}


def test_the_three_sides_together_are_the_demo() -> None:
    sides = [set(SCENARIOS[side]) for side in Side]
    assert set.union(*sides) == set(SCENARIOS["demo"])
    assert sum(map(len, sides)) == len(SCENARIOS["demo"])


def test_a_node_is_started_in_the_robots_namespace_with_its_parameters(tmp_path: Path) -> None:
    command = processes("demo", tmp_path / "a run", Options(speed=2))["actuator"].command()
    assert command[1:5] == ["-m", "ros_nodes.actuator_node", "--ros-args", "-r"]
    assert command[5] == "__ns:=/cartpole"
    assert f'config:="{tmp_path}/a run/config.yaml"' in command
    assert "enable_on_start:=true" in command


def test_a_real_robot_waits_for_its_policy_and_for_being_enabled(tmp_path: Path) -> None:
    robot = processes("robot", tmp_path, simulated=False)
    assert robot["policy"].parameters["start_policy"] == "hold"
    assert robot["actuator"].parameters["enable_on_start"] is False
    assert robot["actuator"].parameters["use_sim_time"] is False


def test_simulated_time_is_for_those_who_read_it(tmp_path: Path) -> None:
    reading = {name for name, process in processes("demo", tmp_path).items() if process.parameters["use_sim_time"]}
    assert reading == {"sensor"}


def test_the_guard_stops_before_the_driver_that_it_commands_and_the_recorder_after_it(tmp_path: Path) -> None:
    first = {name for name, process in processes("demo", tmp_path).items() if process.stops_first}
    assert "actuator" in first
    assert not {"simulator", "recorder", "monitor", "learner"} & first


def test_only_the_learner_asks_for_cores_of_its_own(tmp_path: Path) -> None:
    asking = {name: process.own_cores for name, process in processes("demo", tmp_path).items() if process.own_cores}
    assert asking == {"learner": CONFIG.agent.threads}


def test_a_simulated_robot_begins_with_random_actions_or_with_the_policy_it_has(tmp_path: Path) -> None:
    assert processes("demo", tmp_path)["policy"].parameters["start_policy"] == "random"
    store = RunFolder(tmp_path).bundles
    store.mkdir()
    (store / "r-1.onnx").touch()
    assert processes("demo", tmp_path)["policy"].parameters["start_policy"] == "cached"


def test_an_evaluation_drives_with_the_exported_file_and_receives_nothing(tmp_path: Path) -> None:
    nodes = processes("evaluate", tmp_path)
    assert not {"learner", "bundle", "recorder"} & nodes.keys()
    assert nodes["policy"].parameters["start_policy"] == "file"
    assert nodes["policy"].parameters["policy_file"] == str(RunFolder(tmp_path).policy)
    assert nodes["sensor"].parameters["mode"] == "evaluate"


def test_the_learner_takes_what_the_others_leave(tmp_path: Path) -> None:
    nodes = processes("demo", tmp_path)
    assert nodes["learner"].niceness > max(node.niceness for name, node in nodes.items() if name != "learner")


@pytest.mark.parametrize("side", Side)
def test_a_launch_file_starts_the_nodes_of_its_side(side: Side, tmp_path: Path) -> None:
    source = (ROOT / "launch" / f"{side}.launch.py").read_text()
    compile(source, f"{side}.launch.py", "exec")
    assert f'describe("{side}"' in source
    chosen = {name: default for name, (default, _) in ARGUMENTS.items()} | {"run_dir": str(tmp_path / "run")}
    nodes = launched(side, **chosen)
    assert {node.name for node in nodes} == set(SCENARIOS[side])
    assert all(node.side is side for node in nodes)
    again = launched(side, **chosen)
    assert [node.parameters for node in again] == [node.parameters for node in nodes]
