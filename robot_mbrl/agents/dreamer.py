"""Dreamer: a world model learned from experience, and an actor and a critic learned in its imagination.

DreamerV3 (Hafner et al. 2023) with the actor gradient of DayDreamer (Wu et al. 2022): for continuous actions the return
is differentiated through the learned dynamics, for discrete ones Reinforce is used. One update is `Dreamer.update`;
read it from there. Shapes: B batch, T time, N imagination starts, H horizon, A action; see docs/tensor_shapes.md.
"""

import copy

import torch
from torch import Tensor, nn

from robot_mbrl.agent_configs import DreamerConfig
from robot_mbrl.agents.cloning import add_cloning
from robot_mbrl.agents.imagination import Dream, frozen, lambda_return
from robot_mbrl.nets.heads import StateHead
from robot_mbrl.nets.policies import BoundedNormal, Categorical
from robot_mbrl.nets.twohot import TwoHot
from robot_mbrl.specs import ActionSpec, ObservationSpec
from robot_mbrl.world_models.batch import Batch
from robot_mbrl.world_models.rssm import State
from robot_mbrl.world_models.world_model import WorldModel


class Dreamer(nn.Module):
    """The agent's networks and one step of their training."""

    return_range: Tensor
    return_levels: Tensor

    def __init__(self, observation: ObservationSpec, action: ActionSpec, config: DreamerConfig) -> None:
        super().__init__()
        self.config = config
        self.world_model = WorldModel(observation, action.size, config)
        self.distribution: BoundedNormal | Categorical
        if action.discrete:
            self.distribution = Categorical(action.size, config.action_unimix)
        else:
            self.distribution = BoundedNormal(action.size, config.min_std, config.max_std)
        self.noise_size = 1 if action.discrete else action.size
        state = (config.deter, config.stoch, config.classes)
        outputs = self.distribution.outputs
        self.actor = StateHead(*state, units=config.units, layers=config.layers, outputs=outputs, output_scale=0.01)
        self.twohot = TwoHot(config.bins, config.bin_limit)
        self.critic = StateHead(*state, units=config.units, layers=config.layers, outputs=config.bins, output_scale=0.0)
        self.slow_critic = copy.deepcopy(self.critic).requires_grad_(False)
        # Running 5th and 95th percentile of imagined returns.
        self.register_buffer("return_range", torch.zeros(2))
        self.register_buffer("return_levels", torch.tensor([0.05, 0.95]), persistent=False)
        through_dynamics = config.actor_gradient == "dynamics"
        self.through_dynamics = through_dynamics or (config.actor_gradient == "auto" and not action.discrete)

    def update(
        self, batch: Batch, initial: State, optimizer: "DreamerOptimizer", generator: torch.Generator
    ) -> tuple[State, dict[str, Tensor]]:
        """Train every network once.

        Args:
            batch: replayed sequences (B, T, ...).
            initial: model states before them, (B, ...); ignored where the batch says `is_first`.
            optimizer: the agent's optimiser.
            generator: source of all randomness of this update.

        Returns:
            The sequences' posterior states (B, T, ...), detached, and metrics as tensors: nothing here waits for the
            device, so that a GPU is never idle.
        """
        config = self.config
        uniform = torch.rand(*batch.is_first.shape, config.stoch, generator=generator, device=batch.is_first.device)
        model_loss, posterior, metrics = self.world_model.loss(batch, initial, uniform)
        model_loss.backward()  # type: ignore[no-untyped-call]
        posterior = posterior.detach()

        starts, weight = self._starts(posterior, batch.is_terminal, generator)
        with frozen(self.world_model):
            dream = self.imagine(starts, generator)
            metrics |= self._learn_behaviour(dream, weight)
        metrics |= add_cloning(self.actor, self.distribution, posterior, batch, config.cloning_scale)

        metrics |= optimizer.step()
        metrics["model_loss"] = model_loss.detach()
        with torch.no_grad():
            torch._foreach_lerp_(
                list(self.slow_critic.parameters()), list(self.critic.parameters()), config.slow_critic_rate
            )
        return posterior, metrics

    def _starts(self, posterior: State, is_terminal: Tensor, generator: torch.Generator) -> tuple[State, Tensor]:
        """Replayed states (N, ...) to imagine from, and their weights (N,): nothing follows a terminal state."""
        batch_time = is_terminal.numel()
        count = min(self.config.imagination_starts, batch_time)
        chosen = torch.randperm(batch_time, generator=generator, device=is_terminal.device)[:count]
        starts = State(posterior.deter.flatten(0, 1)[chosen], posterior.latent.flatten(0, 1)[chosen])
        return starts, 1.0 - is_terminal.flatten()[chosen]

    def imagine(self, start: State, generator: torch.Generator) -> Dream:
        """Follow the actor through the learned dynamics for `horizon` steps from states (N, ...)."""
        config, device = self.config, start.deter.device
        count, horizon = start.deter.shape[0], config.horizon
        uniform = torch.rand(horizon, count, config.stoch, generator=generator, device=device)
        noise_shape = (horizon, count, self.noise_size)
        draw = torch.randn if self.distribution.noise == "normal" else torch.rand
        noise = draw(*noise_shape, generator=generator, device=device)
        states, draws, actions = [start], [], []
        for step in range(horizon):
            # The actor sees the state without gradient: it learns from where its actions lead, not from what it saw.
            # So actions can be leaves here, and the actor's weights get their gradients for all steps at once later.
            with torch.no_grad():
                out = self.actor(states[-1].deter, states[-1].latent)
                draws.append(self.distribution.sample(out, noise[step]))
                action = self.distribution.bounded(draws[-1])
            action.requires_grad_(self.through_dynamics)
            with torch.set_grad_enabled(self.through_dynamics):
                states.append(self.world_model.rssm.imagine(states[-1], action, uniform[step]))
            actions.append(action)
        # The start's one-hot stands in for its probabilities, which are only a way for gradients to pass.
        first = torch.zeros(count, config.stoch, config.classes, device=device, dtype=start.deter.dtype)
        first.scatter_(-1, start.latent.unsqueeze(-1), 1.0)
        probs = torch.stack([first if s.probs is None else s.probs for s in states], 1)
        trajectory = State(torch.stack([s.deter for s in states], 1), torch.stack([s.latent for s in states], 1), probs)
        return Dream(trajectory, tuple(actions), torch.stack(draws, 1), noise.transpose(0, 1))

    def _learn_behaviour(self, dream: Dream, weight: Tensor) -> dict[str, Tensor]:
        """Gradients of actor and critic from imagined trajectories and the weights (N,) of their starts."""
        config = self.config
        arrived, departed = dream.arrived(), dream.departed()
        with torch.set_grad_enabled(self.through_dynamics):
            reward = self.world_model.reward(*arrived).squeeze(-1)  # (N, H), earned on arriving at states 1…H
            discount = config.discount * torch.sigmoid(self.world_model.continues(*arrived).squeeze(-1))
        logits = self.critic(*(dream.states if self.through_dynamics else dream.states.detach()))  # (N, H + 1, bins)
        value = self.twohot.mean(logits)
        returns = lambda_return(reward, discount, value, config.return_lambda)  # (N, H)
        with torch.no_grad():
            # How likely imagination is to have come this far: (N, H), 1 at the start.
            reached = torch.cat([weight.unsqueeze(1), discount[:, :-1]], 1).cumprod(1)
            scale = self._return_scale(returns)

        out = self.actor(*departed)
        entropy = self.distribution.entropy(out)
        if self.through_dynamics:
            sample = self.distribution.sample(out, dream.noise)  # (N, H, A), the draws again, as functions of `out`
            objective = -(reached * returns / scale).mean()
            through = torch.stack(torch.autograd.grad(objective, dream.actions, retain_graph=True), 1)
            # A loss whose gradient towards the draws is the one that came through the dynamics to the actions: it
            # passes the clipping between the two as if there were none, so that saturated actions can return.
            actor_loss = (sample * through).sum() - config.entropy * (reached * entropy).mean()
        else:
            advantage = ((returns - value[:, :-1]) / scale).detach()
            objective = -(reached * self.distribution.log_prob(out, dream.draws) * advantage).mean()
            actor_loss = objective - config.entropy * (reached * entropy).mean()
        _set_gradients(actor_loss, self.actor)

        target = returns.detach()
        with torch.no_grad():
            slow = self.twohot.mean(self.slow_critic(*departed))
        error = self.twohot.loss(logits[:, :-1], target)
        error = error + config.slow_critic_scale * self.twohot.loss(logits[:, :-1], slow)
        _set_gradients((reached * error).mean(), self.critic)
        return {
            "actor_loss": objective.detach(),
            "critic_loss": error.mean().detach(),
            "imagined_return": target.mean(),
            "imagined_reward": reward.detach().mean(),
            "entropy": entropy.mean().detach(),
            "return_scale": scale,
            "returns_beyond_critic": (target.abs() > self.twohot.bins[-1]).float().mean(),
        }

    def _return_scale(self, returns: Tensor) -> Tensor:
        """What returns are divided by: the running 5-95 percentile range, at least the floor."""
        seen = torch.quantile(returns.flatten(), self.return_levels)
        # Kept through an update that is left out: what is once not finite would remain so.
        seen = torch.where(torch.isfinite(seen).all(), seen, self.return_range)
        self.return_range.lerp_(seen, 1.0 - self.config.return_decay)
        return (self.return_range[1] - self.return_range[0]).clamp(min=self.config.return_floor)


def _set_gradients(loss: Tensor, module: nn.Module) -> None:
    """Leave the loss's gradient in the module's parameters, and in nothing else."""
    parameters = list(module.parameters())
    for parameter, grad in zip(parameters, torch.autograd.grad(loss, parameters, retain_graph=True), strict=True):
        parameter.grad = grad


class DreamerOptimizer:
    """One Adam over three groups, each with its own rate and gradient clipping, and a shared linear warm-up.

    A step whose gradients are not finite, such as one on a reward that overflows, is left out.
    """

    def __init__(self, agent: Dreamer) -> None:
        config = agent.config
        self.warmup = config.warmup_updates
        self.clip = config.clip
        groups = {
            "model": (agent.world_model, config.model_rate),
            "actor": (agent.actor, config.actor_rate),
            "critic": (agent.critic, config.critic_rate),
        }
        self.names = tuple(groups)
        self.rates = tuple(rate for _, rate in groups.values())
        self.updates = 0
        self.adam = torch.optim.Adam(
            [{"params": list(module.parameters()), "lr": rate} for module, rate in groups.values()],
            eps=config.adam_epsilon,
            fused=True,
        )
        self.adam.grad_scale = None  # type: ignore[attr-defined] # both as torch.amp.GradScaler sets them

    def step(self) -> dict[str, Tensor]:
        """Apply the gradients and clear them; returns each group's norm before clipping, and if they were left out."""
        self.updates += 1
        share = min(1.0, self.updates / max(1, self.warmup))
        norms = {}
        for name, rate, group in zip(self.names, self.rates, self.adam.param_groups, strict=True):
            group["lr"] = rate * share
            norms[f"{name}_grad_norm"] = nn.utils.clip_grad_norm_(group["params"], self.clip, foreach=True)
        # Decided by the optimiser where the gradients are, so that nothing waits for the device.
        left_out = (~torch.isfinite(torch.stack(list(norms.values()))).all()).float()
        self.adam.found_inf = left_out  # type: ignore[attr-defined]
        self.adam.step()
        self.adam.zero_grad(set_to_none=True)
        return norms | {"left_out": left_out}
