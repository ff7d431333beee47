"""Several tasks as one run: what they observe is laid out by name, and what one model cannot learn is refused."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from robot_mbrl.commands.options import load_task
from robot_mbrl.config import load_run, packaged, save_run
from robot_mbrl.errors import ConfigError
from robot_mbrl.fingerprint import Fingerprint
from robot_mbrl.several import load_several, observed_values, places

SIX = "cartpole+cartpole-positions+pendulum+reacher+sphero-goal+husky-goal"


def packaged_yaml(kind: str, name: str) -> dict[str, Any]:
    """The fields of a packaged task or robot."""
    fields: dict[str, Any] = yaml.safe_load(
        (Path(__file__).parents[1] / "robot_mbrl" / kind / f"{name}.yaml").read_text()
    )
    return fields


def test_every_value_is_observed_once_whoever_observes_it_and_beside_them_which_task_it_is() -> None:
    run = load_several("pendulum+cartpole-positions+cartpole")
    observation = run.observation_spec()
    assert observation.vectors["values"].names == (
        *("angle_cos", "angle_sin", "angular_velocity"),
        *("cart_position", "pole_cos", "pole_sin"),
        *("cart_velocity", "pole_velocity"),
    )
    assert observation.vectors["task"].names == ("task_pendulum", "task_cartpole-positions", "task_cartpole")
    scales = {element.name: element.scale for element in observation.vectors["values"].elements}
    assert (scales["angular_velocity"], scales["cart_position"], scales["pole_velocity"]) == (5.0, 1.5, 5.0)
    elements = observed_values(run.members)
    assert [places(member, elements) for member in run.members] == [
        (0, 1, 2, None, None, None, None, None),
        (None, None, None, 0, 1, 2, None, None),
        (None, None, None, 0, 1, 2, 3, 4),
    ]


def test_an_action_is_as_long_as_the_longest() -> None:
    assert load_several("pendulum+cartpole").action_spec().size == 1
    assert load_several("pendulum+reacher").action_spec().size == 2


def test_six_tasks_of_three_control_rates_are_one_run_of_the_preset_that_is_there_for_it() -> None:
    assert "planet-multitask-cpu" in packaged("presets")
    run = load_task(SIX)
    assert [task.name for task in run.tasks] == SIX.split("+")
    assert {member.robot.control_rate_hz for member in run.members} == {20.0, 10.0, 2.0}
    assert run.robot.control_rate_hz == 20.0
    assert run.task.agent == "planet-multitask-cpu"
    assert all(member.agent == run.agent for member in run.members)


def test_what_is_overridden_holds_for_each_task() -> None:
    chosen = {"task.action_repeat": 2, "task.episode_steps": 30, "agent.deter": 16}
    run = load_several("pendulum+cartpole", chosen, seed=3)
    for each in (run, *run.members):
        assert (each.task.action_repeat, each.task.episode_steps, each.agent.model_dump()["deter"]) == (2, 30, 16)
        assert each.seed == 3


def test_a_saved_run_is_read_back_with_all_its_tasks(tmp_path: Path) -> None:
    run = load_several("pendulum+reacher", seed=5)
    save_run(run, tmp_path / "config.yaml")
    assert load_run(tmp_path) == run


def test_what_a_tasks_numbers_mean_is_part_of_what_the_weights_mean() -> None:
    run = load_several("pendulum+reacher")
    pendulum, reacher = run.members
    commands = tuple(
        c.model_copy(update={"joints": tuple(j.model_copy(update={"high": 1.0}) for j in c.joints)})
        for c in pendulum.robot.commands
    )
    weaker = pendulum.model_copy(update={"robot": pendulum.robot.model_copy(update={"commands": commands})})
    changed = Fingerprint.of(run).differences(Fingerprint.of(run.model_copy(update={"members": (weaker, reacher)})))
    assert changed == ["members.pendulum.commands.pivot.high was 2.0, here it is 1.0"]


@pytest.mark.parametrize(
    ("tasks", "overrides", "complaint"),
    [
        ("pendulum+somersault", {}, "'somersault' is neither a packaged name nor a YAML file"),
        ("pendulum+", {}, "'' cannot be one of several tasks"),
        ("pendulum+gym:Pendulum-v1", {}, "'gym:Pendulum-v1' cannot be one of several tasks"),
        ("pendulum+pendulum", {}, "name at least two tasks, each of them once"),
        ("pendulum+cartpole-image", {}, r"cartpole-image: .* it observes the pictures \['camera'\]"),
        ("pendulum+cartpole", {"task.agent": "dreamer-cpu"}, "agents of the family planet that plan for rewards"),
        ("pendulum+cartpole", {"agent.plan_for": "objective"}, "agents of the family planet that plan for rewards"),
    ],
)
def test_what_one_model_cannot_learn_is_refused(tasks: str, overrides: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        load_several(tasks, overrides)


@pytest.mark.parametrize(
    ("task_changes", "complaint"),
    [
        ({"action_repeat": 2}, "cartpole has an action_repeat of 1, other of 2: .* choose it with --action-repeat"),
        ({"world": None}, "exists in hardware only"),
        ({"agent": "planet-multitask-cpu", "overrides": {"deter": 8}}, "cartpole and other override settings"),
    ],
)
def test_tasks_that_do_not_go_together_are_told_apart(
    tmp_path: Path, task_changes: dict[str, Any], complaint: str
) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(yaml.safe_dump(packaged_yaml("tasks", "pendulum") | {"name": "other"} | task_changes))
    with pytest.raises(ConfigError, match=complaint):
        load_several(f"cartpole+{other}")


def test_one_name_for_two_values_is_refused_with_both(tmp_path: Path) -> None:
    robot = packaged_yaml("robots", "pendulum") | {"name": "heavy"}
    robot["vectors"]["state"]["elements"][2]["scale"] = 8.0
    (tmp_path / "heavy.yaml").write_text(yaml.safe_dump(robot))
    task = packaged_yaml("tasks", "pendulum") | {"name": "lift", "robot": "heavy.yaml"}
    (tmp_path / "lift.yaml").write_text(yaml.safe_dump(task))
    complaint = r"pendulum and lift both observe 'angular_velocity', .*: \[rad/s\], scale 5.0 and \[rad/s\], scale 8.0"
    with pytest.raises(ConfigError, match=complaint):
        load_several(f"pendulum+{tmp_path / 'lift.yaml'}")
