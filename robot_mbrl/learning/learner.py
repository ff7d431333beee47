"""The learner: takes lived steps, trains the agent at a fixed train ratio, exports policies, and survives restarts."""

import secrets
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from robot_mbrl.agents.dreamer import Dreamer, DreamerOptimizer
from robot_mbrl.config import RunConfig
from robot_mbrl.errors import ConfigError
from robot_mbrl.experience.replay import Replay
from robot_mbrl.learning import checkpoint
from robot_mbrl.learning.exporter import PolicyExporter
from robot_mbrl.specs import Source, TensorSpec
from robot_mbrl.steps import Step
from robot_mbrl.world_models.rssm import State
from robot_mbrl.world_models.world_model import Batch


class Learner:
    """Everything that learns, and all that must be kept for it to go on as if it had never stopped.

    Call `receive` for every step lived, `update` while `owed` is positive, `export` and `save` from time to time.
    """

    def __init__(self, config: RunConfig, folder: Path) -> None:
        """Start from nothing.

        Args:
            config: the run.
            folder: the run's folder; checkpoints go to `checkpoints/` in it.
        """
        agent = config.agent
        self.config = config
        self.folder = folder / "checkpoints"
        self.run_id = secrets.token_hex(8)
        self.robot_steps = 0
        """Steps lived, those before a resume included."""
        self.resting_steps = 0
        """Of these, the ones in which the robot just stayed in a safe stop; they are not learned from."""
        self.updates = 0
        self.policy_version = 0
        self.credit = 0.0
        """Updates owed, with fraction."""
        torch.set_num_threads(agent.threads)
        self.device = torch.device(_device(agent.device))
        # The seed alone decides the first weights, whatever else this process drew before.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.agent = Dreamer(config.observation_spec(), config.action_spec(), agent).to(self.device)
        self.optimizer = DreamerOptimizer(self.agent)
        self.generator = torch.Generator(self.device).manual_seed(config.seed)
        self.rng = np.random.default_rng(config.seed)
        self.replay_state = {
            "deter": TensorSpec(shape=(agent.deter,), dtype="float16"),
            "latent": TensorSpec(shape=(agent.stoch,), dtype="uint8"),
        }
        """The latent states that replay keeps beside each step: the bulk of its memory, so half precision must do."""
        self.step_ns = round(config.step_s * 1e9)
        """Nominal time between two steps, nanoseconds."""
        self.replay = Replay(
            config.observation_spec(),
            config.action_spec(),
            agent.replay_capacity,
            self.replay_state,
            step_ns=self.step_ns,
        )
        self._exporter = PolicyExporter(self.agent, config, self.run_id)
        self._metrics: list[dict[str, Tensor]] = []
        self._left_out: list[Tensor] = []

    @classmethod
    def resume(cls, config: RunConfig, folder: Path) -> "Learner":
        """Go on from the newest checkpoint: the updates that follow equal those without the interruption, bit for bit.

        Raises:
            CheckpointError: if there is none, or it is damaged or of another run.
        """
        learner = cls(config, folder)
        checkpoint.load(learner)
        learner._exporter = PolicyExporter(learner.agent, config, learner.run_id)
        return learner

    def receive(self, step: Step, *, owes: bool = True) -> bool:
        """Take one step of experience.

        A robot that is stopped, because nobody has enabled it or for the night, lives the same step again and again:
        the first is kept, the others neither count for the prefill nor owe updates.

        Args:
            step: the step.
            owes: whether updates are owed for it; none are for what was lived while nothing could be learned, but for
                those of the pretraining.

        Returns:
            Whether it is new; repeats are recognised by session and stamp.

        Raises:
            ExperienceError: if it lacks something that the run observes.
        """
        key = step.observation.key
        if step.action.source is Source.STOP and self.replay.rests(key.session):
            new = self.replay.pass_over(key)
            self.robot_steps += new
            self.resting_steps += new
            return new
        if not self.replay.append(step):
            return False
        self.robot_steps += 1
        agent = self.config.agent
        if self.prefilled and self.updates == 0:
            self.credit = max(self.credit, float(agent.pretrain_updates))
        if self.prefilled and owes:
            self.credit += agent.train_ratio / (agent.batch_size * agent.batch_length)
            self.credit = min(self.credit, float(max(agent.max_debt_updates, agent.pretrain_updates)))
        return True

    @property
    def prefilled(self) -> bool:
        """Whether enough is known to learn from."""
        agent = self.config.agent
        return len(self.replay) >= max(agent.prefill_steps, agent.batch_length)

    @property
    def owed(self) -> int:
        """Updates that the train ratio demands now."""
        return int(self.credit)

    @property
    def train_ratio(self) -> float:
        """Replayed steps per step lived since the prefill, as achieved."""
        agent = self.config.agent
        lived = max(1, self.robot_steps - self.resting_steps - agent.prefill_steps)
        return self.updates * agent.batch_size * agent.batch_length / lived

    def update(self) -> None:
        """Train on one batch of replayed sequences, and refresh the latent states they start from next time."""
        agent = self.config.agent
        sampled = self.replay.sample(self.rng, agent.batch_size, agent.batch_length)
        batch, initial = self.batch(sampled)
        posterior, metrics = self.agent.update(batch, initial, self.optimizer, self.generator)
        latents = {"deter": posterior.deter.half(), "latent": posterior.latent.to(torch.uint8)}
        self._keep_latents(sampled["row"], {name: value.cpu().numpy() for name, value in latents.items()})
        self._metrics.append(metrics)
        self._left_out.append(metrics["left_out"])
        self.updates += 1
        self.credit = max(0.0, self.credit - 1.0)

    def take_left_out(self) -> tuple[int, int]:
        """How many updates were left out since the last call, because they were not finite, and of how many."""
        recent, self._left_out = self._left_out, []
        return (int(torch.stack(recent).sum()) if recent else 0), len(recent)

    def batch(self, sampled: dict[str, np.ndarray]) -> tuple[Batch, State]:
        """Sequences sampled from replay as the agent takes them, and the model states kept from before they begin."""
        before, known = self.replay.read_state(sampled["row"][:, 0] - 1)
        initial = State(self._tensor(before["deter"]).float(), self._tensor(before["latent"]).long())
        # A sequence whose past is not known begins as if an episode began.
        sampled["is_first"][:, 0] = np.maximum(sampled["is_first"][:, 0], ~known)
        observation = {
            name.removeprefix("observation."): self._tensor(values)
            for name, values in sampled.items()
            if name.startswith("observation.")
        }
        others = {name: self._tensor(sampled[name]) for name in ("prev_action", "reward", "is_first", "is_terminal")}
        return Batch(observation, **others), initial

    def metrics(self) -> dict[str, float]:
        """Means over the updates since the last call, and the counters."""
        names = self._metrics[-1] if self._metrics else {}
        result = {name: float(torch.stack([m[name] for m in self._metrics]).mean()) for name in names}
        self._metrics.clear()
        counters = {
            "robot_steps": self.robot_steps,
            "resting_steps": self.resting_steps,
            "replay_steps": len(self.replay),
            "updates": self.updates,
            "policy_version": self.policy_version,
            "train_ratio": self.train_ratio,
            "owed_updates": self.owed,
        }
        return result | {name: float(value) for name, value in counters.items()}

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
        weights = self.agent.state_dict().values()
        return bool(torch.stack([torch.isfinite(weight).all() for weight in weights]).all())

    def save(self) -> None:
        """Write a checkpoint, atomically, in place of the one before."""
        checkpoint.save(self)

    def _keep_latents(self, rows: np.ndarray, latents: dict[str, np.ndarray]) -> None:
        """Latent states go into replay, but for those that are not finite: they would spoil later updates, too."""
        finite = np.isfinite(latents["deter"]).all(-1)  # (batch, length)
        self.replay.write_state(rows[finite], {name: value[finite] for name, value in latents.items()})

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(self.device, non_blocking=True)


def _device(name: str) -> str:
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return "cuda" if there else "cpu"
    index = int(name.partition(":")[2] or 0)
    if name != "cpu" and index >= there:
        raise ConfigError(f"agent.device: {name} is not there; torch finds {there} CUDA devices: choose auto or cpu")
    return name
