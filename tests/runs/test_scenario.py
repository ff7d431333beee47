"""The table of nodes agrees with the nodes, the console scripts and the launch files."""

import ast
import importlib.util
import os
import tomllib
from pathlib import Path

import pytest

from robot_mbrl.config import load_run
from robot_mbrl.errors import USER_ERROR, ConfigError
from robot_mbrl.runs.folder import RunFolder, read_json
from robot_mbrl.runs.launching import ARGUMENTS, launched
from robot_mbrl.runs.scenario import NODES, SCENARIOS, NodeProcess, NodeRow, Options, Side, scenario
from robot_mbrl.variety import Variety

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
        options = Options(view=True, video=True, lockstep=True, policy_file=tmp_path / "policy.onnx")
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


def test_a_robot_with_trackers_has_a_node_that_finds_what_they_look_for(tmp_path: Path) -> None:
    sphero = load_run("sphero-navigate")
    for name in ("demo", "evaluate", "robot"):
        nodes = [process.name for process in scenario(name, sphero, tmp_path)]
        assert nodes == [*SCENARIOS[name], "tracker"]
    assert "tracker" not in {process.name for process in scenario("workstation", sphero, tmp_path)}
    assert "tracker" not in processes("demo", tmp_path)


def test_a_robot_with_a_joystick_has_a_node_that_maps_it_wherever_people_may_take_over(tmp_path: Path) -> None:
    stick = {"dead_man": 4, "axes": {"slider": {"axis": 1}}}
    config = load_run("cartpole", {"robot.teleop": stick})
    for name in ("demo", "robot"):
        nodes = [process.name for process in scenario(name, config, tmp_path)]
        assert nodes == [*SCENARIOS[name], "teleop"]
    for name in ("evaluate", "workstation", "sim"):
        assert "teleop" not in {process.name for process in scenario(name, config, tmp_path)}
    assert "teleop" not in processes("robot", tmp_path)


def test_keys_alone_need_no_node_for_a_joystick(tmp_path: Path) -> None:
    choices = [{"name": "push", "values": {"slider": 5.0}}, {"name": "stay", "values": {}}]
    keys = {"choices": {"push": {"key": "right"}}, "neutral": "stay"}
    config = load_run("cartpole", {"robot.choices": choices, "robot.teleop": keys})
    assert [process.name for process in scenario("robot", config, tmp_path)] == list(SCENARIOS["robot"])


def test_worlds_vary_only_if_they_are_told_to(tmp_path: Path) -> None:
    plain = processes("demo", tmp_path)["simulator"].parameters
    assert (plain["randomise"], plain["push"], plain["change"]) == (False, False, "")
    options = Options(variety=Variety(push=True, changes=(("mass", 2.0), ("strength", 0.5))))
    told = processes("demo", tmp_path, options)["simulator"].parameters
    assert (told["randomise"], told["push"], told["change"]) == (False, True, "mass=2 strength=0.5")


def test_a_scenario_names_only_nodes_of_the_table() -> None:
    assert {name for names in SCENARIOS.values() for name in names} <= {row.name for row in NODES}


def test_a_window_is_a_node_of_its_own(tmp_path: Path) -> None:
    assert "viewer" not in processes("demo", tmp_path)
    assert processes("demo", tmp_path, Options(view=True)).keys() == {*SCENARIOS["demo"], "viewer"}


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


def test_a_learner_that_chooses_its_threads_asks_for_half_of_the_cores_but_for_one_at_least() -> None:
    agent = CONFIG.agent.model_copy(update={"threads": "auto"})
    assert [agent.own_cores(there) for there in (1, 2, 3, 16)] == [1, 1, 1, 8]


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


def test_only_a_simulated_robot_can_be_hurried_or_made_to_wait(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="speed 2: a real robot's time cannot be hurried"):
        processes("robot", tmp_path, Options(speed=2.0), simulated=False)
    with pytest.raises(ConfigError, match="a real robot does not wait"):
        processes("robot", tmp_path, Options(lockstep=True), simulated=False)
    with pytest.raises(ConfigError, match="speed has no meaning in lockstep"):
        processes("demo", tmp_path, Options(speed=2.0, lockstep=True))


def test_in_lockstep_everybody_who_takes_part_in_a_step_knows_it(tmp_path: Path) -> None:
    nodes = processes("demo", tmp_path, Options(lockstep=True))
    assert nodes["simulator"].parameters["mode"] == "lockstep"
    knowing = {name for name, node in nodes.items() if node.parameters.get("lockstep")}
    assert knowing == {"sensor", "actuator", "policy", "learner"}


def test_a_robot_may_begin_with_a_file_and_follow_another_learner(tmp_path: Path) -> None:
    nodes = processes("robot", tmp_path, Options(policy_file=Path("/p.onnx"), accept_new_run=True), simulated=False)
    assert nodes["policy"].parameters["start_policy"] == "file"
    assert nodes["policy"].parameters["policy_file"] == "/p.onnx"
    assert nodes["bundle"].parameters["accept_new_run"] is True


def test_the_robot_goes_on_without_its_learner_but_not_without_its_guard(tmp_path: Path) -> None:
    nodes = processes("demo", tmp_path)
    assert {name for name, node in nodes.items() if node.essential} == {"simulator", "sensor", "actuator", "policy"}
    actuator, learner = nodes["actuator"], nodes["learner"]
    assert actuator.ends_all(USER_ERROR, restarts=3)
    assert learner.ends_all(USER_ERROR, restarts=0)
    assert not learner.ends_all(USER_ERROR, restarts=1)
    assert not actuator.ends_all(1, restarts=0)


@pytest.mark.parametrize("side", Side)
def test_a_launch_file_starts_the_nodes_of_its_side(side: Side, tmp_path: Path) -> None:
    chosen = {name: default for name, (default, _) in ARGUMENTS.items()}
    chosen |= {"config": "cartpole", "run_dir": str(tmp_path / "run")}
    nodes = launched(side, **chosen)
    assert {node.name for node in nodes} == set(SCENARIOS[side])
    assert all(node.side is side for node in nodes)
    # What `robot-mbrl stop` finds these nodes by: ROS's own defaults where the user chose nothing.
    joining = read_json(RunFolder.open(Path(chosen["run_dir"])).environment)
    assert joining["ROS_DOMAIN_ID"] == os.environ.get("ROS_DOMAIN_ID", "0")
    again = launched(side, **chosen)
    assert [node.parameters for node in again] == [node.parameters for node in nodes]
    known_by_its_folder = launched(side, run_dir=chosen["run_dir"])
    assert [node.parameters for node in known_by_its_folder] == [node.parameters for node in nodes]


@pytest.fixture
def task(tmp_path: Path) -> Path:
    """A task whose robot's YAML a person writes."""
    (tmp_path / "robot.yaml").write_bytes((ROOT / "robot_mbrl/robots/cartpole.yaml").read_bytes())
    text = (ROOT / "robot_mbrl/tasks/cartpole.yaml").read_text()
    path = tmp_path / "task.yaml"
    path.write_text(text.replace("robot: cartpole", "robot: robot.yaml"))
    return path


@pytest.mark.parametrize(
    "wrong", [{"start_policy": "rnd"}, {"provider": "gpu"}, {"lockstep": "maybe"}, {"speed": "fast"}]
)
def test_a_launch_that_is_refused_leaves_nothing_behind(wrong: dict[str, str], task: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        launched("robot", config=str(task), run_dir=str(tmp_path / "run"), **wrong)
    assert not (tmp_path / "run").exists()


def test_a_limit_that_was_mended_since_the_run_began_is_not_ignored_in_silence(task: Path, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    launched("robot", config=str(task), run_dir=str(run_dir))
    robot = task.with_name("robot.yaml")
    assert "low: -10.0, high: 10.0" in robot.read_text()
    robot.write_text(robot.read_text().replace("low: -10.0, high: 10.0", "low: -5.0, high: 5.0"))
    with pytest.raises(ConfigError, match=r"robot\.commands\.0\.joints\.0\.low, robot\.commands\.0\.joints\.0\.high"):
        launched("robot", config=str(task), run_dir=str(run_dir))
    assert launched("robot", config=str(run_dir), run_dir=str(run_dir))


def test_runs_without_a_folder_lie_apart_by_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("cartpole", "pendulum"):
        (node,) = launched("sim", config=name, simulated="true")
        assert node.parameters["config"] == str(tmp_path / "robot_mbrl" / name / "config.yaml")


def test_two_of_a_kind_have_a_namespace_and_a_folder_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    left, right = (launched("robot", config="cartpole", namespace=name) for name in ("left-hand", "right_hand"))
    assert {node.namespace for node in left} == {"/left_hand"}
    assert {node.namespace for node in right} == {"/right_hand"}
    assert left[0].parameters["config"] != right[0].parameters["config"]
    folder = tmp_path / "robot_mbrl" / "cartpole-left-hand"
    assert {node.namespace for node in launched("robot", run_dir=str(folder))} == {"/left_hand"}
    with pytest.raises(ConfigError, match="holds a run in namespace /left_hand, not 'right_hand': name another folder"):
        launched("robot", run_dir=str(folder), namespace="right_hand")


def test_a_learner_is_told_of_the_robots_that_it_is_there_for(tmp_path: Path) -> None:
    nodes = scenario("workstation", load_run("cartpole"), tmp_path, Options(robots=("/right", "/third")))
    learner = next(node for node in nodes if node.name == "learner")
    assert learner.parameters["robots"] == "/right,/third"


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"config": "cartpole", "namespace": "2nd"}, "namespace: '2nd' must begin with a letter"),
        ({"config": "cartpole", "speed": "fast"}, "speed: 'fast' is not a number"),
        ({"config": "cartpole", "simulated": "yes"}, "simulated: 'yes' is neither true nor false"),
        ({}, "config: name a task"),
    ],
)
def test_launch_arguments_that_mean_nothing_are_refused(
    chosen: dict[str, str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ConfigError, match=message):
        launched("robot", **chosen)
