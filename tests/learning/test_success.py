"""Success learned from labels: which steps are taken for what, and how good a classifier is on what it has not seen."""

from collections.abc import Sequence

import numpy as np
import pytest

from robot_mbrl.labels import Labels, LateLabels
from robot_mbrl.learning.success import LabelledSteps, Scores, cross_validate, fit, labelled_steps, score
from robot_mbrl.specs import Mode, Source
from robot_mbrl.steps import Action, Observation, Step, StepKey

STEP_NS = 50_000_000
CLEAR_NS = 2 * STEP_NS


def episode(session: str, begin: int, count: int, good: Sequence[int] = (), terminal: Sequence[int] = ()) -> list[Step]:
    """Steps whose value is their place; those of `good` are successes."""
    return [
        Step(
            observation := Observation(
                key=StepKey(session, (begin + n) * STEP_NS),
                values={"place": float(n), "other": 1.0},
                images={},
                reward=0.0,
                is_first=n == 0,
                is_last=n == count - 1,
                is_terminal=n in terminal,
                success=n in good,
                mode=Mode.EXPLORE,
            ),
            Action(observation.key, np.zeros(1, np.float32), Source.POLICY),
        )
        for n in range(count)
    ]


def places(data: LabelledSteps, *, success: bool) -> list[tuple[int, float]]:
    """Episode and value of the rows of a kind."""
    rows = data.success == success
    return list(zip(data.episodes[rows].tolist(), data.values[rows, 0].tolist(), strict=True))


def test_steps_near_a_success_are_unknown_and_those_of_episodes_nobody_spoke_of() -> None:
    steps = [*episode("a", 0, 8, good=[4]), *episode("a", 10, 5), *episode("a", 20, 3, terminal=[2])]
    data = labelled_steps(steps, [], ["place"], CLEAR_NS)
    assert places(data, success=True) == [(0, 4.0)]
    assert places(data, success=False) == [(0, n) for n in (0.0, 1.0, 2.0, 6.0, 7.0)] + [
        (2, n) for n in (0.0, 1.0, 2.0)
    ]


def test_what_is_said_later_is_of_the_newest_step_by_then_of_its_session() -> None:
    # Two robots that live at the same time, and are recorded in turn.
    pairs = zip(episode("a", 0, 6), episode("b", 0, 6), strict=True)
    steps = [step for pair in pairs for step in pair]
    late = [
        LateLabels(StepKey("b", 3 * STEP_NS + 7), Labels(success=True)),
        LateLabels(StepKey("a", 99 * STEP_NS), Labels(failure=True)),
        LateLabels(StepKey("a", -1), Labels(success=True)),
        LateLabels(StepKey("c", 3 * STEP_NS), Labels(success=True)),
    ]
    data = labelled_steps(steps, late, ["place"], CLEAR_NS)
    assert places(data, success=True) == [(1, 3.0)]
    assert places(data, success=False) == [(0, float(n)) for n in range(6)] + [(1, 0.0), (1, 1.0), (1, 5.0)]
    nowhere = LateLabels(StepKey("", 3 * STEP_NS), Labels(success=True))
    assert len(places(labelled_steps(steps, [nowhere], ["place"], CLEAR_NS), success=True)) == 1


def disc(seed: int, count: int, wrong: float = 0.0) -> LabelledSteps:
    """Successes are within a circle; some labels are wrong."""
    rng = np.random.default_rng(seed)
    values = rng.uniform(-1.0, 1.0, (count, 2)) * np.array([1.0, 40.0])
    success = values[:, 0] ** 2 + (values[:, 1] / 40.0) ** 2 < 0.5
    return LabelledSteps(("x", "y"), values, success ^ (rng.random(count) < wrong), np.arange(count) // 20)


@pytest.mark.parametrize("wrong", [0.0, 0.03])
def test_a_few_hundred_labels_tell_successes_of_states_never_seen(wrong: float) -> None:
    scores = score(fit(disc(0, 300, wrong), threshold=0.5), disc(1, 5000))
    assert scores.precision is not None
    assert scores.recall is not None
    assert min(scores.precision, scores.recall) > (0.94 if wrong == 0.0 else 0.88)


def test_a_higher_threshold_is_mistaken_less_often_and_misses_more() -> None:
    careless, careful = (score(fit(disc(0, 300, 0.03), threshold=t), disc(1, 5000)) for t in (0.2, 0.9))
    assert careful.mistaken < careless.mistaken
    assert careful.missed > careless.missed


def test_labels_that_mean_nothing_are_told_by_episodes_left_out_though_they_can_be_learned_by_heart() -> None:
    data = disc(0, 300)
    shuffled = LabelledSteps(data.names, data.values, np.random.default_rng(1).permutation(data.success), data.episodes)
    assert (cross_validate(data, threshold=0.5).precision or 0.0) > 0.9
    assert (cross_validate(shuffled, threshold=0.5).precision or 0.0) < 0.6


def test_scores_are_counts() -> None:
    both = Scores(3, 1, 0) + Scores(1, 1, 2)
    assert (both.precision, both.recall) == (4 / 6, 4 / 6)
    assert (Scores(0, 0, 0).precision, Scores(0, 0, 3).recall) == (None, None)


def test_the_same_labels_and_seed_give_the_same_classifier_and_disturb_nobody_elses_chance() -> None:
    import torch

    state = torch.get_rng_state()
    first, second = fit(disc(0, 60), threshold=0.5, seed=3), fit(disc(0, 60), threshold=0.5, seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    for one, other in zip(first.layers, second.layers, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
