"""A bundle as a policy: what it is given at each step, and what survives a swap."""

import numpy as np
import pytest

from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.control.bundle_file import Bundle, check_bundle
from robot_mbrl.control.bundle_policy import BundlePolicy, NonFiniteActionError
from robot_mbrl.control.start_policies import HoldPolicy, RandomPolicy
from robot_mbrl.errors import BundleError, MessageError
from robot_mbrl.specs import ActionSpec, Mode, Source
from robot_mbrl.steps import Observation, StepKey
from tests.bundles import make_bundle

APPLIED = np.array([0.5], np.float32)


@pytest.fixture(scope="module")
def config() -> RunConfig:
    return load_run("cartpole")


def observe(config: RunConfig, step: int, *, is_first: bool = False, mode: Mode = Mode.EXPLORE) -> Observation:
    values = dict.fromkeys(config.observation_spec().element_names, 0.1)
    return Observation(StepKey("session", step), values, {}, is_first=is_first, mode=mode)


def make_policy(config: RunConfig, **behaviour: float) -> BundlePolicy:
    return BundlePolicy(open_bundle(config, **behaviour), seed=3)


def open_bundle(config: RunConfig, **behaviour: object) -> Bundle:
    return check_bundle(Bundle(make_bundle(config, **behaviour), "test bundle"), config)


def act(policy: BundlePolicy, observation: Observation, prev_action: np.ndarray | None = APPLIED) -> float:
    return float(policy.act(observation, prev_action).values[0])


def test_action_carries_the_observations_key_and_the_bundles_version(config: RunConfig) -> None:
    policy = make_policy(config, bias=0.25, version=9)
    action = policy.act(observe(config, 5), APPLIED)
    assert action.key == StepKey("session", 5)
    assert action.source is Source.POLICY
    assert action.policy_version == 9
    assert action.values == pytest.approx([0.25])


def test_state_is_carried_from_step_to_step_and_reset_at_the_first_of_an_episode(config: RunConfig) -> None:
    policy = make_policy(config, count=0.1)
    counts = [act(policy, observe(config, step, is_first=step in (0, 3))) for step in range(5)]
    assert counts == pytest.approx([0.0, 0.1, 0.2, 0.0, 0.1])


def test_without_a_known_previous_action_the_state_starts_afresh(config: RunConfig) -> None:
    policy = make_policy(config, count=0.1, first=-0.5)
    act(policy, observe(config, 0, is_first=True))
    assert act(policy, observe(config, 1)) == pytest.approx(0.1)
    assert act(policy, observe(config, 2), None) == pytest.approx(-0.5)


def test_previous_action_is_the_given_one_and_zero_at_the_first_step(config: RunConfig) -> None:
    policy = make_policy(config, previous=1.0, bias=0.1)
    assert act(policy, observe(config, 0, is_first=True)) == pytest.approx(0.1)
    assert act(policy, observe(config, 1)) == pytest.approx(0.6)


def test_evaluation_does_not_explore(config: RunConfig) -> None:
    policy = make_policy(config, explore=0.5)
    assert act(policy, observe(config, 0)) == pytest.approx(0.5)
    assert act(policy, observe(config, 1, mode=Mode.EVALUATE)) == pytest.approx(0.0)


def test_noise_is_new_at_each_step_and_repeats_with_the_seed(config: RunConfig) -> None:
    policies = make_policy(config, noise=1.0), make_policy(config, noise=1.0)
    first, second = ([act(policy, observe(config, step)) for step in range(20)] for policy in policies)
    assert first == second
    assert len(set(first)) == 20


def test_actions_stay_valid_after_later_steps(config: RunConfig) -> None:
    policy = make_policy(config, count=0.1)
    actions = [policy.act(observe(config, step), APPLIED) for step in range(3)]
    assert [float(action.values[0]) for action in actions] == pytest.approx([0.0, 0.1, 0.2])


def test_non_finite_action_is_an_error_and_the_state_starts_afresh(config: RunConfig) -> None:
    policy = make_policy(config, nan_from_step=2, count=0.1)
    act(policy, observe(config, 0, is_first=True))
    act(policy, observe(config, 1))
    with pytest.raises(NonFiniteActionError, match="nan") as error:
        act(policy, observe(config, 2))
    assert np.isnan(error.value.action.values).all()
    assert error.value.action.key == observe(config, 2).key
    assert act(policy, observe(config, 3)) == pytest.approx(0.0)


def test_a_bundle_that_decides_on_no_action_requests_none_and_goes_on_from_its_state(config: RunConfig) -> None:
    policy = make_policy(config, undecided_step=2, count=0.1)
    actions = [policy.act(observe(config, step, is_first=step == 0), APPLIED) for step in range(5)]
    values = [None if action is None else float(action.values[0]) for action in actions]
    assert values == [pytest.approx(0.0), pytest.approx(0.1), None, pytest.approx(0.3), pytest.approx(0.4)]
    assert policy.undecided == 1


def test_a_bundle_that_never_decides_on_an_action_is_refused(config: RunConfig) -> None:
    with pytest.raises(BundleError, match="test bundle: finds no action; its training has diverged"):
        open_bundle(config, undecided_step=0)


def test_observation_without_an_observed_value_is_an_error_that_names_it(config: RunConfig) -> None:
    policy = make_policy(config)
    with pytest.raises(MessageError, match="cart_velocity|pole_velocity"):
        act(policy, Observation(StepKey("s", 1), {"cart_position": 0.0, "pole_cos": 1.0, "pole_sin": 0.0}, {}))


def test_image_of_another_size_is_an_error() -> None:
    config = load_run("cartpole-image")
    policy = make_policy(config)
    (name,) = config.observation_spec().images
    image = np.zeros((64, 64, 3), np.uint8)
    values = dict.fromkeys(config.observation_spec().element_names, 0.0)
    assert act(policy, Observation(StepKey("s", 1), values, {name: image})) == 0.0
    with pytest.raises(MessageError, match="shape"):
        act(policy, Observation(StepKey("s", 2), values, {name: image[:32]}))


def test_swap_within_a_run_carries_the_state(config: RunConfig) -> None:
    policy = make_policy(config, count=0.1)
    for step in range(3):
        act(policy, observe(config, step))
    assert policy.swap(open_bundle(config, count=0.2, version=2))
    assert act(policy, observe(config, 3)) == pytest.approx(0.6)


def test_swap_to_another_run_starts_afresh(config: RunConfig) -> None:
    policy = make_policy(config, count=0.1)
    for step in range(3):
        act(policy, observe(config, step))
    assert not policy.swap(open_bundle(config, count=0.2, first=-0.5, run_id="run-b"))
    assert act(policy, observe(config, 3)) == pytest.approx(-0.5)
    assert act(policy, observe(config, 4)) == pytest.approx(0.2)


def test_random_policy_holds_each_draw_and_ends(config: RunConfig) -> None:
    policy = RandomPolicy(ActionSpec(names=("a", "b")), hold_steps=3, limit_steps=7)
    actions, applied = [], None
    for step in range(9):
        actions.append(action := policy.act(observe(config, step), applied))
        applied = action.values if action is not None else None
    values = [tuple(action.values.tolist()) for action in actions if action is not None]
    assert len(values) == 7
    assert values[0] == values[1] == values[2] != values[3] == values[4] == values[5] != values[6]
    assert all(action.source is Source.RANDOM for action in actions if action is not None)
    assert np.abs(values).max() <= 1.0


def test_random_driving_is_not_used_up_while_the_robot_is_stopped(config: RunConfig) -> None:
    policy = RandomPolicy(ActionSpec(names=("a", "b")), hold_steps=3, limit_steps=2)
    for step in range(1, 100):
        assert policy.act(observe(config, step), np.zeros(2, np.float32)) is not None


def test_random_choices_are_one_hot(config: RunConfig) -> None:
    policy = RandomPolicy(ActionSpec(kind="discrete", names=("l", "r", "stay")), hold_steps=1, limit_steps=100)
    actions = [policy.act(observe(config, step), None) for step in range(100)]
    choices = np.array([action.values for action in actions if action is not None])
    assert (choices.sum(axis=1) == 1.0).all()
    assert set(choices.argmax(axis=1)) == {0, 1, 2}


def test_hold_policy_requests_nothing(config: RunConfig) -> None:
    assert HoldPolicy().act(observe(config, 0), None) is None
