"""The settings of the agent `agents/dreamer_v3.py`: the defaults are those published, of the size 12m."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from robot_mbrl.agent_configs.imagining import ImaginingSettings, Mixture
from robot_mbrl.specs import Count, Fraction, NonNegative, Positive


class DreamerV3Config(ImaginingSettings):
    """DreamerV3: block GRU, symlog and two-hot predictions, Reinforce, and a critic that learns on replay, too."""

    MEANT: ClassVar[frozenset[str]] = frozenset(
        {"family", "deter", "hidden", "stoch", "classes", "blocks", "unimix", "units", "layers", "head_layers"}
        | {"prior_layers", "cnn_depth", "bins", "bin_limit", "discount_horizon", "min_std", "max_std", "action_unimix"}
    )

    family: Literal["dreamerv3"] = "dreamerv3"

    # Network sizes
    deter: Count = 2048
    """Recurrent units of the RSSM."""
    hidden: Count = 256
    """Width of the RSSM's layers."""
    stoch: Count = 32
    """Categorical latent variables."""
    classes: Annotated[int, Field(ge=1, le=256)] = 16
    """Classes of each; replay keeps them as bytes."""
    blocks: Count = 8
    """Blocks of the recurrence and of the pictures' decoder; must divide deter and 4 cnn_depth."""
    unimix: Mixture = 0.01
    """Share of a uniform distribution mixed into the latents'."""
    prior_layers: Count = 2
    units: Count = 256
    """Width of encoder, decoder, heads, actor and critic."""
    layers: Count = 3
    """Depth of encoder, decoder, actor and critic."""
    head_layers: Count = 1
    """Depth of the reward and continue heads."""
    cnn_depth: Count = 16
    """The convolutions have 2, 3, 4 and 4 times so many channels."""
    bins: Annotated[int, Field(ge=3)] = 255
    """Bins of the two-hot distributions of reward and value; odd, so that one is at zero."""
    bin_limit: Positive = 20.0
    """The bins span symexp(-limit) to symexp(limit)."""

    # World model loss
    dynamics_scale: NonNegative = 1.0
    """Weight of KL(sg(posterior) || prior)."""
    representation_scale: NonNegative = 0.1
    """Weight of KL(posterior || sg(prior))."""
    free_nats: NonNegative = 1.0
    """Nats of a step below which either gives no gradient."""

    # Behaviour
    discount_horizon: Annotated[float, Field(gt=1)] = 333.0
    """The discount is 1 - 1 / this."""
    entropy: NonNegative = 3e-4
    """Weight of the actor's entropy."""
    min_std: Positive = 0.1
    max_std: Positive = 1.0
    """Range of the actor's standard deviation."""
    action_unimix: Mixture = 0.01
    """Share of a uniform distribution mixed into a discrete actor's choices."""
    return_rate: Fraction = 0.01
    """Rate at which the range between the 5th and 95th percentile of returns is followed."""
    return_floor: Positive = 1.0
    """Smallest range that advantages are divided by."""
    slow_critic_rate: Fraction = 0.02
    """Rate of the critic's moving average, which regularises the critic."""
    slow_critic_scale: NonNegative = 1.0
    """Weight of that regulariser."""
    replay_value_scale: NonNegative = 0.3
    """Weight of the critic's loss on replayed states."""

    # Optimiser
    rate: Positive = 4e-5
    warmup_updates: Annotated[int, Field(ge=0)] = 1000
    clip: Positive = 0.3
    """Largest norm of each parameter's gradient, in norms of the parameter."""
    square_decay: Fraction = 0.999
    momentum_decay: Fraction = 0.9
    epsilon: Positive = 1e-20

    # Data and schedule
    batch_size: Count = 16
    batch_length: Annotated[int, Field(ge=2)] = 64
    online_queue: bool = True
    """Whether each new window of `batch_length` steps is read once before chance chooses among all."""
    prefill_steps: Count = 1088
    """Published as 1,024 sequences of 65 steps, which may begin at any step."""
    train_ratio: Positive = 256.0
    """Of control from pictures; from vectors alone 1,024."""

    @model_validator(mode="after")
    def _sizes_fit_one_another(self) -> Self:
        if self.deter % self.blocks or 4 * self.cnn_depth % self.blocks:
            raise ValueError(
                f"blocks: {self.blocks} does not divide deter, {self.deter}, and 4 cnn_depth, {4 * self.cnn_depth}"
            )
        if self.bins % 2 == 0:
            raise ValueError(f"bins: {self.bins} is even; an odd number has a bin at zero")
        if self.min_std >= self.max_std:
            raise ValueError(f"min_std: {self.min_std} is not below max_std, {self.max_std}")
        return self
