"""Learning beside a robot: what is owed is trained, what was missed is caught up on, and a run keeps its identity."""

import copy
import math
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.control.bundle_file import load_bundle
from robot_mbrl.experience.replay import Replay
from robot_mbrl.experience.session import StepWriter
from robot_mbrl.learning import checkpoint
from robot_mbrl.learning.backlog import Backlog
from robot_mbrl.learning.learner import Learner
from robot_mbrl.learning.live import LiveLearner
from robot_mbrl.specs import Source
from robot_mbrl.steps import Action, Observation, Step, StepKey
from robot_mbrl.topics import METRICS_ELEMENTS
from tests.experience.session_files import limited_file_size

STEP_NS = 50_000_000
PREFILL, UPDATES_PER_STEP = 20, 2
SMALL = {
    **{"deter": 8, "hidden": 8, "units": 8, "stoch": 2, "classes": 4, "layers": 1, "head_layers": 1},
    **{"batch_size": 2, "batch_length": 8, "horizon": 3, "imagination_starts": 4},
    **{"prefill_steps": PREFILL, "train_ratio": 16.0 * UPDATES_PER_STEP, "export_period_s": 0.01},
    "pretrain_updates": 0,
}
CONFIG = load_run("cartpole", {f"agent.{name}": value for name, value in SMALL.items()})


def make_step(index: int, config: RunConfig = CONFIG, source: Source = Source.POLICY, *, last: bool = False) -> Step:
    rng = np.random.default_rng(index)
    key = StepKey("session", (index + 1) * STEP_NS)
    values = {name: float(rng.normal()) for name in config.observation_spec().element_names}
    action = Action(key, rng.uniform(-1, 1, 1).astype(np.float32), source)
    return Step(Observation(key, values, {}, reward=0.5, is_first=index == 0, is_last=last), action)


class Run:
    """A live learner whose robot records what it lives."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []
        self.backlog = Backlog()
        self.live = LiveLearner(CONFIG, folder, self.said.append, backlog=self.backlog)
        self.bundles: list[bytes] = []
        self.made: list[int] = []

    def feed(
        self, indices: range, *, backlog: bool = False, source: Source = Source.POLICY, reward: float = 0.5
    ) -> None:
        for index in indices:
            step = make_step(index, source=source)
            step = replace(step, observation=replace(step.observation, reward=reward))
            if not backlog:
                self.backlog.witness(step.observation.key)
            self.live.add_action(step.action)
            self.live.add_observation(step.observation)

    def work(self) -> int:
        """Work until nothing is owed; returns the updates made."""
        before = self.live.learner.updates
        while self.live.busy:
            if (bundle := self.live.work(time.monotonic())) is not None:
                self.bundles.append(bundle)
        return self.live.learner.updates - before


@pytest.fixture(scope="module")
def first(tmp_path_factory) -> Run:
    """A run that has learned from 30 steps, then was killed: its last checkpoint is the one of its beginning."""
    run = Run(tmp_path_factory.mktemp("run"))
    run.feed(range(PREFILL - 1))
    run.made.append(run.work())
    run.feed(range(PREFILL - 1, 30))
    run.made.append(run.work())
    return run


@pytest.fixture(scope="module")
def second(first) -> Run:
    """The same run after a restart; its robot lived and recorded ten more steps meanwhile."""
    with StepWriter(first.folder / "bags", CONFIG.action_spec(), "/cartpole") as writer:
        for index in range(40):
            writer.write(make_step(index))
    return Run(first.folder)


def test_nothing_is_trained_before_the_prefill_and_what_is_owed_after(first):
    assert first.made == [0, (30 - PREFILL + 1) * UPDATES_PER_STEP]


def test_policies_are_handed_over_and_written_to_the_run_folder(first):
    assert len(first.bundles) >= 1
    path = first.folder / "policy.onnx"
    assert path.read_bytes() == first.bundles[-1]
    metadata = load_bundle(path, CONFIG).metadata
    assert (metadata.version, metadata.run_id) == (len(first.bundles), first.live.learner.run_id)


def test_metrics_tell_the_steps_the_updates_and_their_rate(first):
    metrics = first.live.metrics()
    assert (metrics["robot_steps"], metrics["updates"]) == (30, first.made[1])
    assert metrics["updates_per_s"] > 0
    assert all(np.isfinite(list(metrics.values())))


def test_a_figure_keeps_its_place_from_the_first_report_on_also_over_a_restart(tmp_path):
    run = Run(tmp_path)
    run.feed(range(5))
    before = list(run.live.metrics())
    assert tuple(before[: len(METRICS_ELEMENTS)]) == METRICS_ELEMENTS
    run.feed(range(5, 30))
    run.work()
    told = run.live.metrics()
    assert list(told)[: len(before)] == before
    assert len(told) > len(before)
    # What no update since has told is told again: a line that is drawn through it has no holes.
    again = run.live.metrics()
    assert list(again) == list(told)
    assert again["model_loss"] == told["model_loss"]
    run.live.save()
    resumed = Run(tmp_path).live.metrics()
    assert list(resumed) == list(told)
    assert math.isnan(resumed["model_loss"])
    assert resumed["updates"] == told["updates"]


def test_a_restarted_run_knows_every_recorded_step_and_owes_nothing_for_them(first, second):
    learner = second.live.learner
    assert learner.run_id == first.live.learner.run_id
    assert (len(learner.replay), learner.robot_steps, learner.owed) == (40, 40, 0)
    assert any("40 steps" in sentence for sentence in second.said)


def test_what_was_lived_while_the_learner_was_away_owes_nothing(second):
    second.feed(range(38, 48), backlog=True)
    assert second.work() == 0
    assert second.live.learner.robot_steps == 48


def test_the_next_version_follows_the_last_exported_one_also_if_no_checkpoint_knew_it(first, second):
    second.feed(range(48, 50))
    second.work()
    assert load_bundle(second.folder / "policy.onnx", CONFIG).metadata.version > len(first.bundles)


def test_repeats_owe_nothing(second):
    second.feed(range(50))
    assert second.work() == 0
    second.feed(range(50, 52))
    assert second.work() == 2 * UPDATES_PER_STEP
    assert second.live.learner.robot_steps == 52


def test_what_is_lived_during_a_pause_is_learned_from_later_but_owes_nothing(second):
    second.live.paused = True
    second.feed(range(52, 60))
    assert not second.live.busy
    second.live.paused = False
    assert second.work() == 0
    assert second.live.learner.robot_steps == 60
    second.feed(range(60, 61))
    assert second.work() == UPDATES_PER_STEP


def test_a_full_disk_stops_neither_learning_nor_policies_and_is_told(tmp_path):
    run = Run(tmp_path)
    run.feed(range(30))
    with limited_file_size(20):
        run.live.save()
        assert "no checkpoint can be written" in run.live.fault
        assert run.live.fault in run.said
        assert run.work() > 0
    assert run.bundles
    assert not (tmp_path / "policy.onnx").exists()
    assert Run(tmp_path).live.learner.updates == 0
    run.live.save()
    assert run.live.fault.endswith("policy.onnx: cannot be written (File too large); make room there")
    run.feed(range(30, 31))
    run.work()
    run.live.save()
    assert run.live.fault == ""
    assert Run(tmp_path).live.learner.updates == run.live.learner.updates


def test_weights_that_have_broken_down_do_not_replace_the_last_checkpoint(tmp_path):
    run = Run(tmp_path)
    run.feed(range(30))
    run.work()
    run.live.save()
    healthy = run.live.learner.updates
    run.feed(range(30, 40))
    with torch.no_grad():
        next(run.live.learner.agent.networks.critic.parameters()).fill_(torch.nan)
    run.live.save()
    assert "no checkpoint is written any more" in run.live.fault
    assert Run(tmp_path).live.learner.updates == healthy


def test_a_robot_that_rests_does_not_wear_the_disk(tmp_path):
    run = Run(tmp_path)
    run.feed(range(10))
    run.live.save()
    index = tmp_path / "checkpoints" / "checkpoint.json"
    saved = index.read_bytes()
    run.live.save()
    assert index.read_bytes() == saved
    run.feed(range(10, 11), source=Source.STOP)
    run.live.save()
    stopped = index.read_bytes()
    assert stopped != saved
    run.feed(range(11, 30), source=Source.STOP)
    run.live.save()
    assert index.read_bytes() == stopped
    run.feed(range(30, 31))
    run.live.save()
    assert index.read_bytes() != saved


def test_learning_goes_on_while_a_checkpoint_of_the_moment_before_is_written(tmp_path, monkeypatch):
    run = Run(tmp_path)
    run.feed(range(30))
    may_write = threading.Event()
    write = checkpoint.Snapshot.write

    def write_in_time(snapshot: checkpoint.Snapshot) -> None:
        assert may_write.wait(60)
        write(snapshot)

    monkeypatch.setattr(checkpoint.Snapshot, "write", write_in_time)
    run.live.work(math.inf)
    begun = run.live.learner.updates
    assert begun > 0
    run.feed(range(30, 40))
    assert run.work() > 0
    may_write.set()
    run.live.work(time.monotonic())
    run.live._checkpointing._finish(wait=True)
    assert run.live.fault == ""
    assert Learner.resume(CONFIG, tmp_path).updates == begun
    run.live.save()
    assert Learner.resume(CONFIG, tmp_path).updates == run.live.learner.updates


def test_what_is_wrong_with_rewards_is_said_once_and_counted(tmp_path):
    run = Run(tmp_path)
    run.feed(range(70))
    run.feed(range(70, 71), reward=1e6)
    run.feed(range(71, 200))
    run.feed(range(200, 205), reward=float("nan"))
    for _ in range(2):
        metrics = run.live.metrics()
        assert "1 of the rewards in replay are beyond ±100" in run.live.caution
    assert (metrics["bounded_rewards"], metrics["not_finite.reward"]) == (1, 5)
    for beginning in ("1 of the rewards in replay are beyond ±100", "steps whose reward is NaN"):
        assert len([sentence for sentence in run.said if sentence.startswith(beginning)]) == 1


def test_sessions_copied_from_the_robot_fill_in_what_no_history_holds_any_more(tmp_path):
    robot, workstation = tmp_path / "robot", tmp_path / "workstation"
    run = Run(workstation)
    run.feed(range(10))
    run.live.save()
    with StepWriter(robot, CONFIG.action_spec(), "/cartpole") as writer:
        for index in range(30):
            writer.write(make_step(index))
        # The robot lives on: its newest file is copied as it stands, and cannot be finished yet.
        shutil.copytree(robot, workstation / "bags", dirs_exist_ok=True)
        resumed = Run(workstation).live
        assert len(resumed.learner.replay) == resumed.learner.robot_steps == 30
        resumed.save()
        for index in range(30, 40):
            writer.write(make_step(index))
    shutil.copytree(robot, workstation / "bags", dirs_exist_ok=True)
    assert len(Run(workstation).live.learner.replay) == 40


def test_updates_that_are_left_out_are_told_and_nothing_is_exported_until_they_are_finite_again(tmp_path):
    run = Run(tmp_path)
    run.feed(range(30))
    run.work()
    healthy = len(run.bundles)
    assert healthy
    assert run.live.fault == ""
    weights = copy.deepcopy(run.live.learner.agent.networks.state_dict())

    def forget() -> None:
        """As when all that was lived has left the ring."""
        run.live.learner.replay = Replay(
            CONFIG.observation_spec(),
            CONFIG.action_spec(),
            1000,
            run.live.learner.agent.remembers,
            step_ns=STEP_NS,
            reward_scale=3e38,
        )

    # Finite where it comes in, and no longer where it is squared: the worst that a broken reward can do.
    forget()
    run.feed(range(30, 60), reward=3e38)
    assert run.work() > 0
    assert "were left out" in run.live.fault
    assert [sentence for sentence in run.said if "Look for extreme rewards" in sentence]
    assert len(run.bundles) == healthy
    now = run.live.learner.agent.networks.state_dict()
    running = {
        "returns.limits",
        "updates",
        *(name for name in now if name.startswith("slow_critic")),
    }  # averages of what there is
    assert all(torch.equal(weights[name], value) for name, value in now.items() if name not in running)
    assert run.live.learner.sound

    forget()
    run.feed(range(100, 150))
    run.work()
    assert run.live.fault == ""
    assert "updates are finite again" in run.said
    assert len(run.bundles) > healthy


def test_one_value_that_is_not_finite_never_reaches_the_weights(tmp_path):
    run = Run(tmp_path)
    run.feed(range(25))
    bad = [(where, value) for where in ("observation", "action", "reward") for value in (np.nan, np.inf, -np.inf, 1e39)]
    for number, (where, value) in enumerate(bad):
        step = make_step(25 + 2 * number)
        observation, action = step.observation, step.action
        match where:
            case "observation":
                observation = replace(observation, values=observation.values | {"cart_position": value})
            case "reward":
                observation = replace(observation, reward=value)
            case "action":
                with np.errstate(over="ignore"):
                    action = replace(action, values=np.array([value]).astype(np.float32))
        run.live.add_action(action)
        run.live.add_observation(observation)
        run.feed(range(26 + 2 * number, 27 + 2 * number))
        assert run.work() > 0
    assert run.live.metrics()["not_finite_steps"] == len(bad)
    assert run.live.fault == ""
    assert all(torch.isfinite(value).all() for value in run.live.learner.agent.networks.state_dict().values())


def test_what_lies_in_the_folder_of_recordings_stops_no_learner_and_is_named(tmp_path):
    bags = tmp_path / "bags"
    with StepWriter(bags, CONFIG.action_spec(), "/cartpole") as writer:
        for index in range(12):
            writer.write(make_step(index))
    (bags / "session1.mcap").mkdir()
    (bags / "nowhere.mcap").symlink_to(bags / "gone.mcap")
    (bags / "theirs.db3").write_bytes(b"SQLite")
    run = Run(tmp_path)
    assert run.live.learner.robot_steps == 12
    assert {Path(path).name for path in run.live.unread} == {"session1.mcap", "nowhere.mcap", "theirs.db3"}
    assert all(f"{path}: {reason}" in run.said for path, reason in run.live.unread.items())
