"""The learner: takes lived steps, has an agent learn from them in time, exports policies, and survives restarts."""

import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from robot_mbrl.agents.agent import LEFT_OUT
from robot_mbrl.agents.families import make_agent
from robot_mbrl.agents.purpose import Purpose
from robot_mbrl.config import RunConfig
from robot_mbrl.errors import CheckpointError, ConfigError, ExperienceError
from robot_mbrl.experience.goals import GoalJudge
from robot_mbrl.experience.replay import Replay
from robot_mbrl.learning import checkpoint, probe, state_tree
from robot_mbrl.learning.allocation import keep_freed_memory
from robot_mbrl.learning.captured import updating
from robot_mbrl.learning.exporter import PolicyExporter
from robot_mbrl.learning.metrics import MetricMeans, MetricPlaces
from robot_mbrl.learning.schedule import make_schedule
from robot_mbrl.learning.threads import sharing
from robot_mbrl.nets.precision import prefer_speed
from robot_mbrl.specs import Source
from robot_mbrl.steps import Step
from robot_mbrl.topics import METRICS_ELEMENTS
from robot_mbrl.world_models.batch import Batch

_COUNTERS = ("robot_steps", "resting_steps", "updates", "replayed_steps", "policy_version")


class Learner:
    """An agent with its replay, its schedule and its run: all that must be kept to go on as if it had never stopped.

    Call `receive` for every step lived, `update` while `owed` is positive, `export` and `save` from time to time.
    """

    def __init__(self, config: RunConfig, folder: Path) -> None:
        """Start from nothing.

        Args:
            config: the run.
            folder: the run's folder; checkpoints go to `checkpoints/` in it.
        """
        self.config = config
        self.folder = folder / "checkpoints"
        self.run_id = secrets.token_hex(8)
        self.robot_steps = 0
        """Steps lived, those before a resume included."""
        self.resting_steps = 0
        """Of these, the ones in which the robot just stayed in a safe stop; they are not learned from."""
        self.updates = 0
        self.replayed_steps = 0
        """Steps read from replay, each as often as it was."""
        self.policy_version = 0
        self.device = torch.device(_device(config.agent.device))
        prefer_speed(self.device)
        keep_freed_memory()
        self._threads = sharing(config.agent.threads, self.device)
        observation, action = config.observation_spec(), config.action_spec()
        purpose = Purpose.of(config)
        self.agent = make_agent(observation, action, config.agent, self.device, config.seed, purpose)
        self._compute = updating(self.agent, self.device, capture=config.agent.cuda_graph)
        self.schedule = make_schedule(config.agent)
        self.rng = np.random.default_rng(config.seed)
        self.step_ns = round(config.step_s * 1e9)
        """Nominal time between two steps, nanoseconds."""
        goals = GoalJudge(config)
        if any(draw.relabels for draw in self.agent.draws().values()):
            goals.check()
        self.replay = Replay(
            observation,
            action,
            config.agent.replay_capacity,
            self.agent.remembers,
            step_ns=self.step_ns,
            goal=config.goal_spec(),
            robot=config.robot.name,
            reward_scale=config.task.reward_scale,
            goals=goals,
        )
        self._exporter = PolicyExporter(self.agent.policy, config, self.run_id)
        self.places = MetricPlaces(METRICS_ELEMENTS)
        """The place of each figure that is reported, kept over restarts."""
        self._metrics = MetricMeans()
        self._recent_updates = 0
        self._left_out = MetricMeans()

    @classmethod
    def resume(cls, config: RunConfig, folder: Path) -> "Learner":
        """Go on from the newest checkpoint: the updates that follow equal those without the interruption, bit for bit.

        Raises:
            CheckpointError: if there is none, or it is damaged or of another run, or the agent does not do what it did
                when it was saved.
        """
        learner = cls(config, folder)
        saved = checkpoint.load(learner.folder, config)
        try:
            learner._load_state_dict(saved.state)
            found = probe.differences(learner.agent, saved.state["probe"])
        except (KeyError, RuntimeError, ValueError) as error:
            raise checkpoint.damaged(saved.weights, error) from error
        if found:
            raise CheckpointError(
                f"{saved.weights}: the agent does not do what it did when it was saved: {'; '.join(found)}. Nothing "
                f"goes on from it: resume with the versions of robot-mbrl and torch that saved it, or start a new run"
            )
        learner._load_replay(saved.replay)
        learner._exporter = PolicyExporter(learner.agent.policy, config, learner.run_id)
        return learner

    def receive(self, step: Step, *, owes: bool = True) -> bool:
        """Take one step of experience.

        A robot that is stopped, because nobody has enabled it or for the night, lives the same step again and again:
        the first is kept, the others neither count for the prefill nor owe updates.

        Args:
            step: the step.
            owes: whether updates are owed for it; none are for what was lived while nothing could be learned, but for
                those that learning begins with.

        Returns:
            Whether it is new; repeats are recognised by session and stamp.

        Raises:
            ExperienceError: if it lacks something that the run observes.
        """
        key = step.observation.key
        rests = step.action.source is Source.STOP and self.replay.rests(key.session)
        if not (self.replay.pass_over(key) if rests else self.replay.append(step)):
            return False
        self.robot_steps += 1
        self.resting_steps += rests
        if not self.prefilled:
            return True
        if self.updates == 0:
            self.schedule.begin()
        if owes and not rests:
            self.schedule.lived(self._replayed_per_update)
        if owes and step.observation.is_last:
            self.schedule.ended()
        return True

    @property
    def prefilled(self) -> bool:
        """Whether enough is known to learn from."""
        needed = (draw.fewest for draw in self.agent.draws().values())
        return len(self.replay) >= max(self.config.agent.prefill_steps, *needed, 0)

    @property
    def owed(self) -> int:
        """Updates that are due now."""
        return self.schedule.due

    @property
    def train_ratio(self) -> float:
        """Replayed steps per step lived since the prefill, as achieved."""
        lived = max(1, self.robot_steps - self.resting_steps - self.config.agent.prefill_steps)
        return self.replayed_steps / lived

    def update(self) -> None:
        """Let the agent learn from what it draws, and remember the latents that came of it."""
        replayed, start_s = self._replayed_per_update, time.perf_counter()
        drawn = {name: draw.read(self.replay, self.rng) for name, draw in self.agent.draws().items()}
        learned = self._compute({name: Batch.of(rows, self.device) for name, rows in drawn.items()})
        for name, latents in learned.latents.items():
            self._remember(drawn[name], latents)
        self._metrics.add(learned.metrics)
        self._left_out.add({name: value for name, value in learned.metrics.items() if name == LEFT_OUT})
        self._recent_updates += 1
        self.updates += 1
        self.replayed_steps += replayed
        self.schedule.updated()
        if self._threads is not None:
            self._threads.updated(time.perf_counter() - start_s)

    def take_left_out(self) -> tuple[int, int]:
        """How many updates were left out since the last call, because they were not finite, and of how many."""
        recent, self._recent_updates = self._recent_updates, 0
        return round(self._left_out.take().get(LEFT_OUT, 0.0) * recent), recent

    def metrics(self) -> dict[str, float]:
        """Means over the updates since the last call, and the counters."""
        counters = {
            "robot_steps": self.robot_steps,
            "resting_steps": self.resting_steps,
            "replay_steps": len(self.replay),
            "updates": self.updates,
            "policy_version": self.policy_version,
            "train_ratio": self.train_ratio,
            "owed_updates": self.owed,
        }
        if (total := self.schedule.total) is not None:
            counters["updates_in_all"] = total
        return self._metrics.take() | {name: float(value) for name, value in counters.items()}

    def prepare_export(self) -> None:
        """Trace the policy's graph now, so that the first `export` is as quick as the others."""
        self._exporter.prepare()

    def export(self) -> bytes:
        """The present policy as a bundle, of the next version."""
        self.policy_version += 1
        return self._exporter.export(self.policy_version, self.updates)

    @property
    def sound(self) -> bool:
        """Whether every weight is finite: what goes on from one that is not learns nothing ever again."""
        _, tensors = state_tree.split(self.agent.state_dict())
        finite = [torch.isfinite(tensor).all() for tensor in tensors.values() if tensor.is_floating_point()]
        return not finite or bool(torch.stack([each.to(self.device) for each in finite]).all())

    def save(self) -> None:
        """Write a checkpoint, atomically, in place of the one before.

        Raises:
            CheckpointError: if the disk does not take it; the one before stays.
        """
        self.snapshot().write()

    def snapshot(self) -> checkpoint.Snapshot:
        """The present state as a checkpoint, which another thread may write while this one goes on learning.

        Write it before the next is taken.

        Raises:
            CheckpointError: if the checkpoint before cannot be read.
        """
        return checkpoint.Snapshot(self.folder, self.config, self._state_dict(), self.replay)

    @property
    def _replayed_per_update(self) -> int:
        return sum(draw.replayed for draw in self.agent.draws().values())

    def _state_dict(self) -> dict[str, Any]:
        """All but the replay that the next update depends on, and the probe."""
        return {
            "run_id": self.run_id,
            "counters": {name: getattr(self, name) for name in _COUNTERS},
            "schedule": self.schedule.state_dict(),
            "numpy_rng": self.rng.bit_generator.state,
            "places": self.places.names,
            "agent": self.agent.state_dict(),
            "probe": probe.take(self.agent),
        }

    def _load_state_dict(self, state: Mapping[str, Any]) -> None:
        for name in _COUNTERS:
            setattr(self, name, state["counters"][name])
        self.run_id = state["run_id"]
        self.places = MetricPlaces([*METRICS_ELEMENTS, *state.get("places", ())])
        self.schedule.load_state_dict(state["schedule"])
        self.rng.bit_generator.state = state["numpy_rng"]
        self.agent.load_state_dict(state["agent"])

    def _load_replay(self, path: Path) -> None:
        try:
            self.replay.restore(path)
        except ExperienceError as error:
            raise CheckpointError(f"the checkpoint's replay cannot be used: {error}; {checkpoint.REMEDY}") from error

    def _remember(self, drawn: Mapping[str, np.ndarray], latents: Mapping[str, Tensor]) -> None:
        """Latents go into replay, but for those that are not finite: they would spoil later updates, too."""
        values, kept = {}, drawn["valid"].copy()  # (B, T)
        for name, spec in self.agent.remembers.items():
            values[name] = latents[name].to(getattr(torch, spec.dtype)).cpu().numpy()
            kept &= np.isfinite(values[name]).reshape(*kept.shape, -1).all(-1)
        self.replay.write_state(drawn["row"][kept], {name: value[kept] for name, value in values.items()})


def _device(name: str) -> str:
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return "cuda" if there else "cpu"
    index = int(name.partition(":")[2] or 0)
    if name != "cpu" and index >= there:
        raise ConfigError(f"agent.device: {name} is not there; torch finds {there} CUDA devices: choose auto or cpu")
    return name
