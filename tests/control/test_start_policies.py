"""What drives before there is a bundle."""

import numpy as np
import pytest

from robot_mbrl.bundles import Announcement, read_announcement, write_announcement
from robot_mbrl.config import load_run
from robot_mbrl.control.start_policies import RandomPolicy, WithoutBundle
from robot_mbrl.errors import BundleError
from robot_mbrl.steps import Observation, StepKey

OBSERVATION = Observation(StepKey("s", 1), {}, {}, is_first=True)


def drives(policy: WithoutBundle) -> bool:
    return policy.act(OBSERVATION, None) is not None


@pytest.fixture
def policy() -> WithoutBundle:
    return WithoutBundle(RandomPolicy.for_run(load_run("cartpole"), limit_steps=1000))


def test_random_policy_drives_only_while_the_robot_is_known_to_have_no_bundle(policy: WithoutBundle) -> None:
    assert not drives(policy)
    policy.told(False)
    assert drives(policy)
    policy.told(None)
    assert not drives(policy)
    policy.told(False)
    assert drives(policy)


@pytest.mark.parametrize("later", [False, None])
def test_random_policy_never_drives_again_once_there_was_a_bundle(policy: WithoutBundle, later: bool | None) -> None:
    policy.told(False)
    policy.told(True)
    policy.told(later)
    assert not drives(policy)


def test_steps_at_which_it_is_not_known_do_not_use_up_the_random_steps() -> None:
    policy = WithoutBundle(RandomPolicy.for_run(load_run("cartpole"), limit_steps=1))
    for _ in range(5):
        assert policy.act(OBSERVATION, np.zeros(1, np.float32)) is None
    policy.told(False)
    assert drives(policy)


@pytest.mark.parametrize("announcement", [None, Announcement(path="/b.onnx", sha256="ab", run_id="r", version=3)])
def test_announcement_says_which_bundle_there_is_or_that_there_is_none(announcement: Announcement | None) -> None:
    assert read_announcement(write_announcement(announcement)) == announcement


@pytest.mark.parametrize("data", ["", "{}", "[]", '{"path": 3}'])
def test_announcement_that_cannot_be_read_is_refused(data: str) -> None:
    with pytest.raises(BundleError, match="announcement of a bundle cannot be read"):
        read_announcement(data)
