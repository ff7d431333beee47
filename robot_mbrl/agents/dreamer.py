"""Dreamer: a world model learned from experience, and an actor and a critic learned in its imagination.

DreamerV3 (Hafner et al. 2023) with the actor gradient of DayDreamer (Wu et al. 2022): for continuous actions the return
is differentiated through the learned dynamics, for discrete ones Reinforce is used. One update is `Dreamer.update`;
read it from there. Shapes: B batch, T time, N imagination starts, H horizon, A action; see docs/tensor_shapes.md.
"""

import copy
import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from robot_mbrl.agent_configs import DreamerConfig
from robot_mbrl.agents.acting import Acting, DrawOrMode
from robot_mbrl.agents.agent import LEFT_OUT
from robot_mbrl.agents.cloning import add_cloning
from robot_mbrl.agents.imagination import Dream, frozen, imagine, lambda_return, latent_noise, through_actions
from robot_mbrl.agents.optimizers import adam_of_each, follow, set_gradients
from robot_mbrl.nets.normalisers import MovingRange
from robot_mbrl.nets.policies import BoundedNormal, Categorical
from robot_mbrl.nets.scalars import ScalarHead
from robot_mbrl.nets.twohot import TwoHot
from robot_mbrl.specs import ActionSpec, ObservationSpec
from robot_mbrl.world_models.batch import Batch
from robot_mbrl.world_models.dreamer_model import DreamerModel
from robot_mbrl.world_models.observations import CAUTIONS
from robot_mbrl.world_models.state import State

_ACTOR_OUTPUT_SCALE = 0.01
"""What the actor's initial output weights are scaled by."""


class Dreamer(nn.Module):
    """The agent's networks and one step of their training."""

    updates: Tensor

    def __init__(self, observation: ObservationSpec, action: ActionSpec, config: DreamerConfig) -> None:
        super().__init__()
        self.config = config
        self.model = DreamerModel(observation, action.size, config)
        self.distribution: BoundedNormal | Categorical
        if action.discrete:
            self.distribution = Categorical(action.size, config.action_unimix)
        else:
            self.distribution = BoundedNormal(action.size, config.min_std, config.max_std)
        through_dynamics = config.actor_gradient == "dynamics"
        self.through_dynamics = through_dynamics or (config.actor_gradient == "auto" and not action.discrete)
        self.acting: Acting = DrawOrMode(self.distribution)
        self.actor = self.model.network(config.layers, self.distribution.outputs, _ACTOR_OUTPUT_SCALE)
        self.twohot = TwoHot(config.bins, config.bin_limit)
        self.critic = ScalarHead(self.model.network(config.layers, config.bins, scale=0.0), self.twohot)
        self.slow_critic = copy.deepcopy(self.critic).requires_grad_(False)
        self.returns = MovingRange(0.05, 0.95, 1.0 - config.return_decay, config.return_floor)
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))
        self.remembers = self.model.rssm.remembers()
        self.cautions: Mapping[str, str] = CAUTIONS | {
            "returns_beyond_critic": f"the critic cannot represent the returns that are imagined: it ends at "
            f"±{math.expm1(config.bin_limit):.0f}; raise agent.bin_limit in a new run, or scale the task's reward down"
        }
        rates = {"model": config.model_rate, "actor": config.actor_rate, "critic": config.critic_rate}
        self.optimizers = adam_of_each(self, rates, epsilon=config.adam_epsilon, clip=config.clip)

    def update(self, batch: Batch, generator: torch.Generator) -> tuple[State, dict[str, Tensor]]:
        """Train every network once, all by gradients at the weights that were there before.

        Args:
            batch: replayed sequences (B, T, ...), with the model states remembered from before them.
            generator: source of all randomness of this update.

        Returns:
            The sequences' posterior states (B, T, ...), detached, and metrics as tensors: nothing here waits for the
            device, so that a GPU is never idle.
        """
        config, model = self.config, self.model
        model_loss, posterior, metrics = model.loss(batch, latent_noise(model.latent, batch, generator))
        set_gradients(model_loss, model)
        metrics["model_loss"] = model_loss.detach()

        posterior = posterior.detach()
        starts, weight = self._starts(posterior, batch.is_terminal, generator)
        with frozen(model):
            dream = imagine(
                model.rssm,
                self.actor,
                self.distribution,
                starts,
                config.horizon,
                generator,
                through_dynamics=self.through_dynamics,
            )
            metrics |= self._learn_behaviour(dream, weight)
        metrics |= add_cloning(self.actor, self.distribution, posterior, batch, config.cloning_scale)

        metrics |= self._step()
        follow(self.slow_critic, self.critic, config.slow_critic_rate)
        return posterior, metrics

    def _starts(self, posterior: State, is_terminal: Tensor, generator: torch.Generator) -> tuple[State, Tensor]:
        """Replayed states (N, ...) to imagine from, and their weights (N,): nothing follows a terminal state."""
        batch_time = is_terminal.numel()
        count = min(self.config.imagination_starts, batch_time)
        chosen = torch.randperm(batch_time, generator=generator, device=is_terminal.device)[:count]
        starts = State(posterior.deter.flatten(0, 1)[chosen], posterior.latent.flatten(0, 1)[chosen])
        return starts, 1.0 - is_terminal.flatten()[chosen]

    def _learn_behaviour(self, dream: Dream, weight: Tensor) -> dict[str, Tensor]:
        """Gradients of actor and critic from imagined trajectories and the weights (N,) of their starts."""
        config, model = self.config, self.model
        arrived, departed = dream.arrived(), dream.departed()
        with torch.set_grad_enabled(self.through_dynamics):
            reward = model.reward.mean(*arrived)  # (N, H), earned on arriving at states 1…H
            discount = config.discount * model.continues.mean(*arrived)
        logits = self.critic(*(dream.states if self.through_dynamics else dream.states.detach()))  # (N, H + 1, bins)
        value = self.twohot.mean(logits)
        returns = lambda_return(reward, discount, value, config.return_lambda)  # (N, H)
        target = returns.detach()
        with torch.no_grad():
            # How likely imagination is to have come this far: (N, H), 1 at the start.
            reached = torch.cat([weight.unsqueeze(1), discount[:, :-1]], 1).cumprod(1)
            self.returns.update(target)
            scale = self.returns.scale()
            slow = self.slow_critic.mean(*departed)

        error = self.twohot.loss(logits[:, :-1], target)
        error = error + config.slow_critic_scale * self.twohot.loss(logits[:, :-1], slow)
        # The returns, and so the actor's gradient, come by the same logits.
        set_gradients((reached * error).mean(), self.critic, retain_graph=True)

        out = self.actor(*departed)
        entropy = self.distribution.entropy(out)
        if self.through_dynamics:
            objective = -(reached * returns / scale).mean()
            sample = self.distribution.sample(out, dream.noise)  # (N, H, A), the draws again, as functions of `out`
            actor_loss = through_actions(objective, dream, sample)
        else:
            advantage = ((returns - value[:, :-1]) / scale).detach()
            objective = -(reached * self.distribution.log_prob(out, dream.draws) * advantage).mean()
            actor_loss = objective
        set_gradients(actor_loss - config.entropy * (reached * entropy).mean(), self.actor)
        return {
            "actor_loss": objective.detach(),
            "critic_loss": error.mean().detach(),
            "imagined_return": target.mean(),
            "imagined_reward": reward.detach().mean(),
            "entropy": entropy.mean().detach(),
            "return_scale": scale,
            "returns_beyond_critic": (target.abs() > self.twohot.bins[-1]).float().mean(),
        }

    def _step(self) -> dict[str, Tensor]:
        """All networks change, or none does where a gradient is not finite; rates grow linearly at first."""
        self.updates += 1
        share = (self.updates.double() / max(1, self.config.warmup_updates)).clamp(max=1.0)
        norms = {f"{name}_grad_norm": optimizer.clip() for name, optimizer in self.optimizers.items()}
        left_out = (~torch.isfinite(torch.stack(list(norms.values()))).all()).float()
        for optimizer in self.optimizers.values():
            optimizer.apply(left_out, share)
        return norms | {LEFT_OUT: left_out}
