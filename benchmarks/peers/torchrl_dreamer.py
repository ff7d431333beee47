"""TorchRL's DreamerV3 at the peers' size, as a stopwatch; see `benchmarks.beside_peers`.

Run by an interpreter that has TorchRL, and nothing of this project's packages. Networks, losses, optimiser and the step
that joins them are TorchRL's own, as published in its version 0.14.1; here they are only given their sizes. The losses
are those of the paper: two-hot rewards and values, continuation, Reinforce, and the critic on replay.
"""

from importlib.metadata import version

import torch
from tensordict import TensorDict
from tensordict.nn import (
    ProbabilisticTensorDictModule,
    ProbabilisticTensorDictSequential,
    TensorDictModule,
    TensorDictSequential,
)
from torch import Tensor, nn
from torchrl.data import Bounded, Composite, Unbounded
from torchrl.envs.model_based import DreamerEnv
from torchrl.modules import (
    DreamerV3MLP,
    IndependentNormal,
    RSSMPosteriorV3,
    RSSMPriorV3,
    RSSMRolloutV3,
    SymExpTwoHot,
    WorldModelWrapper,
)
from torchrl.objectives import (
    DreamerV3ActorLoss,
    DreamerV3Loss,
    DreamerV3ModelLoss,
    DreamerV3ValueLoss,
    SoftUpdate,
    symexp,
    symlog,
)
from torchrl.objectives.utils import ValueEstimators
from torchrl.trainers.algorithms import DreamerV3OptimizationStepper, DreamerV3Optimizer

from benchmarks.peers import sizes
from benchmarks.peers.stopwatch import serve

UNIMIX = 0.01
FEATURES = sizes.DETER + sizes.STOCH * sizes.CLASSES
STATE = ["belief", "state"]
NEXT_STATE = [("next", "belief"), ("next", "state")]


class Actor(nn.Module):
    """Mean and deviation of a bounded normal, as the paper has them."""

    def __init__(self) -> None:
        super().__init__()
        self.network = DreamerV3MLP(FEATURES, 2 * sizes.ACTIONS, sizes.LAYERS, sizes.UNITS, outscale=0.01)

    def forward(self, belief: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation (..., A) at model states."""
        mean, raw = self.network(belief, state).chunk(2, -1)
        return mean.tanh(), 0.9 * torch.sigmoid(raw + 2.0) + 0.1


def make_step() -> tuple[DreamerV3OptimizationStepper, int]:
    """TorchRL's step of the learner, and how many numbers it learns."""
    prior = _prior()
    reward = DreamerV3MLP(FEATURES, sizes.BINS, sizes.HEAD_LAYERS, sizes.UNITS, outscale=0.0)
    continues = DreamerV3MLP(FEATURES, 1, sizes.HEAD_LAYERS, sizes.UNITS)
    model = _world_model(prior, reward, continues)
    actor, critic = _actor(), _critic()
    actor_loss = _actor_loss(actor, critic, _imagination(prior, reward), continues)
    value_loss = DreamerV3ValueLoss(
        critic,
        value_loss="two_hot",
        num_value_bins=sizes.BINS,
        actor_loss=actor_loss,
        slow_critic_regularization=1.0,
    )
    learned = [*model.parameters(), *actor.parameters(), *value_loss.parameters()]
    step = DreamerV3OptimizationStepper(
        DreamerV3Loss(_model_loss(model), actor_loss, value_loss),
        DreamerV3Optimizer(learned),
        SoftUpdate(value_loss, tau=0.02),
        compile_train_step=False,
        cudagraph=False,
    )
    return step, sum(parameter.numel() for parameter in learned if parameter.requires_grad)


def _prior() -> RSSMPriorV3:
    return RSSMPriorV3(
        action_shape=(sizes.ACTIONS,),
        action_dim=sizes.ACTIONS,
        hidden_dim=sizes.HIDDEN,
        rnn_hidden_dim=sizes.DETER,
        num_categoricals=sizes.STOCH,
        num_classes=sizes.CLASSES,
        recurrent_model="block_gru",
        num_blocks=sizes.BLOCKS,
        prior_num_layers=sizes.PRIOR_LAYERS,
        unimix=UNIMIX,
    )


def _model_loss(model: TensorDictSequential) -> DreamerV3ModelLoss:
    loss = DreamerV3ModelLoss(
        model,
        num_reward_bins=sizes.BINS,
        kl_mode="separate",
        unimix=UNIMIX,
        lambda_continue=1.0,
        continue_target_scale=1 - 1 / 333,
        detach_output=False,
    )
    loss.set_keys(pixels="observation")
    return loss


def _actor() -> ProbabilisticTensorDictSequential:
    return ProbabilisticTensorDictSequential(
        TensorDictModule(Actor(), in_keys=STATE, out_keys=["loc", "scale"]),
        ProbabilisticTensorDictModule(
            in_keys=["loc", "scale"], out_keys=["action"], distribution_class=IndependentNormal, return_log_prob=True
        ),
    )


def _critic() -> TensorDictSequential:
    return TensorDictSequential(
        TensorDictModule(
            DreamerV3MLP(FEATURES, sizes.BINS, sizes.LAYERS, sizes.UNITS, outscale=0.0),
            in_keys=STATE,
            out_keys=["state_value_logits"],
        ),
        TensorDictModule(SymExpTwoHot(sizes.BINS), in_keys=["state_value_logits"], out_keys=["state_value"]),
    )


def _actor_loss(
    actor: ProbabilisticTensorDictSequential, critic: TensorDictSequential, dream: DreamerEnv, continues: nn.Module
) -> DreamerV3ActorLoss:
    loss = DreamerV3ActorLoss(
        actor,
        critic,
        dream,
        continuation_model=TensorDictSequential(
            TensorDictModule(continues, in_keys=STATE, out_keys=["continue_logits"]),
            TensorDictModule(nn.Sigmoid(), in_keys=["continue_logits"], out_keys=["continuation"]),
        ),
        imagination_horizon=sizes.HORIZON,
        use_reinforce=True,
    )
    loss.make_value_estimator(ValueEstimators.TDLambda, gamma=1.0, lmbda=0.95)
    return loss


def _world_model(prior: RSSMPriorV3, reward: nn.Module, continues: nn.Module) -> TensorDictSequential:
    posterior = RSSMPosteriorV3(
        hidden_dim=sizes.HIDDEN,
        rnn_hidden_dim=sizes.DETER,
        num_categoricals=sizes.STOCH,
        num_classes=sizes.CLASSES,
        obs_embed_dim=sizes.UNITS,
        use_rms_norm=True,
        unimix=UNIMIX,
    )
    rollout = RSSMRolloutV3(
        TensorDictModule(
            prior, in_keys=["state", "belief", "action"], out_keys=[("next", "prior_logits"), *NEXT_STATE[::-1]]
        ),
        TensorDictModule(
            posterior,
            in_keys=[("next", "belief"), ("next", "embedding")],
            out_keys=[("next", "posterior_logits"), ("next", "state")],
        ),
    )
    encoder = DreamerV3MLP(sizes.OBSERVED, None, sizes.LAYERS, sizes.UNITS)
    decoder = DreamerV3MLP(FEATURES, sizes.OBSERVED, sizes.LAYERS, sizes.UNITS)
    return TensorDictSequential(
        TensorDictModule(symlog, in_keys=[("next", "observation")], out_keys=[("next", "squashed")]),
        TensorDictModule(encoder, in_keys=[("next", "squashed")], out_keys=[("next", "embedding")]),
        rollout,
        TensorDictModule(decoder, in_keys=NEXT_STATE, out_keys=[("next", "reconstructed")]),
        TensorDictModule(symexp, in_keys=[("next", "reconstructed")], out_keys=[("next", "reco_pixels")]),
        TensorDictModule(reward, in_keys=NEXT_STATE, out_keys=[("next", "reward_logits")]),
        TensorDictModule(SymExpTwoHot(sizes.BINS), in_keys=[("next", "reward_logits")], out_keys=[("next", "reward")]),
        TensorDictModule(continues, in_keys=NEXT_STATE, out_keys=[("next", "continue_pred")]),
    )


def _imagination(prior: RSSMPriorV3, reward: nn.Module) -> DreamerEnv:
    latent = sizes.STOCH * sizes.CLASSES
    environment = DreamerEnv(
        WorldModelWrapper(
            TensorDictModule(prior, in_keys=["state", "belief", "action"], out_keys=["_", "state", "belief"]),
            TensorDictSequential(
                TensorDictModule(reward, in_keys=STATE, out_keys=["reward_logits"]),
                TensorDictModule(SymExpTwoHot(sizes.BINS), in_keys=["reward_logits"], out_keys=["reward"]),
            ),
        ),
        prior_shape=(latent,),
        belief_shape=(sizes.DETER,),
    )
    environment.observation_spec = Composite(state=Unbounded(latent), belief=Unbounded(sizes.DETER))
    environment.state_spec = environment.observation_spec.clone()
    environment.action_spec = Bounded(-1, 1, (sizes.ACTIONS,))
    environment.reward_spec = Unbounded((1,))
    return environment


def make_sample() -> TensorDict:
    """Random sequences, as replay would give them."""
    shape = (sizes.BATCH, sizes.LENGTH)
    ends = torch.zeros(*shape, 1, dtype=torch.bool)
    begins = ends.clone()
    begins[:, 0] = True
    return TensorDict(
        {
            "state": torch.zeros(*shape, sizes.STOCH * sizes.CLASSES),
            "belief": torch.zeros(*shape, sizes.DETER),
            "action": torch.rand(*shape, sizes.ACTIONS) * 2 - 1,
            "is_init": begins,
            "next": {
                "observation": torch.randn(*shape, sizes.OBSERVED),
                "reward": torch.rand(*shape, 1),
                "done": ends,
                "terminated": ends.clone(),
            },
        },
        shape,
    )


def main() -> None:
    """Make updates on request, all of the same sequences: what replay costs is not counted."""
    torch.manual_seed(0)
    (step, learned), sample = make_step(), make_sample()
    serve(
        {"name": f"TorchRL {version('torchrl')}", "parameters": learned},
        lambda: step.step(None, sample.clone()),
    )


if __name__ == "__main__":
    main()
