"""What an episode adds up to, and when it counts as solved."""

import numpy as np

from robot_mbrl.runs.episodes import EpisodeResult, EpisodeTally
from robot_mbrl.specs import Mode, Source
from robot_mbrl.steps import Action, Observation, Step, StepKey

STEPS = 10


def live(successes: list[bool], sources: list[Source] | None = None, rewards: float = 1.0) -> EpisodeResult:
    """The result of one episode with these successes at its observations."""
    tally = EpisodeTally(STEPS)
    sources = sources or [Source.POLICY] * len(successes)
    for k, success in enumerate(successes):
        key, last = StepKey("session", k), k == len(successes) - 1
        observation = Observation(
            key, {}, {}, reward=rewards, is_first=k == 0, is_last=last, mode=Mode.EVALUATE, success=success
        )
        result = tally.take(Step(observation, Action(key, np.zeros(1, np.float32), sources[k], policy_version=k)))
        assert (result is not None) == last
    assert result is not None
    return result


def test_the_return_leaves_out_the_first_observation_which_nothing_was_done_for() -> None:
    assert live([False] * (STEPS + 1), rewards=2.0).total_reward == 2.0 * STEPS


def test_solved_is_success_in_all_of_the_last_half() -> None:
    assert live([False] * 5 + [True] * 6).solved
    assert not live([False] * 6 + [True] * 5).solved
    assert not live([True] * 10 + [False]).solved


def test_an_episode_that_was_cut_short_is_not_solved() -> None:
    assert not live([True] * STEPS).solved


def test_who_acted_is_counted_the_awaited_actions_only() -> None:
    sources = [Source.POLICY] * 8 + [Source.LATE, Source.POLICY, Source.POLICY]
    result = live([False] * 11, sources)
    assert result.sources == {"policy": 9, "late": 1}
    assert result.policy_version == 9


def test_an_episode_that_began_in_a_safe_stop_is_marked() -> None:
    assert live([False] * 11, [Source.STOP] * 3 + [Source.POLICY] * 8).began_stopped
    assert not live([False] * 11, [Source.POLICY] * 8 + [Source.STOP] * 3).began_stopped


def test_an_episode_joined_half_way_is_not_judged() -> None:
    tally = EpisodeTally(STEPS)
    observation = Observation(StepKey("session", 5), {}, {}, is_last=True)
    assert tally.take(Step(observation, Action(observation.key, np.zeros(1, np.float32)))) is None
