"""A public task is lived as a robot's is: rewards, ends, actions and episodes mean the same."""

import numpy as np
import pytest

from robot_mbrl.config import RunConfig
from robot_mbrl.errors import ConfigError
from robot_mbrl.specs import Mode, Source
from robot_mbrl.steps import Action, Observation
from robot_mbrl.tasks import make_task
from sim.public.description import load_public_run
from sim.public.robot import PublicRobot
from tests.sim.public import counting


@pytest.fixture(autouse=True)
def registered() -> None:
    counting.register()


def load(repeat: int = 1, **changes: object) -> RunConfig:
    settings = {"task.action_repeat": repeat, **{f"task.{name}": value for name, value in changes.items()}}
    return load_public_run(counting.NAME, settings)


def live(robot: PublicRobot, rows: int, action: tuple[float, float] = (0.0, 0.0)) -> list[Observation]:
    seen = []
    for _ in range(rows):
        seen.append(robot.observe())
        requested = Action(seen[-1].key, np.array(action, np.float32))
        robot.apply(None if seen[-1].is_last else requested)
    return seen


def ending_at(robot: PublicRobot, steps: int) -> PublicRobot:
    """The robot in an environment that is terminal after so many control steps."""
    robot._environment.unwrapped._terminal_at = steps
    return robot


def test_a_time_limit_cuts_an_episode_and_is_not_terminal():
    seen = live(PublicRobot(load()), counting.LIMIT + 2)
    assert [o.is_first for o in seen] == [True, *[False] * counting.LIMIT, True]
    assert [o.is_last for o in seen] == [*[False] * counting.LIMIT, True, False]
    assert not any(o.is_terminal for o in seen)
    assert [o.reward for o in seen] == [0.0, *range(1, counting.LIMIT + 1), 0.0]


def test_a_terminal_state_ends_an_episode():
    seen = live(ending_at(PublicRobot(load()), 3), 5)
    assert [(o.is_last, o.is_terminal) for o in seen] == [*[(False, False)] * 3, (True, True), (False, False)]


def test_rewards_are_summed_over_the_action_repeat_also_over_one_that_is_cut_short():
    robot = ending_at(PublicRobot(load(repeat=4)), 6)
    assert [o.reward for o in live(robot, 3)] == [0.0, 1 + 2 + 3 + 4, 5 + 6]
    assert robot.control_steps == 6


def test_control_steps_are_counted_before_any_repeat_and_resets_are_none():
    robot = PublicRobot(load(repeat=3))
    live(robot, 2 * 5)  # two episodes of 4 actions each: 3, 3, 3 and 1 control steps
    assert robot.control_steps == 2 * counting.LIMIT


def test_the_task_may_cut_episodes_sooner_than_the_environment():
    seen = live(PublicRobot(load(episode_steps=4)), 6)
    assert [o.is_last for o in seen] == [*[False] * 4, True, False]
    assert not seen[4].is_terminal


def test_episodes_have_the_environments_length_in_steps_of_experience():
    assert load().task.episode_steps == counting.LIMIT
    assert load(repeat=3).task.episode_steps == 4


def test_normalised_actions_are_mapped_onto_the_box():
    ends = []
    for action in ((-1.0, -1.0), (0.0, 0.0), (1.0, 1.0)):
        values = live(PublicRobot(load()), 2, action)[1].values
        ends.append((values["inner_last_action.0"], values["inner_last_action.1"]))
    assert ends == [(-3.0, 0.0), (0.0, 2.5), (3.0, 5.0)]


def test_nested_dictionaries_are_observed_by_name_and_pictures_resized():
    config = load()
    assert config.observation_spec().element_names == ("inner_last_action.0", "inner_last_action.1", "steps.0")
    assert all(element.scale == "auto" for v in config.observation_spec().vectors.values() for element in v.elements)
    picture = live(PublicRobot(config), 4)[3].images["eye"]
    assert picture.shape == (64, 64, 3)
    assert np.unique(picture) == [3]


def test_lives_are_reproducible_by_seed_and_no_two_episodes_begin_alike():
    def starts(seed: int) -> list[float]:
        robot = PublicRobot(load(episode_steps=1), seed=seed)
        return [o.values["inner_last_action.0"] for o in live(robot, 8) if o.is_first]

    assert starts(0) == starts(0)
    assert len({*starts(0), *starts(1)}) == 8


def test_stamps_follow_one_another_so_that_no_sequence_is_cut_within_an_episode():
    config = load(repeat=2)
    stamps = [o.key.stamp_ns for o in live(PublicRobot(config), 12)]
    assert set(np.diff(stamps)) == {round(config.step_s * 1e9)}


def test_judged_it_is_in_evaluate_mode_and_else_it_explores_so_that_returns_are_those_of_training():
    assert {o.mode for o in live(PublicRobot(load(), evaluate=True), 30)} == {Mode.EVALUATE}
    assert {o.mode for o in live(PublicRobot(load()), 80)} == {Mode.EXPLORE}


def test_a_policy_that_is_silent_is_late_and_the_middle_of_the_range_is_taken():
    robot = PublicRobot(load())
    applied = robot.apply(None)
    assert applied.source is Source.LATE
    assert robot.observe().values["inner_last_action.1"] == 2.5


def test_a_public_task_is_no_robot_on_the_graph():
    with pytest.raises(ConfigError, match="use robot-mbrl train"):
        make_task(load().task.task)
