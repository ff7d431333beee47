"""DayDreamer (Wu et al. 2022), which learned on four robots: advantages through the dynamics, weights that adapt.

One update is `DayDreamer.update`; read it from there. Shapes: B batch, T time, N imagination starts, H horizon,
A action; see docs/tensor_shapes.md. What differs from the published code is in docs/agents.md.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from robot_mbrl.agent_configs import DayDreamerConfig
from robot_mbrl.agents.acting import Acting, DrawOrMode
from robot_mbrl.agents.agent import LEFT_OUT
from robot_mbrl.agents.cloning import add_cloning
from robot_mbrl.agents.imagination import (
    Dream,
    ends,
    frozen,
    imagine,
    lambda_return,
    last_of_each,
    latent_noise,
    through_actions,
)
from robot_mbrl.agents.optimizers import adam_of_each, set_gradients
from robot_mbrl.nets.normalisers import AdaptiveWeight, MovingMoments
from robot_mbrl.nets.policies import BoundedNormal, Categorical
from robot_mbrl.nets.precision import at_least_single, computing_in
from robot_mbrl.nets.scalars import ScalarHead, Symlog
from robot_mbrl.specs import ActionSpec, ObservationSpec, TensorSpec
from robot_mbrl.world_models.batch import Batch
from robot_mbrl.world_models.daydreamer_model import OUTPUT_SCALE, DayDreamerModel
from robot_mbrl.world_models.observations import CAUTIONS
from robot_mbrl.world_models.state import State


class DayDreamer(nn.Module):
    """The agent's networks and one step of their training."""

    remembers: Mapping[str, TensorSpec] = {}
    cautions: Mapping[str, str] = CAUTIONS
    updates: Tensor

    def __init__(self, observation: ObservationSpec, action: ActionSpec, config: DayDreamerConfig) -> None:
        super().__init__()
        self.config = config
        self.model = DayDreamerModel(observation, action.size, config)
        self.distribution: BoundedNormal | Categorical
        if action.discrete:
            self.distribution = Categorical(action.size, config.action_unimix)
            entropies: tuple[int, ...] = ()
        else:
            self.distribution = BoundedNormal(action.size, config.min_std, config.max_std, std_offset=0.0)
            entropies = (action.size,)
        self.through_dynamics = not action.discrete
        self.acting: Acting = DrawOrMode(self.distribution)
        parts = self.distribution.parts
        self.actor = self.model.network(list(parts), [OUTPUT_SCALE, 1.0][: len(parts)])
        self.critic = ScalarHead(self.model.network([1], [OUTPUT_SCALE]), Symlog())
        self.slow_critic = ScalarHead(self.model.network([1], [OUTPUT_SCALE]), Symlog()).requires_grad_(False)
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))
        self.advantages = MovingMoments(config.advantage_decay)
        self.entropy_weight = AdaptiveWeight(
            entropies, config.adaptive_factor, config.entropy_weight_min, config.entropy_weight_max
        )
        rates = {"model": config.model_rate, "critic": config.critic_rate, "actor": config.actor_rate}
        self.optimizers = adam_of_each(
            self, rates, epsilon=config.adam_epsilon, clip=config.clip, decay=config.weight_decay
        )

    def update(self, batch: Batch, generator: torch.Generator) -> tuple[State, dict[str, Tensor]]:
        """Train model, critic and actor once, in this order, each with what the one before has learned.

        Args:
            batch: replayed sequences (B, T, ...).
            generator: source of all randomness of this update.

        Returns:
            The sequences' posterior states (B, T, ...), detached, and metrics as tensors: nothing here waits for the
            device, so that a GPU is never idle.
        """
        config, model = self.config, self.model
        with computing_in(config.precision, batch.reward.device):
            model_loss, posterior, metrics = model.loss(batch, latent_noise(model.latent, batch, generator))
            set_gradients(model_loss, model)
            metrics["model_loss"] = model_loss.detach()
            left_out = [self._step("model", metrics)]

            posterior, count = posterior.detach(), config.starts_per_sequence
            going_on = 1.0 - last_of_each(batch.is_terminal, count)  # (N,), nothing follows a terminal state
            with frozen(model):
                dream = imagine(
                    model.rssm,
                    self.actor,
                    self.distribution,
                    ends(posterior, count),
                    config.horizon,
                    generator,
                    through_dynamics=self.through_dynamics,
                )
                with torch.set_grad_enabled(self.through_dynamics):
                    reward = model.reward.mean(*dream.arrived())  # (N, H), earned on arriving at states 1…H
                    discount = config.discount * model.continues.mean(*dream.arrived())
                # How likely imagination is to have come this far: (N, H).
                weight = torch.cat([going_on.unsqueeze(1), discount[:, :-1]], 1).cumprod(1).detach()
                metrics |= self._critic_gradient(dream, reward, discount, weight)
                left_out.append(self._step("critic", metrics))
                self._copy_critic()
                metrics |= self._actor_gradient(dream, reward, discount, weight)
                metrics |= add_cloning(self.actor, self.distribution, posterior, batch, config.cloning_scale)
                left_out.append(self._step("actor", metrics))
        metrics[LEFT_OUT] = torch.stack(left_out).max()
        return posterior, metrics

    def _critic_gradient(self, dream: Dream, reward: Tensor, discount: Tensor, weight: Tensor) -> dict[str, Tensor]:
        """The critic learns the returns that the slow critic completes."""
        with torch.no_grad():
            value = self.slow_critic.mean(*dream.states)  # (N, H + 1)
            target = lambda_return(reward, discount, value, self.config.return_lambda)  # (N, H)
        loss = (weight * self.critic.loss(*dream.departed(), target)).mean()
        set_gradients(loss, self.critic)
        return {
            "critic_loss": loss.detach(),
            "imagined_return": target.mean(),
            "imagined_reward": reward.detach().mean(),
        }

    def _actor_gradient(self, dream: Dream, reward: Tensor, discount: Tensor, weight: Tensor) -> dict[str, Tensor]:
        """The actor learns by normalised advantages over the slow critic, and holds its entropy."""
        with torch.set_grad_enabled(self.through_dynamics):
            value = self.slow_critic.mean(*dream.states)  # (N, H + 1)
            returns = lambda_return(reward, discount, value, self.config.return_lambda)
            advantage = returns - value[:, :-1]  # (N, H)
            self.advantages.update(advantage.detach())
            advantage = self.advantages.normalised(advantage)

        out = at_least_single(self.actor(*dream.departed()))
        entropy = self._normalised_entropy(out)  # (N, H, A), or (N, H) of choices
        entropy_weight = self._adapted(entropy)
        bonus = (entropy_weight * entropy).flatten(2).sum(-1) if entropy.ndim > 2 else entropy_weight * entropy
        if self.through_dynamics:
            objective = -(weight * advantage).mean()
            loss = through_actions(objective, dream, self.distribution.sample(out, dream.noise))
        else:
            objective = -(weight * self.distribution.log_prob(out, dream.draws) * advantage).mean()
            loss = objective
        set_gradients(loss - (weight * bonus).mean(), self.actor)
        return {
            "actor_loss": objective.detach(),
            "entropy": entropy.detach().mean(),
            "entropy_weight": entropy_weight.mean(),
        }

    def _normalised_entropy(self, out: Tensor) -> Tensor:
        """0 where an action is as certain as can be, 1 where it is as random."""
        if isinstance(self.distribution, Categorical):
            return self.distribution.entropy(out) / math.log(self.distribution.size)
        least, most = self.config.min_std, self.config.max_std
        _, std = self.distribution.parameters_of(out)
        return (std / least).log() / math.log(most / least)

    def _adapted(self, entropy: Tensor) -> Tensor:
        """The weights of the entropies, once they have followed this batch's means."""
        mean, target, factor = entropy.detach().mean((0, 1)), self.config.entropy_target, self.config.adaptive_factor
        return self.entropy_weight.adapt(grow=mean < target / factor, shrink=mean > target * factor)

    @torch.no_grad()
    def _copy_critic(self) -> None:
        """Every so many updates, from the first on, the slow critic becomes the critic."""
        due = self.updates % self.config.slow_critic_every == 0
        for slow, fast in zip(self.slow_critic.parameters(), self.critic.parameters(), strict=True):
            slow.copy_(torch.where(due, fast, slow))
        self.updates += 1

    def _step(self, name: str, metrics: dict[str, Tensor]) -> Tensor:
        metrics[f"{name}_grad_norm"], left_out = self.optimizers[name].step()
        return left_out
