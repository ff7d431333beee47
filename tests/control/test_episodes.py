"""Episodes as their steps tell them: rewards on arrival, first and last, stops, labels, modes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from robot_mbrl.config import TaskConfig
from robot_mbrl.control.episodes import TRANSITIONS, Episodes, Event, Phase, new_session
from robot_mbrl.control.observing import Sensed
from robot_mbrl.errors import MessageError
from robot_mbrl.specs import Mode, Source
from robot_mbrl.steps import Action, Observation, StepKey
from robot_mbrl.tasks import Judgement

STEPS = 4


class Betrayal:
    """Rewards each arrival with the very place, so that a shift by one step shows."""

    def __init__(self) -> None:
        self.resets = 0

    def reset(self) -> None:
        self.resets += 1

    def judge(self, values: Mapping[str, float]) -> Judgement:
        place = values["place"]
        return Judgement(reward=place, is_terminal=place >= 100, success=place >= 50)


class Life:
    """Ticks at 20 Hz in which the robot is where the test says."""

    def __init__(self, *, evaluate: bool = False, **task: Any) -> None:
        settings = {"reset": "service", "episode_steps": STEPS, "evaluate_every": 3} | task
        config = TaskConfig.model_validate(
            {"name": "t", "robot": "r", "task": "betrayal", "observe": ["v"], **settings}
        )
        self.task = Betrayal()
        self.episodes = Episodes(config, self.task, "s", evaluate=evaluate)
        self.tick_number = 0

    def tick(self, place: float = 0.0, age_s: float = 0.0) -> Observation | None:
        self.tick_number += 1
        sensed = Sensed(self.tick_number * 0.05, {"place": place}, {}, {"joints": age_s})
        return self.episodes.advance(self.tick_number, sensed)

    def observe(self, place: float = 0.0) -> Observation:
        observation = self.tick(place)
        assert observation is not None
        return observation

    def reset(self) -> None:
        self.episodes.reset_done(self.tick_number * 0.05)

    def apply(self, source: Source, stamp: int | None = None) -> None:
        key = StepKey("s", self.tick_number if stamp is None else stamp)
        self.episodes.applied(Action(key, np.zeros(1, np.float32), source))

    def episode(self) -> list[Observation]:
        """A whole episode, in which the policy acts."""
        self.reset()
        lived = [self.observe()]
        while not lived[-1].is_last:
            self.apply(Source.POLICY)
            lived.append(self.observe())
        return lived


def test_reward_is_of_the_place_arrived_at() -> None:
    life = Life()
    life.reset()
    lived = [life.observe(place) for place in (7.0, 1.0, 2.0, 3.0, 4.0)]
    # Nothing was done to be at the first place.
    assert [o.reward for o in lived] == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert [o.is_first for o in lived] == [True, False, False, False, False]
    assert [o.is_last for o in lived] == [False, False, False, False, True]
    assert not any(o.is_terminal for o in lived)
    assert [o.key for o in lived] == [StepKey("s", stamp) for stamp in range(1, 6)]


def test_nothing_is_observed_until_the_robot_was_reset() -> None:
    life = Life()
    assert life.tick() is None
    life.episode()
    assert life.episodes.phase is Phase.RESETTING
    assert life.tick() is None
    life.reset()
    assert life.tick(age_s=0.05) is None  # A reading from before the end of the reset.
    assert life.observe().is_first
    assert life.task.resets == 2


def test_task_without_a_reset_just_goes_on() -> None:
    life = Life(reset="none")
    flags = [(o.is_first, o.is_last) for o in (life.observe() for _ in range(2 * (STEPS + 1)))]
    assert flags == 2 * [(True, False), *(STEPS - 1) * [(False, False)], (False, True)]


def test_terminal_place_ends_the_episode() -> None:
    life = Life()
    life.reset()
    life.observe()
    last = life.observe(100.0)
    assert (last.is_last, last.is_terminal, last.success, last.reward) == (True, True, True, 100.0)


def test_beginning_of_a_stop_ends_the_episode_but_not_as_terminal() -> None:
    life = Life()
    life.reset()
    life.observe()
    life.apply(Source.POLICY)
    life.observe()
    life.apply(Source.STOP)
    last = life.observe()
    assert last.is_last
    assert not last.is_terminal


def test_robot_that_stays_stopped_lives_whole_episodes() -> None:
    """A reset for each stopped step would help nobody."""
    life = Life()
    for _ in range(2):
        life.reset()
        for _ in range(STEPS):
            assert not life.observe().is_last
            life.apply(Source.STOP)
        assert life.observe().is_last
        # What is applied to a last step says nothing of the robot.
        life.apply(Source.POLICY)


def test_guard_that_waits_for_steady_actions_does_not_end_the_episode_that_it_waits_in() -> None:
    """As after a stop between two episodes, of which no action tells."""
    life = Life()
    life.reset()
    life.observe()
    life.apply(Source.POLICY)
    for _ in range(STEPS):
        life.observe()
        life.apply(Source.POLICY)
    life.reset()
    for source in (Source.STOP, Source.STOP, Source.POLICY):
        assert not life.observe().is_last
        life.apply(source)


def test_late_actions_end_nothing() -> None:
    life = Life()
    life.reset()
    for source in (Source.POLICY, Source.LATE, Source.POLICY):
        assert not life.observe().is_last
        life.apply(source)


def test_stop_of_an_episode_that_is_over_does_not_end_the_next() -> None:
    life = Life()
    life.episode()
    stamp = life.tick_number - 1
    life.reset()
    life.observe()
    life.apply(Source.STOP, stamp=stamp)
    assert not life.observe().is_last


def test_actions_of_another_session_are_ignored() -> None:
    life = Life()
    life.reset()
    life.observe()
    life.apply(Source.POLICY)
    life.episodes.applied(Action(StepKey("other", 1), np.zeros(1, np.float32), Source.STOP))
    assert not life.observe().is_last


def test_repeated_action_sums_the_rewards_of_its_ticks() -> None:
    life = Life(action_repeat=3)
    life.reset()
    assert life.observe(9.0).is_first
    assert [life.tick(place) for place in (1.0, 2.0)] == [None, None]
    assert life.observe(4.0).reward == 7.0
    assert [life.tick(place) for place in (1.0,)] == [None]
    # The end does not wait for the repeat.
    last = life.observe(100.0)
    assert (last.reward, last.is_terminal) == (101.0, True)


def test_every_nth_episode_is_an_evaluation() -> None:
    life = Life()
    modes = [life.episode()[0].mode for _ in range(6)]
    assert modes == 2 * [Mode.EXPLORE, Mode.EXPLORE, Mode.EVALUATE]
    assert {o.mode for o in Life(evaluate=True).episode()} == {Mode.EVALUATE}
    assert Life(evaluate_every=0).episode()[0].mode is Mode.EXPLORE


def test_evaluating_takes_effect_with_the_next_episode() -> None:
    life = Life(evaluate_every=0)
    life.reset()
    life.observe()
    life.episodes.evaluate = True
    assert life.observe().mode is Mode.EXPLORE
    while life.episodes.phase is Phase.RUNNING:
        life.observe()
    assert life.episode()[0].mode is Mode.EVALUATE


def test_labels_are_merged_into_the_next_step_only() -> None:
    life = Life()
    life.reset()
    life.observe()
    life.episodes.feedback({"reward": 0.5})
    life.episodes.feedback({"reward": 0.25, "success": 1.0})
    labelled, after = life.observe(1.0), life.observe(1.0)
    assert (labelled.reward, labelled.success) == (1.75, True)
    assert (after.reward, after.success) == (1.0, False)
    life.episodes.feedback({"failure": 1.0})
    last = life.observe()
    assert (last.is_last, last.is_terminal) == (True, True)


def test_a_person_may_end_an_episode_that_goes_on_unseen() -> None:
    life = Life()
    life.reset()
    life.observe()
    life.episodes.feedback({"end": 1.0, "success": 1.0})
    last = life.observe(1.0)
    assert (last.is_last, last.is_terminal, last.success, last.reward) == (True, False, True, 1.0)
    assert life.episodes.phase is Phase.RESETTING


def test_where_labels_are_the_only_reward_the_task_pays_nothing_and_a_success_one() -> None:
    life = Life(reward="feedback")
    life.reset()
    life.observe(1.0)
    assert life.observe(5.0).reward == 0.0
    life.episodes.feedback({"success": 1.0})
    assert life.observe(60.0).reward == 1.0
    life.episodes.feedback({"success": 1.0, "reward": 3.0})
    assert life.observe(1.0).reward == 3.0


def test_a_late_end_ends_the_episode_it_is_of_and_no_other() -> None:
    life = Life(episode_steps=10)
    life.reset()
    first = life.observe()
    life.observe()
    life.episodes.end_late({"failure": 1.0, "reward": -5.0}, first.key.stamp_ns - 1)
    assert not life.observe().is_last
    life.episodes.end_late({"failure": 1.0, "reward": -5.0}, first.key.stamp_ns)
    last = life.observe()
    # The failure itself and its reward are merged where that step is stored.
    assert (last.is_last, last.is_terminal, last.reward) == (True, False, 0.0)


def test_labels_between_episodes_are_nobodys() -> None:
    life = Life()
    life.episodes.feedback({"reward": 5.0, "failure": 1.0})
    assert sum(o.reward for o in life.episode()) == 0.0


@pytest.mark.parametrize(
    "labels",
    [{"rewards": 1.0}, {"reward": float("nan")}, {"reward": float("inf")}, {"success": 1.0, "failure": 1.0}, {}],
)
def test_labels_that_mean_nothing_are_refused(labels: dict[str, float]) -> None:
    with pytest.raises(MessageError, match="feedback"):
        Life().episodes.feedback(labels)


def test_stamps_must_increase() -> None:
    life = Life()
    life.tick()
    life.tick_number = 0
    with pytest.raises(ValueError, match="does not come after"):
        life.tick()


def test_sessions_are_unique() -> None:
    assert len({new_session() for _ in range(10)}) == 10


def step(life: Life, event: Event) -> None:
    """Do what brings an event about, in any state."""
    match event:
        case Event.RESET_DONE:
            life.reset()
        case Event.READINGS_NEWER:
            life.tick()
        case Event.TERMINAL:
            life.tick(place=100.0)
        case Event.FAILURE:
            life.episodes.feedback({"failure": 1.0})
            life.tick()
        case Event.ENDED:
            life.episodes.feedback({"end": 1.0})
            life.tick()
        case Event.STOPPED:
            life.apply(Source.POLICY)
            life.apply(Source.STOP)
            life.tick()
        case Event.STEPS_DONE:
            for _ in range(STEPS):
                life.tick()


ROADS = {
    Phase.RESETTING: [],
    Phase.READY: [Event.RESET_DONE],
    Phase.RUNNING: [Event.RESET_DONE, Event.READINGS_NEWER],
}
TICKS = {Event.TERMINAL, Event.FAILURE, Event.ENDED, Event.STOPPED, Event.STEPS_DONE}
"""Events that a tick brings about, which in the state READY begins an episode first."""


@pytest.mark.parametrize("state", Phase)
@pytest.mark.parametrize("event", Event)
def test_states_follow_one_another_as_the_table_says(state: Phase, event: Event) -> None:
    life = Life()
    for before in ROADS[state]:
        step(life, before)
    assert life.episodes.phase is state
    step(life, event)
    expected = TRANSITIONS.get((state, event), state)
    if state is Phase.READY and event in TICKS:
        ends = event in (Event.TERMINAL,)
        expected = Phase.RESETTING if ends else Phase.RUNNING
    assert life.episodes.phase is expected


def test_every_event_of_the_table_leads_somewhere_else() -> None:
    assert {event for _, event in TRANSITIONS} == set(Event)
    assert all(before is not after for (before, _), after in TRANSITIONS.items())
