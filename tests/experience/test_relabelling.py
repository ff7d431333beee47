"""Goals in hindsight, against a list of episodes and the task's own judgement of each arrival."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.errors import ConfigError
from robot_mbrl.experience.draws import Transitions
from robot_mbrl.experience.goals import GoalJudge
from robot_mbrl.experience.relabelling import Strategy, reached_rows
from robot_mbrl.experience.replay import Replay
from robot_mbrl.steps import Step
from robot_mbrl.tasks.reach_target import ReachTarget
from tests.experience.goals import goal_config, make_replay, make_step, tip_of

CONFIG = goal_config()
STRATEGIES: list[Strategy] = ["final", "future", "episode"]
lives = st.lists(st.tuples(st.sampled_from("aaab"), st.sampled_from([False, False, False, True])), max_size=30)
"""Each step's session, and whether it is the last of its episode."""


def lived(life: list[tuple[str, bool]], capacity: int = 1000) -> tuple[Replay, list[Step], list[list[int]]]:
    """A replay, every step by its row, and the rows of each row's episode that are still there."""
    replay, steps = make_replay(CONFIG, capacity), []
    episodes: list[list[int]] = []
    going_on: dict[str, list[int]] = {}
    for number, (session, last) in enumerate(life):
        index = sum(step.observation.key.session == session for step in steps)
        step = make_step(index, session, first=session not in going_on, last=last)
        assert replay.append(step)
        steps.append(step)
        episodes.append(going_on.setdefault(session, []))
        episodes[-1].append(number)
        if last:
            del going_on[session]
    return replay, steps, [[row for row in episode if row >= replay.oldest] for episode in episodes]


def allowed(strategy: Strategy, start: int, episode: list[int]) -> list[int]:
    return {
        "final": episode[-1:],
        "future": [row for row in episode if row > start],
        "episode": episode,
    }[strategy]


def reached_row(goal: np.ndarray, steps: list[Step], rows: list[int]) -> int:
    """The one of these rows where the tip was at this goal."""
    (found,) = (row for row in rows if np.allclose(tip_of(steps[row]), goal, atol=1e-6))
    return found


@settings(max_examples=40, deadline=None)
@given(life=lives, strategy=st.sampled_from(STRATEGIES), length=st.integers(1, 3), capacity=st.sampled_from([9, 1000]))
def test_every_goal_was_reached_where_the_strategy_says_and_is_judged_by_the_task(
    life: list[tuple[str, bool]], strategy: Strategy, length: int, capacity: int
) -> None:
    replay, steps, episodes = lived(life, capacity)
    if not any(len(episode) > 1 for episode in episodes[replay.oldest :]) or len(replay) <= length:
        return
    drawn = Transitions(30, length, hindsight=strategy, relabelled=1.0).read(replay, np.random.default_rng(0))
    for number in range(30):
        rows, valid, goals = (drawn[name][number] for name in ("row", "valid", "goal.target"))
        assert (goals == goals[0]).all()
        reached_row(goals[0], steps, allowed(strategy, int(rows[0]), episodes[int(rows[0])]))
        for row, reward in zip(rows[valid].tolist(), drawn["reward"][number][valid].tolist(), strict=True):
            target = dict(zip(("target_x", "target_y"), goals[0].tolist(), strict=True))
            expected = ReachTarget().judge(steps[row].observation.values | target).reward
            assert reward == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_each_state_that_the_strategy_allows_is_as_likely_also_where_two_robots_live_at_once(
    strategy: Strategy,
) -> None:
    life = [(session, False) for session in "abaabbaab"]
    replay, _, episodes = lived(life)
    start = 2
    rows = reached_rows(replay, np.full(4000, start), strategy, np.random.default_rng(0))
    found, counts = np.unique(rows, return_counts=True)
    assert found.tolist() == allowed(strategy, start, episodes[start])
    assert len(counts) == 1 or stats.chisquare(counts).pvalue > 0.01


def test_so_many_transitions_keep_what_was_meant_and_earned() -> None:
    replay, steps, _ = lived([("a", number % 10 == 9) for number in range(100)])
    drawn = Transitions(2000, 1, hindsight="future", relabelled=0.8).read(replay, np.random.default_rng(1))
    meant = np.array([[step.observation.values[name] for name in ("target_x", "target_y")] for step in steps])
    kept = np.isclose(drawn["goal.target"][:, 0], meant[drawn["row"][:, 0]], atol=1e-6).all(-1)
    assert stats.binomtest(int((~kept).sum()), 2000, 0.8).pvalue > 0.01
    rewards = np.array([step.observation.reward for step in steps], np.float32)
    assert (drawn["reward"][kept] == rewards[drawn["row"][kept]]).all()


def test_without_hindsight_nothing_is_replaced_nor_drawn_otherwise() -> None:
    replay, steps, _ = lived([("a", number % 10 == 9) for number in range(100)])
    plain = Transitions(50, 2).read(replay, np.random.default_rng(3))
    relabelled = Transitions(50, 2, hindsight="final").read(replay, np.random.default_rng(3))
    assert (plain["row"] == relabelled["row"]).all()
    assert (plain["action"] == relabelled["action"]).all()
    assert plain["goal.target"][0, 0].tolist() == pytest.approx(
        [steps[plain["row"][0, 0]].observation.values[name] for name in ("target_x", "target_y")]
    )


def test_the_task_judges_many_arrivals_as_it_judges_each() -> None:
    rng = np.random.default_rng(0)
    values = {name: rng.uniform(-1, 1, (7, 3)) for name in ReachTarget.reads}
    rewards = ReachTarget().rewards(values)
    for place in np.ndindex(7, 3):
        one = {name: float(array[place]) for name, array in values.items()}
        assert rewards[place] == pytest.approx(ReachTarget().judge(one).reward, abs=1e-12)
    fulfilled = ReachTarget().judge(
        {name: float(array[0, 0]) for name, array in (values | ReachTarget().achieved(values)).items()}
    )
    assert (fulfilled.reward, fulfilled.success) == (pytest.approx(1.0), True)


GOAL = {"task.goal": {"angle": {"elements": [{"name": "wanted", "low": -1.0, "high": 1.0}]}}}


TELLING = {"task.task": "tests.experience.goals:TellingReach", "task.observe": ["arm", "way"]}


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: load_run("reacher"), "declares no goal"),
        (lambda: load_run("pendulum", GOAL), "class 'pendulum_swingup' has no achieved goals"),
        (lambda: goal_config(**{"task.observe": ["camera"]}), r"judges by \['elbow_cos'.*add them to observe"),
        (lambda: goal_config(**{"task.action_repeat": 2}), "action_repeat"),
        (lambda: goal_config(**TELLING), r"observes \['way'\], computed by the goal that held"),
    ],
)
def test_a_task_that_cannot_be_judged_by_other_goals_says_why(make: Callable[[], RunConfig], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        GoalJudge(make()).check()


def test_goals_are_for_all_transitions_alone() -> None:
    with pytest.raises(ValueError, match="not for a part"):
        Transitions(2, part="fit", hindsight="future")
