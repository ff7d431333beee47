"""Late labels reach the replay over the network and from recordings, once."""

import time
from array import array
from pathlib import Path

import numpy as np
import pytest

from robot_mbrl.experience.cdr import Header, JointState, Time
from robot_mbrl.experience.filling import fill_replay
from robot_mbrl.experience.replay import Replay
from robot_mbrl.experience.session import SessionWriter, StepWriter
from robot_mbrl.labels import Labels, LateLabels
from robot_mbrl.learning.orders import Orders
from robot_mbrl.learning.verdicts import WAIT_S, Verdicts, merge
from robot_mbrl.steps import StepKey
from tests.learning.test_live import CONFIG, PREFILL, STEP_NS, Run, make_step


def replay_of(count: int) -> Replay:
    replay = Replay(CONFIG.observation_spec(), CONFIG.action_spec(), 100, step_ns=STEP_NS)
    for index in range(count):
        replay.append(make_step(index))
    return replay


def late(index: int, reward: float | None = 1.0, **said: bool) -> LateLabels:
    return LateLabels(StepKey("session", (index + 1) * STEP_NS), Labels(reward, **said))


def rewards(replay: Replay) -> np.ndarray:
    return replay.rows["reward"][np.arange(replay.oldest, replay.total)]


def test_a_label_waits_for_its_step():
    replay, said = replay_of(3), []
    verdicts = Verdicts(replay, said.append, only_reward=False)
    verdicts.add(late(3), now_s=0.0)
    verdicts.settle(0.1)
    assert (verdicts.merged, said) == (0, [])
    replay.append(make_step(3))
    verdicts.settle(0.2)
    assert verdicts.merged == 1
    np.testing.assert_allclose(rewards(replay), [0.5, 0.5, 0.5, 1.5])


def test_one_that_comes_while_nothing_is_observed_is_of_the_last_step():
    replay, said = replay_of(3), []
    verdicts = Verdicts(replay, said.append, only_reward=False)
    verdicts.add(late(80), now_s=0.0)
    verdicts.settle(WAIT_S)
    np.testing.assert_allclose(rewards(replay), [0.5, 0.5, 1.5])


def test_one_without_a_step_is_told():
    said: list[str] = []
    verdicts = Verdicts(replay_of(3), said.append, only_reward=False)
    verdicts.add(LateLabels(StepKey("other", 10), Labels(1.0)), now_s=0.0)
    verdicts.settle(WAIT_S)
    assert verdicts.lost == 1
    assert "no step of session other" in said[0]


def test_where_labels_are_the_only_reward_a_success_earns_one():
    replay = replay_of(3)
    assert not merge([replay], late(1, None, success=True), only_reward=True)
    assert not merge([replay], late(2, None, success=True), only_reward=False)
    np.testing.assert_allclose(rewards(replay), [0.5, 1.5, 0.5])


def recorded(folder: Path, *said: tuple[int, dict[str, float]]) -> Path:
    """A recording of ten steps, and what a person said of some of them in the evening."""
    with StepWriter(folder, CONFIG.action_spec(), "/cartpole") as writer:
        for index in range(10):
            writer.write(make_step(index))
    with SessionWriter(folder / "99999999T000000.000000Z.mcap") as writer:
        for index, values in said:
            stamp = Time(*divmod((index + 1) * STEP_NS, 10**9)) if index >= 0 else Time()
            message = JointState(Header(stamp, "session"), list(values), array("d", values.values()))
            writer.write("/cartpole/feedback", "sensor_msgs/msg/JointState", message.serialise(), 1)
    return folder


def test_what_was_said_after_the_fact_is_learned_from_with_the_recording(tmp_path: Path):
    recorded(tmp_path, (2, {"reward": 4.0}), (9, {"failure": 1.0}), (-1, {"reward": 100.0}), (5, {"joy": 1.0}))
    replay = replay_of(0)
    for _ in range(2):
        filling = fill_replay(replay, tmp_path, label=lambda each: merge([replay], each, only_reward=False))
        np.testing.assert_allclose(rewards(replay), [0.5, 0.5, 4.5, *[0.5] * 7])
        assert replay.rows["is_terminal"][9] == 1
        assert any("unknown labels ['joy']" in reason for reason in filling.malformed)


def test_a_learner_merges_them_at_its_start_and_while_it_runs(tmp_path: Path):
    recorded(tmp_path / "bags", (2, {"reward": 4.0}))
    run = Run(tmp_path)
    run.live.verdicts.add(late(4, 2.0), time.monotonic())
    run.live.work(time.monotonic())
    np.testing.assert_allclose(rewards(run.live.learner.replay)[:6], [0.5, 0.5, 4.5, 0.5, 2.5, 0.5])


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def test_every_order_is_answered_with_what_happened(run: Run):
    orders = Orders(run.live)
    refused = orders.export()
    assert (refused.done, refused.bundle) == (False, None)
    assert "nothing was learned from 0 steps" in refused.text
    assert orders.pause().text.startswith("learning is paused")
    assert orders.pause().text == "learning was paused before"
    run.feed(range(PREFILL + 2))
    assert run.work() == 0
    assert orders.resume().text == "learning goes on"
    assert orders.resume().text == "learning was not paused"
    run.feed(range(PREFILL + 2, PREFILL + 4))
    assert run.work() > 0
    exported = orders.export()
    assert exported.done
    assert exported.bundle == (run.folder / "policy.onnx").read_bytes()
    assert f"policy version {run.live.learner.policy_version} " in exported.text
    saved = orders.checkpoint()
    assert saved.done
    assert saved.text.startswith(f"a checkpoint of {run.live.learner.updates} updates and {PREFILL + 4} steps")
