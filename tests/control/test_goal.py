"""The goal: told while the robot lives, held to its ranges, and part of every observation from the next one on."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.control.bundle_file import Bundle, check_bundle
from robot_mbrl.control.bundle_policy import BundlePolicy
from robot_mbrl.control.goal import Goal
from robot_mbrl.errors import BundleError, ConfigError, MessageError
from robot_mbrl.experience.filling import fill_replay
from robot_mbrl.experience.replay import Replay
from robot_mbrl.experience.session import StepWriter
from robot_mbrl.fingerprint import Fingerprint
from robot_mbrl.specs import Source
from robot_mbrl.steps import Action, Step
from robot_mbrl.tasks import TASKS, Judgement
from sim.in_process import InProcessRobot
from tests.bundles import make_bundle

ELEMENTS = [
    {"name": "goal_position", "unit": "m", "low": -1.0, "high": 2.0, "scale": 0.5},
    {"name": "goal_height", "unit": "m", "low": 0.0, "high": 1.0, "initial": 0.25},
]


class _BeThere:
    """Pays by the distance from the goal."""

    reads = ("cart_position", "goal_position")

    def reset(self) -> None:
        pass

    def judge(self, values: Any) -> Judgement:
        return Judgement(reward=-abs(values["cart_position"] - values["goal_position"]))


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch) -> RunConfig:
    monkeypatch.setitem(TASKS, "be_there", _BeThere)
    return with_goal(ELEMENTS, task="be_there")


def with_goal(elements: list[dict[str, Any]], task: str = "cartpole_swingup") -> RunConfig:
    return load_run("cartpole", {"task.goal": {"place": {"elements": elements}}, "task.task": task})


def test_until_one_is_told_the_initial_goal_holds(config: RunConfig) -> None:
    assert Goal(config.task.goal.values()).values == {"goal_position": 0.5, "goal_height": 0.25}


def test_what_a_goal_does_not_name_stays(config: RunConfig) -> None:
    goal = Goal(config.task.goal.values())
    goal.set({"goal_position": 2.0})
    assert goal.values == {"goal_position": 2.0, "goal_height": 0.25}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"goal_height": 0.5, "goal_position": 2.1}, r"goal: goal_position of 2\.1 m is not from -1 to 2"),
        ({"goal_height": 0.5, "goal_position": float("nan")}, "goal_position of nan m is not from -1 to 2"),
        ({"goal_height": 0.5, "goal_speed": 1.0}, "'goal_speed' is no goal of this task; its goals are goal_position"),
    ],
)
def test_a_goal_that_means_nothing_is_refused_as_a_whole(
    config: RunConfig, values: dict[str, float], sentence: str
) -> None:
    goal = Goal(config.task.goal.values())
    with pytest.raises(MessageError, match=sentence):
        goal.set(values)
    assert goal.values["goal_height"] == 0.25


def test_it_is_observed_judged_recorded_and_read_back_under_one_stamp(config: RunConfig, tmp_path: Path) -> None:
    robot = InProcessRobot(config, seed=0)
    replay = Replay(config.observation_spec(), config.action_spec(), 100, step_ns=50_000_000, goal=config.goal_spec())
    with StepWriter(tmp_path, config.action_spec(), "/cartpole") as writer:
        for index in range(20):
            if index == 10:
                robot.goal.set({"goal_position": -0.5})
            observation = robot.observe()
            applied = robot.apply(Action(observation.key, np.zeros(1, np.float32), Source.POLICY))
            writer.write(Step(observation, applied))
            expected = 0.5 if index <= 10 else -0.5  # The observation of step 10 was there already.
            assert observation.values["goal_position"] == expected
            if index:
                distance = abs(observation.values["cart_position"] - expected)
                assert observation.reward == pytest.approx(-distance)
    robot.close()
    assert fill_replay(replay, tmp_path).steps == 20
    goals = replay.read(np.arange(20))["goal.place"]
    assert goals[:, 0].tolist() == [0.5] * 11 + [-0.5] * 9
    assert (goals[:, 1] == 0.25).all()


def test_a_bundle_is_fed_with_it(config: RunConfig) -> None:
    policy = BundlePolicy(check_bundle(Bundle(make_bundle(config, goal=1.0), "bundle"), config))
    robot = InProcessRobot(config, seed=0)
    action = policy.act(robot.observe(), None)
    robot.close()
    assert action.values == pytest.approx([(0.5 + 0.25) / 2])


def test_a_bundle_for_another_goal_is_refused(config: RunConfig) -> None:
    bundle = make_bundle(with_goal(ELEMENTS[:1], task="be_there"))
    with pytest.raises(BundleError, match="made for goals"):
        check_bundle(Bundle(bundle, "bundle"), config)
    other_scale = [ELEMENTS[0] | {"scale": 5.0}, ELEMENTS[1]]
    with pytest.raises(BundleError, match=r"goal\.place\.goal_position\.scale was 5\.0, here it is 0\.5"):
        check_bundle(Bundle(make_bundle(with_goal(other_scale, task="be_there")), "bundle"), config)


def test_a_task_without_a_goal_has_the_fingerprint_it_always_had() -> None:
    assert not [name for name in Fingerprint.of(load_run("cartpole")).fields if name.startswith("goal")]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": "cart_position"}, "task.goal: an element named 'cart_position' would be taken for another"),
        ({"name": "reward"}, "an element named 'reward' would be taken for another"),
        ({"low": 3.0}, "low: 3.0 is not below high, 2.0"),
        ({"initial": 7.0}, "initial: 7.0 is not from -1.0 to 2.0"),
    ],
)
def test_a_declaration_that_contradicts_itself_is_named(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        with_goal([ELEMENTS[0] | change])
