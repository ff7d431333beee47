"""Model-predictive control with a learned model (Nagabandi et al. 2017; with an ensemble as in PETS, Chua et al. 2018).

An ensemble of networks learns from single transitions, uniformly over all that was collected, how observations change
(`world_models/ensemble_model.py`): on standardised differences, with noise on inputs and targets. Nothing else is
learned. The policy (`agents/mpc_policy.py`) looks ahead with it at every step, executes the first action of the
cheapest plan, and plans anew. What is cheap is a matter of the task's objective and of the goal that is told, neither
of which the model knows: a new goal needs no learning.

Shapes: E members, B batch, N observations in a window, V observed values, A action, T = N + 1.
"""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from robot_mbrl.agent_configs.mpc import MPCConfig
from robot_mbrl.agents.agent import LEFT_OUT, Learned
from robot_mbrl.agents.capturable import ModelAgent
from robot_mbrl.agents.foreseeing import drawn_noise, last_told
from robot_mbrl.agents.mpc_policy import MPCPolicy, observed_values
from robot_mbrl.agents.optimizers import ClippedAdam, set_gradients
from robot_mbrl.agents.purpose import Purpose
from robot_mbrl.errors import ConfigError
from robot_mbrl.experience.draws import Transitions
from robot_mbrl.specs import ActionSpec, ObservationSpec, TensorSpec
from robot_mbrl.world_models.batch import Batch
from robot_mbrl.world_models.ensemble_model import EnsembleModel

FIT: Literal["fit"] = "fit"
HELD_OUT: Literal["held_out"] = "held_out"
"""The names of its draws, and the parts of replay that they are from."""


class MPC(ModelAgent):
    """Implements `agents.agent.Agent`, `Capturable`, `ForeseesApart` and `ImaginesAhead`.

    Attributes:
        model: what is learned.
    """

    model: EnsembleModel

    def __init__(
        self,
        observation: ObservationSpec,
        action: ActionSpec,
        config: MPCConfig,
        device: torch.device,
        seed: int,
        purpose: Purpose | None = None,
    ) -> None:
        """Make the networks with torch's own random numbers, which the caller has seeded.

        Args:
            observation: what is observed.
            action: what is decided.
            config: the settings.
            device: where it learns.
            seed: of the random numbers that its updates draw.
            purpose: what its policy plans for; None for an agent that only learns, and has no policy.

        Raises:
            ConfigError: if pictures are observed, actions are choices, or the task has no objective, or one of values
                that are not observed.
        """
        if observation.images:
            raise ConfigError(
                f"task.observe: agents of the family mpc see vectors alone, no pictures as "
                f"{', '.join(observation.images)}"
            )
        if action.discrete:
            raise ConfigError("agents of the family mpc plan continuous actions; this robot's are choices")
        self._config, self._device, self._spec = config, device, observation
        model = EnsembleModel(
            len(observation.element_names),
            action.size,
            members=config.members,
            history=config.history,
            units=config.units,
            layers=config.layers,
            activation=config.activation,
            likelihood=config.likelihood,
            statistics_rate=config.statistics_rate,
        ).to(device)
        optimizer = ClippedAdam([model], rate=config.rate, epsilon=1e-8, clip=config.clip, decay=config.weight_decay)
        super().__init__(model, optimizer, config.pretrain_updates, device, seed)
        self._policy = None if purpose is None else MPCPolicy(self.model, observation, action, config, purpose)
        self.remembers: dict[str, TensorSpec] = {}
        self.cautions: dict[str, str] = {}

    @property
    def policy(self) -> MPCPolicy:
        """What is exported."""
        if self._policy is None:
            raise ConfigError("an agent of the family mpc was made without a task, and so without a policy")
        return self._policy

    def draws(self) -> dict[str, Transitions]:
        """Transitions to fit each member, and others that none learns from, with the observations before them."""
        config = self._config
        return {
            FIT: Transitions(config.batch_size * config.members, config.history, FIT),
            HELD_OUT: Transitions(config.held_out_size, config.history, HELD_OUT),
        }

    def compute(self, batches: Mapping[str, Batch]) -> Learned:
        """See `agents.agent.Capturable`."""
        window, action, before, after, counts = self._transitions(batches[FIT])
        self.model.observed.measure(before, counts)
        self.model.change.measure(after - before, counts)

        def by_member(values: Tensor) -> Tensor:
            return values.view(self._config.members, self._config.batch_size, *values.shape[1:])

        target = self.model.target(before, after)
        noisy, target = self._with_noise(window, target)
        predicted = self.model.predict(by_member(noisy), by_member(action))
        loss = self.model.loss(predicted, by_member(target), by_member(counts))
        set_gradients(loss, self.model)
        norm, left_out = self._optimizer.step()
        error = (predicted.mean.detach() - by_member(target)).square().mean()
        metrics = {"model_loss": loss.detach(), "fit_error": error, "gradient_norm": norm, LEFT_OUT: left_out}
        return Learned(metrics | self._judge(batches[HELD_OUT]))

    @torch.no_grad()
    def _judge(self, batch: Batch) -> dict[str, Tensor]:
        """How wrong the members are about transitions that they have not learned from, and how they differ."""
        window, action, before, after, counts = self._transitions(batch)
        members = self._config.members
        predicted = self.model.predict(window.expand(members, -1, -1), action.expand(members, -1, -1)).mean  # (E, B, V)
        share = (counts / counts.sum().clamp(min=1.0)).unsqueeze(-1)
        error = (share * (predicted - self.model.target(before, after)).square()).sum(1).mean()
        spread = (share * predicted.var(0, correction=0)).sum(0).mean().sqrt()
        return {"held_out_error": error, "spread": spread}

    def _transitions(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Windows (B, W), actions (B, A), observations before and after, (B, V), and 1 for those that count, (B)."""
        observed = observed_values(batch.observation, self._spec)  # (B, T, V)
        last = self._config.history
        window = self.model.window_of(observed[:, :last], batch.action[:, : last - 1])
        counts = batch.valid[:, last].to(observed)
        return window, batch.action[:, last - 1], observed[:, last - 1], observed[:, last], counts

    def _with_noise(self, window: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Windows and standardised differences with noise in proportion to each value's signal."""
        config, model = self._config, self.model
        if not config.data_noise:
            return window, target
        seen = config.history * model.values
        drawn = torch.randn(
            window.shape[0], seen + model.values, generator=self._random.generator, device=window.device
        )
        on_window = config.data_noise * model.observed.signal.repeat(config.history) * drawn[:, :seen]
        on_target = config.data_noise * model.change.signal / model.change.deviation * drawn[:, seen:]
        return torch.cat([window[:, :seen] + on_window, window[:, seen:]], -1), target + on_target

    def foresee(self, batch: Batch, context: int, seed: int) -> dict[str, Tensor]:
        """The mean of the ensemble, once it sees no more; what it sees stands for its reconstruction."""
        del seed  # Nothing is drawn.
        observed = observed_values(batch.observation, self._spec)  # (B, T, V)
        members, model = self._config.members, self.model
        window = model.first_window(observed[:, 0])
        expected = [observed[:, 0]]
        with torch.no_grad():
            for time in range(1, observed.shape[1]):
                action = batch.prev_action[:, time]
                ahead = model.advance(window.expand(members, -1, -1), action.expand(members, -1, -1)).mean(0)
                seen = observed[:, time] if time < context else ahead[:, : model.values]
                window = model.moved(window, action, seen)
                expected.append(seen)
        return self._named(torch.stack(expected, 1))

    def foresee_apart(self, batch: Batch, context: int) -> list[dict[str, Tensor]]:
        """Each member goes its own way (PETS' TS-infinity, without its noise), once it sees no more."""
        observed = observed_values(batch.observation, self._spec)  # (B, T, V)
        members, model = self._config.members, self.model
        window = model.first_window(observed[:, 0]).expand(members, -1, -1)  # (E, B, W)
        expected = [observed[:, 0].expand(members, -1, -1)]
        with torch.no_grad():
            for time in range(1, observed.shape[1]):
                action = batch.prev_action[:, time].expand(members, -1, -1)
                if time < context:
                    window = model.moved(window, action, observed[:, time].expand(members, -1, -1))
                else:
                    window = model.advance(window, action)
                expected.append(window[..., : model.values])
        return [self._named(of_member) for of_member in torch.stack(expected, 2).unbind(0)]

    @torch.no_grad()
    def imagine_ahead(self, batch: Batch, steps: int) -> dict[str, Tensor]:
        """See `agents.agent.ImaginesAhead`: the mean of the ensemble, by a plan that is made anew."""
        policy, model, members = self.policy, self.model, self._config.members
        observed = observed_values(batch.observation, self._spec)  # (1, T, V)
        window = model.first_window(observed[:, 0])
        for time in range(1, observed.shape[1]):
            begun = model.first_window(observed[:, time])
            gone_on = model.moved(window, batch.prev_action[:, time], observed[:, time])
            window = torch.where(batch.is_first[:, time, None] > 0.5, begun, gone_on)
        noise = drawn_noise(policy.noise, window.device, seed=0)
        memory = {name: window.new_zeros(spec.shape) for name, spec in policy.planner.memory.items()}
        told = last_told(batch, policy.goal) | {f"noise.{name}": value for name, value in noise.items()}
        plan = policy.plan_from(window, memory, told)
        if not plan.found:
            return {}
        expected = []
        for action in plan.actions[:steps].unsqueeze(1).unbind(0):
            window = model.advance(window.expand(members, -1, -1), action.expand(members, -1, -1)).mean(0)
            expected.append(window[:, : model.values])
        return self._named(torch.stack(expected, 1))

    def _named(self, values: Tensor) -> dict[str, Tensor]:
        """All vectors' values (..., V) by the names of the vectors."""
        sizes = [vector.size for vector in self._spec.vectors.values()]
        return dict(zip(self._spec.vectors, torch.split(values, sizes, -1), strict=True))

    def probe(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Nothing: all networks are part of the policy."""
        return {}
