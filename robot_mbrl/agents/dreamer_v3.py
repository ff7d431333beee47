"""DreamerV3 (Hafner et al. 2023): one loss and one optimiser for all networks, Reinforce, a critic on replay as well.

One update is `DreamerV3.update`; read it from there. Shapes: B batch, T time, N imagination starts, H horizon,
A action; see docs/tensor_shapes.md. What differs from the published code is in docs/agents.md.
"""

import copy
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from robot_mbrl.agent_configs import DreamerV3Config
from robot_mbrl.agents.acting import Acting, DrawOrMode
from robot_mbrl.agents.agent import LEFT_OUT
from robot_mbrl.agents.cloning import add_cloning
from robot_mbrl.agents.imagination import Dream, ends, imagine, lambda_return, latent_noise
from robot_mbrl.agents.optimizers import LaProp, follow
from robot_mbrl.nets.normalisers import MovingRange
from robot_mbrl.nets.parts import in_parts
from robot_mbrl.nets.policies import BoundedNormal, Categorical
from robot_mbrl.nets.precision import at_least_single, computing_in
from robot_mbrl.nets.scalars import ScalarHead
from robot_mbrl.nets.twohot import TwoHot
from robot_mbrl.specs import ActionSpec, ObservationSpec
from robot_mbrl.world_models.batch import Batch
from robot_mbrl.world_models.dreamer_v3_model import DreamerV3Model
from robot_mbrl.world_models.state import State

_ACTOR_OUTPUT_SCALE = 0.01
"""What the actor's initial output weights are scaled by."""


class Losses(NamedTuple):
    """Scalars to be minimised, and what is to be watched."""

    total: Tensor
    metrics: dict[str, Tensor]


class DreamerV3(nn.Module):
    """The agent's networks and one step of their training."""

    cautions: Mapping[str, str] = {}

    def __init__(self, observation: ObservationSpec, action: ActionSpec, config: DreamerV3Config) -> None:
        super().__init__()
        self.config = config
        self.model = DreamerV3Model(observation, action.size, config)
        self.distribution: BoundedNormal | Categorical
        if action.discrete:
            self.distribution = Categorical(action.size, config.action_unimix)
        else:
            self.distribution = BoundedNormal(action.size, config.min_std, config.max_std)
        self.acting: Acting = DrawOrMode(self.distribution)
        parts = self.distribution.parts
        self.actor = self.model.network(config.layers, list(parts), [_ACTOR_OUTPUT_SCALE] * len(parts))
        self.twohot = TwoHot(config.bins, config.bin_limit)
        self.critic = ScalarHead(self.model.network(config.layers, [config.bins], [0.0]), self.twohot)
        self.slow_critic = copy.deepcopy(self.critic).requires_grad_(False)
        self.returns = MovingRange(0.05, 0.95, config.return_rate, config.return_floor)
        self.remembers = self.model.rssm.remembers()
        self.optimizers = {
            "all": LaProp(
                [self.model, self.actor, self.critic],
                rate=config.rate,
                warmup=config.warmup_updates,
                clip=config.clip,
                square_decay=config.square_decay,
                momentum_decay=config.momentum_decay,
                epsilon=config.epsilon,
            )
        }

    def update(self, batch: Batch, generator: torch.Generator) -> tuple[State, dict[str, Tensor]]:
        """Train every network once, by the sum of all losses.

        Args:
            batch: replayed sequences (B, T, ...), with the model states remembered from before them.
            generator: source of all randomness of this update.

        Returns:
            The sequences' posterior states (B, T, ...), detached, and metrics as tensors: nothing here waits for the
            device, so that a GPU is never idle.
        """
        config, model = self.config, self.model
        with computing_in(config.precision, batch.reward.device):
            model_loss, posterior, metrics = model.loss(batch, latent_noise(model.latent, batch, generator))

            count = min(config.starts_per_sequence, batch.reward.shape[1])
            with torch.no_grad():
                dream = imagine(
                    model.rssm,
                    self.actor,
                    self.distribution,
                    ends(posterior, count),
                    config.horizon,
                    generator,
                    through_dynamics=False,
                )
            behaviour, returns = self._imagined(dream)
            replayed = self._replayed(batch, posterior, returns[:, 0].view(-1, count))
            loss = model_loss + behaviour.total + config.replay_value_scale * replayed.total
        loss.backward()  # type: ignore[no-untyped-call]

        metrics |= behaviour.metrics | replayed.metrics | {"model_loss": model_loss.detach()}
        with computing_in(config.precision, batch.reward.device):
            metrics |= add_cloning(self.actor, self.distribution, posterior, batch, config.cloning_scale)
        metrics["grad_norm"], metrics[LEFT_OUT] = self.optimizers["all"].step()
        follow(self.slow_critic, self.critic, config.slow_critic_rate)
        return posterior.detach(), metrics

    def _imagined(self, dream: Dream) -> tuple[Losses, Tensor]:
        """Losses of actor and critic in imagination, and the lambda-returns (N, H) of states 0…H-1."""
        config, states, departed = self.config, dream.states, dream.departed()
        logits = self.critic(*states)  # (N, H + 1, bins)
        with torch.no_grad():
            value = in_parts(self.twohot.mean, logits)  # (N, H + 1)
            reward, going_on = self.model.reward.mean(*states), self.model.continues.mean(*states)  # (N, H + 1)
            returns = lambda_return(reward[:, 1:], going_on[:, 1:], value, config.return_lambda)  # (N, H)
            # How likely imagination is to have come this far; the start may have been terminal: (N, H).
            weight = going_on.cumprod(1)[:, :-1]
            self.returns.update(returns)
            scale = self.returns.scale()
            advantage = (returns - value[:, :-1]) / scale
            slow = self.slow_critic.mean(*departed)

        out = at_least_single(self.actor(*departed))
        entropy = self.distribution.entropy(out)  # (N, H)
        objective = self.distribution.log_prob(out, dream.draws) * advantage
        actor_loss = -(weight * (objective + config.entropy * entropy)).mean()
        critic_loss = (weight * self._critic_loss(logits[:, :-1], returns, slow)).mean()
        metrics = {
            "actor_loss": actor_loss.detach(),
            "critic_loss": critic_loss.detach(),
            "imagined_return": returns.mean(),
            "imagined_reward": reward.mean(),
            "entropy": entropy.detach().mean(),
            "return_scale": scale,
        }
        return Losses(actor_loss + critic_loss, metrics), returns

    def _replayed(self, batch: Batch, posterior: State, imagined: Tensor) -> Losses:
        """Loss of the critic on replayed states, through which the world model learns, too.

        Args:
            batch: sequences (B, T, ...).
            posterior: their posterior states (B, T, ...), with gradients.
            imagined: (B, L), the returns imagined from the last L of them, which stand for what comes after.
        """
        last = slice(-imagined.shape[1], None)
        # Where experience was cut off, an episode ends as well.
        cut = torch.cat([batch.is_first[:, 1:], torch.zeros_like(batch.is_first[:, :1])], 1)
        is_last = torch.maximum(batch.is_last, cut)[:, last]
        reward, is_terminal = batch.reward[:, last], batch.is_terminal[:, last]
        deter, latent, probs = posterior
        states = State(deter[:, last], latent[:, last], None if probs is None else probs[:, last])
        with torch.no_grad():
            live = self.model.discount * (1.0 - is_terminal[:, 1:])
            share = self.config.return_lambda * (1.0 - is_last[:, 1:])  # none of what an episode's end cuts off
            bootstrapped = reward[:, 1:] + live * (1.0 - share) * imagined[:, 1:]
            result, returns = imagined[:, -1], []
            for time in reversed(range(live.shape[1])):
                result = bootstrapped[:, time] + live[:, time] * share[:, time] * result
                returns.append(result)
            target = torch.stack(returns[::-1], 1)  # (B, L - 1)
            slow = self.slow_critic.mean(states.deter[:, :-1], states.latent[:, :-1])
        logits = self.critic(*states)[:, :-1]
        loss = ((1.0 - is_last[:, :-1]) * self._critic_loss(logits, target, slow)).mean()
        return Losses(loss, {"replay_critic_loss": loss.detach()})

    def _critic_loss(self, logits: Tensor, target: Tensor, slow: Tensor) -> Tensor:
        """Cross-entropy (...) towards targets (...), and towards the slow critic's values (...)."""
        towards_target, towards_slow = self.twohot.losses(logits, torch.stack([target, slow], -1)).unbind(-1)
        return towards_target + self.config.slow_critic_scale * towards_slow
