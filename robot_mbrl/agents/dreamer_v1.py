"""Dreamer v1 (Hafner et al. 2020): an actor that learns by backpropagation through the learned dynamics alone.

One update is `DreamerV1.update`; read it from there. Shapes: B batch, T time, N imagination starts, H horizon,
A action; see docs/tensor_shapes.md. What differs from the published code is in docs/agents.md.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from robot_mbrl.agent_configs import DreamerV1Config
from robot_mbrl.agents.acting import Acting, NoisyChoice, NoisyTanhNormal
from robot_mbrl.agents.agent import LEFT_OUT
from robot_mbrl.agents.cloning import add_cloning
from robot_mbrl.agents.imagination import ends, frozen, imagine, lambda_return, latent_noise, through_actions
from robot_mbrl.agents.optimizers import adam_of_each, set_gradients
from robot_mbrl.nets.policies import Categorical, TanhNormal
from robot_mbrl.nets.precision import at_least_single, computing_in
from robot_mbrl.nets.scalars import ScalarHead, UnitNormal
from robot_mbrl.specs import ActionSpec, ObservationSpec, TensorSpec
from robot_mbrl.world_models.batch import Batch
from robot_mbrl.world_models.dreamer_v1_model import DreamerV1Model
from robot_mbrl.world_models.observations import CAUTIONS
from robot_mbrl.world_models.state import State


class DreamerV1(nn.Module):
    """The agent's networks and one step of their training."""

    remembers: Mapping[str, TensorSpec] = {}
    cautions: Mapping[str, str] = CAUTIONS

    def __init__(self, observation: ObservationSpec, action: ActionSpec, config: DreamerV1Config) -> None:
        super().__init__()
        self.config = config
        self.model = DreamerV1Model(observation, action.size, config)
        self.distribution: TanhNormal | Categorical
        self.acting: Acting
        if action.discrete:
            self.distribution = Categorical(action.size, unimix=0.0)
            self.acting = NoisyChoice(self.distribution, config.exploration)
        else:
            self.distribution = TanhNormal(
                action.size, config.action_init_std, config.action_min_std, config.action_mean_scale
            )
            self.acting = NoisyTanhNormal(self.distribution, config.exploration, config.mode_draws)
        self.actor = self.model.network(config.actor_layers, self.distribution.outputs)
        self.critic = ScalarHead(self.model.network(config.value_layers, 1), UnitNormal())
        rates = {"model": config.model_rate, "actor": config.actor_rate, "critic": config.critic_rate}
        self.optimizers = adam_of_each(self, rates, epsilon=config.adam_epsilon, clip=config.clip)

    def update(self, batch: Batch, generator: torch.Generator) -> tuple[State, dict[str, Tensor]]:
        """Train every network once, all by gradients at the weights that were there before.

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
            posterior = posterior.detach()
            metrics |= self._learn_behaviour(self._starts(posterior), generator)
            metrics |= add_cloning(self.actor, self.distribution, posterior, batch, config.cloning_scale)

        metrics["model_loss"] = model_loss.detach()
        left_out = []
        for name, optimizer in self.optimizers.items():
            metrics[f"{name}_grad_norm"], skipped = optimizer.step()
            left_out.append(skipped)
        metrics[LEFT_OUT] = torch.stack(left_out).max()
        return posterior, metrics

    def _starts(self, posterior: State) -> State:
        """Replayed states (N, ...) to imagine from: where episodes end, not the last, which may be terminal."""
        if self.config.predict_continue:
            posterior = State(posterior.deter[:, :-1], posterior.latent[:, :-1])
        return ends(posterior, self.config.starts_per_sequence)

    def _learn_behaviour(self, starts: State, generator: torch.Generator) -> dict[str, Tensor]:
        """Gradients of actor and critic from what is imagined from states (N, ...)."""
        config, model = self.config, self.model
        with frozen(model), frozen(self.critic):
            dream = imagine(
                model.rssm, self.actor, self.distribution, starts, config.horizon, generator, through_dynamics=True
            )
            arrived = dream.arrived()  # states 1…H: the start itself is no part of the returns
            reward, discount = model.reward.mean(*arrived), model.discount.mean(*arrived)  # (N, H)
            value = self.critic.mean(*arrived)  # (N, H), of a state with its own reward
            returns = lambda_return(reward[:, :-1], discount[:, :-1], value, config.return_lambda)  # (N, H - 1)
            first = torch.ones_like(discount[:, :1])
            weight = torch.cat([first, discount[:, :-2]], 1).cumprod(1).detach()  # (N, H - 1)
            objective = -(weight * returns).mean()

            out = at_least_single(self.actor(*dream.departed()))
            sample = self.distribution.sample(out, dream.noise)  # (N, H, A), the draws again, as functions of `out`
            set_gradients(through_actions(objective, dream, sample), self.actor)

        target = returns.detach()
        seen = State(arrived.deter[:, :-1].detach(), arrived.latent[:, :-1].detach())
        critic_loss = (weight * self.critic.loss(*seen, target)).mean()
        set_gradients(critic_loss, self.critic)
        return {
            "actor_loss": objective.detach(),
            "critic_loss": critic_loss.detach(),
            "imagined_return": target.mean(),
            "imagined_reward": reward.detach().mean(),
        }
