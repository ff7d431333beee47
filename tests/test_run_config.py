"""Tasks, agents and overrides that would only fail while learning are refused when they are read."""

from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml

from robot_mbrl.agent_configs import AgentSettings, DreamerConfig
from robot_mbrl.agent_configs.retired import RETIRED
from robot_mbrl.config import RunConfig, load_run, packaged, save_run
from robot_mbrl.errors import ConfigError
from robot_mbrl.nets.images import ImageEncoder
from robot_mbrl.specs import ImageSpec


@pytest.mark.parametrize(
    ("overrides", "complaint"),
    [
        ({"task.task": "typo"}, r"task.task: there is no task class 'typo'; there are \['cartpole_swingup'"),
        ({"task.name": "../mine"}, "name: .*'../mine' must begin with a letter"),
        ({"task.observe": ["position"]}, r"task.observe: robot 'cartpole' has no 'position'"),
        ({"task.task": "reach_target"}, r"task.task: 'reach_target' judges by \['elbow_cos', .* does not measure"),
        ({"agent.bins": 40}, "agent: .*bins: 40 is even"),
        ({"agent.blocks": 3}, "agent: .*blocks: 3 does not divide deter, 64"),
        ({"agent.unimix": 0.0}, "unimix: 0 is not between 0 and 1: .* makes every update NaN.*; 0.01 is usual"),
        ({"agent.action_unimix": 0.0}, "action_unimix: 0 is not between 0 and 1"),
        ({"agent.unimix": 1.0}, "unimix: 1 is not between 0 and 1: .*at 1 nothing is learned"),
        ({"agent.classes": 257}, "agent.classes: .*less than or equal to 256"),
        ({"agent.min_std": 2.0}, "min_std: 2.0 is above max_std, 1.0"),
        ({"agent.replay_capacity": 500}, "replay_capacity: 500 never holds the 1000 steps"),
        ({"agent.device": "gpu"}, "agent.device"),
    ],
)
def test_contradictions_are_named_with_their_file(overrides: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint) as told:
        load_run("cartpole", overrides)
    assert "cartpole.yaml" in str(told.value)


@pytest.mark.parametrize(("height", "width"), [(64, 48), (48, 48), (100, 100)])
def test_pictures_that_the_agent_cannot_see_are_refused_only_where_they_are_observed(height: int, width: int) -> None:
    picture = {"robot.cameras": {"camera": {"source": "camera", "image": {"height": height, "width": width}}}}
    with pytest.raises(ConfigError, match=f"cameras.camera.image of robot 'cartpole': .*not {height}x{width}"):
        load_run("cartpole-image", picture)
    assert load_run("cartpole", picture).robot.cameras["camera"].image.height == height


@pytest.mark.parametrize("side", [8, 64, 512])
def test_pictures_that_are_accepted_can_be_encoded(side: int) -> None:
    picture = {"robot.cameras": {"camera": {"source": "camera", "image": {"height": side, "width": side}}}}
    image = load_run("cartpole-image", picture).robot.cameras["camera"].image
    assert ImageEncoder(image, 1).size > 0
    assert isinstance(image, ImageSpec)


def test_a_wrong_field_is_told_once_and_in_our_words(tmp_path: Path) -> None:
    robot = yaml.safe_load((resources.files("robot_mbrl") / "robots/cartpole.yaml").read_text())
    del robot["commands"][0]["joints"][0]["low"]
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(robot))
    with pytest.raises(ConfigError) as told:
        load_run("cartpole", {"task.robot": str(tmp_path / "mine.yaml")})
    assert "low" in str(told.value)
    assert "at least 1 item" not in str(told.value)
    assert "Value error" not in str(told.value)


def test_a_wrong_field_of_a_robots_own_file_is_named_with_that_file(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("name: my robot\n")
    (tmp_path / "task.yaml").write_text("name: t\nrobot: mine.yaml\ntask: cartpole_swingup\nobserve: [positions]\n")
    with pytest.raises(ConfigError, match=r"mine\.yaml: name: .*'my robot'"):
        load_run(tmp_path / "task.yaml")


@pytest.mark.parametrize("task", packaged("tasks"))
@pytest.mark.parametrize("preset", packaged("presets"))
def test_every_preset_goes_with_every_task(task: str, preset: str) -> None:
    config: RunConfig = load_run(task, {"task.agent": preset})
    assert isinstance(config.agent, AgentSettings)


@pytest.mark.parametrize(("retired", "instead"), RETIRED.items())
def test_a_preset_that_is_no_more_says_what_took_its_place(retired: str, instead: str) -> None:
    with pytest.raises(ConfigError, match=f"'{retired}' is no more: {instead} "):
        load_run("cartpole", {"task.agent": retired})
    assert instead in packaged("presets")


def test_a_run_of_a_preset_that_is_no_more_goes_on_with_the_settings_it_has(tmp_path: Path) -> None:
    config = load_run("cartpole", {"agent.deter": 32})
    config = config.model_copy(update={"task": config.task.model_copy(update={"agent": "dreamer-gpu"})})
    save_run(config, tmp_path / "config.yaml")
    assert load_run(tmp_path) == config


def test_the_cpu_preset_writes_out_every_default() -> None:
    written = yaml.safe_load((resources.files("robot_mbrl") / "presets" / "dreamer-cpu.yaml").read_text())
    assert written.pop("description")
    assert written == DreamerConfig().model_dump(mode="json", exclude={"description"})
