"""Tasks of a user's own package, and what a task computes."""

import math
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from robot_mbrl.config import RunConfig, load_run, resolve_run
from robot_mbrl.control.episodes import Episodes
from robot_mbrl.control.observing import Sensed
from robot_mbrl.errors import ConfigError
from robot_mbrl.fingerprint import Fingerprint
from robot_mbrl.tasks import Judgement, find_task, make_task

MODULE = """
from robot_mbrl.specs import Element, VectorSpec
from robot_mbrl.tasks import Judgement

class Balance:
    reads = ("pole_cos",)
    computes = {"progress": VectorSpec(elements=(Element(name="height", unit="m", scale=0.5),))}

    def reset(self):
        pass

    def judge(self, values):
        return Judgement(reward=values["pole_cos"], values={"height": 0.5 * values["pole_cos"]})

class Clashing(Balance):
    computes = {"progress": VectorSpec(elements=(Element(name="pole_cos"),))}

class Covering(Balance):
    computes = {"positions": VectorSpec(elements=(Element(name="height"),))}

class Deaf:
    reads = ("pole_cos",)

class Vague(Balance):
    reads = "pole_cos"

class Loose(Balance):
    computes = ("height",)

class Blind(Balance):
    reads = ("colour",)

nothing = 3
"""


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    folder = tmp_path / "their_robots"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "balancing.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "their_robots"]:
        del sys.modules[name]


def run(task: str, *observe: str) -> RunConfig:
    raw = {"name": "t", "robot": "cartpole", "task": task, "observe": observe or ("positions",)}
    return resolve_run(raw, "their-task.yaml")


def test_a_task_is_found_by_its_import_path_and_survives_being_saved(tmp_path: Path) -> None:
    config = run("their_robots.balancing:Balance")
    assert make_task(config.task.task).judge({"pole_cos": 0.5}).reward == 0.5
    again = RunConfig.model_validate(config.model_dump(mode="json"))
    assert again.task_class is config.task_class
    assert Fingerprint.of(config).fields["task.class"] == "their_robots.balancing:Balance"


@pytest.mark.parametrize(
    ("task", "complaint"),
    [
        ("their_robots.balancing:Balanec", r"has no class 'Balanec'; it has \['Balance', "),
        ("their_robots.balancing:nothing", "has no class 'nothing'"),
        ("their_robots.walking:Walk", "cannot be imported here: No module named 'their_robots.walking'; install its"),
        ("their_robots.balancing:", "no import path of a class; write it as package.module:Class"),
        ("their robots:Balance", "no import path of a class"),
        ("their_robots.balancing:Deaf", "is no task: it has no reset and no judge"),
        ("their_robots.balancing:Vague", "its reads must be a tuple"),
        ("their_robots.balancing:Loose", "its computes must map names of groups to"),
        ("their_robots.balancing:Blind", r"judges by \['colour'\], which robot 'cartpole' does not measure"),
        ("their_robots.balancing:Clashing", "computes 'pole_cos', which would be taken for another value"),
        ("their_robots.balancing:Covering", r"computes groups named \['positions'\], as vectors"),
        ("balance", r"there is no task class 'balance'; there are \['cartpole_swingup'.*, and those of your own"),
    ],
)
def test_what_is_no_task_is_named_with_file_field_and_remedy(task: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint) as told:
        run(task)
    assert str(told.value).startswith("their-task.yaml: ")
    assert "task.task" in str(told.value)


def test_what_a_task_computes_is_observed_where_it_is_named_and_recorded_in_any_case() -> None:
    blind, seeing = (
        run("their_robots.balancing:Balance"),
        run("their_robots.balancing:Balance", "positions", "progress"),
    )
    assert list(blind.observation_spec().vectors) == ["positions"]
    spec = seeing.observation_spec().vectors["progress"]
    assert (spec.names, spec.elements[0].unit, spec.elements[0].scale) == (("height",), "m", 0.5)
    for config in (blind, seeing):
        episodes = Episodes(config.task.model_copy(update={"reset": "none"}), make_task(config.task.task), "s")
        observation = episodes.advance(1, Sensed(0.05, {"pole_cos": 0.8}, {}, {}))
        assert observation is not None
        assert observation.values == {"pole_cos": 0.8, "height": pytest.approx(0.4)}
    assert Fingerprint.of(blind).differences(Fingerprint.of(seeing)) == [
        "computed.progress.elements was absent, here it is 'height'",
        "computed.progress.height.scale was absent, here it is 0.5",
        "computed.progress.height.unit was absent, here it is 'm'",
    ]


def test_a_group_that_nobody_has_is_named_beside_those_that_there_are() -> None:
    with pytest.raises(ConfigError, match=r"has no 'height', nor does its task compute any; there are .*'progress'"):
        run("their_robots.balancing:Balance", "height")


@pytest.mark.parametrize("values", [{}, {"height": math.nan}])
def test_a_task_that_does_not_compute_what_it_says_is_named(values: Mapping[str, float]) -> None:
    class Wrong(find_task("their_robots.balancing:Balance")):  # type: ignore[misc]
        def judge(self, measured: Mapping[str, float]) -> Any:
            return Judgement(reward=0.0, values=values)

    config = load_run("cartpole").task.model_copy(update={"reset": "none", "task": "wrong"})
    with pytest.raises(ConfigError, match=r"'wrong' says that it computes \['height'\], but its judgement has no"):
        Episodes(config, Wrong(), "s").advance(1, Sensed(0.05, {"pole_cos": 0.8}, {}, {}))
