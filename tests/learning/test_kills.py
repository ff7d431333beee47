"""A learner that is killed at any moment, inside checkpoints too, goes on by itself with what it had."""

import os
import random
import signal
import time
import traceback
from pathlib import Path

import numpy as np
import pytest

from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.experience import replay_files
from robot_mbrl.learning import checkpoint
from robot_mbrl.learning.learner import Learner
from robot_mbrl.steps import Action, Observation, Step, StepKey
from tests.graph.tiny import TINY

KILLS = 30
STEP_NS = 50_000_000
CONFIG = load_run(
    "cartpole", TINY | {"agent.prefill_steps": 20, "agent.pretrain_updates": 0, "agent.replay_capacity": 5000}
)


def live(learner: Learner, config: RunConfig, count: int) -> None:
    """The next steps of a life that is the same however often its learner is killed."""
    for index in range(learner.replay.total, learner.replay.total + count):
        rng = np.random.default_rng(index)
        key = StepKey("session", (index + 1) * STEP_NS)
        values = {name: float(rng.normal()) for name in config.observation_spec().element_names}
        action = Action(key, rng.uniform(-1, 1, 1).astype(np.float32))
        learner.receive(Step(Observation(key, values, {}, reward=0.5, is_first=index == 0), action))


def learn_until_killed(folder: Path, tell: int) -> None:
    """Resume or begin, then learn and save without a pause; each checkpoint that is there for good is told."""
    learner = Learner.resume(CONFIG, folder) if checkpoint.exists(folder) else Learner(CONFIG, folder)
    os.write(tell, f"{learner.updates} {learner.replay.total}\n".encode())
    while True:
        live(learner, CONFIG, 25)
        learner.update()
        learner.save()
        os.write(tell, f"{learner.updates} {learner.replay.total}\n".encode())


def is_half_written(folder: Path) -> bool:
    """Whether a part of a checkpoint lies there that is not whole."""
    return any(folder.glob("checkpoints/*.partial"))


def killed_after(folder: Path, saves: int, share: float | None) -> list[tuple[int, int]]:
    """Run a learner in a process of its own and kill it; what it told of itself.

    Args:
        folder: of the run.
        saves: checkpoints that it has written by then.
        share: of the time from one checkpoint to the next, how much it is given after that; None to kill it as soon as
            a part of the next one is seen on the disk.
    """
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        try:
            learn_until_killed(folder, write)
        except BaseException:  # In a fork: pytest's own handling would run on, a second time, in the child.
            traceback.print_exc()
        os._exit(1)
    os.close(write)
    told, times_s = b"", []
    while len(times_s) <= saves:
        more = os.read(read, 1000)
        assert more, "it did not come up by itself"
        told += more
        times_s += [time.monotonic()] * (told.count(b"\n") - len(times_s))
    if share is not None:
        time.sleep(share * (times_s[-1] - times_s[0]) / saves)
    while share is None and not is_half_written(folder):
        pass
    os.kill(pid, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL, "it did not come up by itself"
    while more := os.read(read, 100_000):
        told += more
    os.close(read)
    # What it was telling when it was killed may be cut off.
    lines = [line.split() for line in told.decode().splitlines(keepends=True) if line.endswith("\n")]
    return [(int(updates), int(steps)) for updates, steps in lines]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_learner_killed_at_random_moments_always_resumes_by_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(replay_files, "SEGMENT", 64)
    rng = random.Random(0)
    saved = (0, 0)
    half_written = 0
    for kill in range(KILLS):
        # Every third one while it writes, the others at any moment.
        resumed, *since = killed_after(tmp_path, 1, None if kill % 3 == 0 else rng.uniform(0.0, 1.2))
        half_written += is_half_written(tmp_path)
        # At least the last checkpoint that was told of; at most one more, whose writer was killed before it told.
        assert saved <= resumed <= (saved[0] + 1, saved[1] + 25)
        saved = since[-1] if since else resumed
    assert half_written > 0
    learner = Learner.resume(CONFIG, tmp_path)
    assert learner.updates >= KILLS
    # Each step of the life is there once, in order.
    stamps = learner.replay.read(np.arange(learner.replay.total))["stamp_ns"]
    assert (stamps == (np.arange(learner.replay.total) + 1) * STEP_NS).all()
    learner.save()
    names = {path.name.split("-")[0].split(".")[0] for path in (tmp_path / "checkpoints").iterdir()}
    assert names == {"checkpoint", "weights", "replay", "rows", "latents"}
    assert len(list((tmp_path / "checkpoints").glob("weights-*"))) == 1
