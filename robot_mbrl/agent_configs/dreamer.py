"""The settings of the agent `agents/dreamer.py`, read from `presets/dreamer-cpu.yaml`.

The defaults are the CPU setting (docs/learning.md shows what it learned); what they share with others
follows DreamerV3.
"""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from robot_mbrl.agent_configs.settings import ActorSettings
from robot_mbrl.specs import Count, Fraction, NonNegative, Positive


class DreamerConfig(ActorSettings):
    """Dreamer: a categorical RSSM with actor and critic trained in imagination."""

    MEANT: ClassVar[frozenset[str]] = frozenset(
        {"family", "deter", "hidden", "stoch", "classes", "blocks", "units", "layers", "head_layers", "cnn_depth"}
        | {"unimix", "bins", "bin_limit", "discount", "min_std", "max_std", "action_unimix"}
    )
    PLOTTED: ClassVar[tuple[str, ...]] = ("model_loss", "kl", "actor_loss", "critic_loss")

    family: Literal["dreamer"] = "dreamer"

    # Network sizes
    deter: Count = 64
    """Recurrent units of the RSSM."""
    hidden: Count = 64
    """Width of the RSSM's prior and posterior layers."""
    stoch: Count = 8
    """Number of categorical latent variables."""
    classes: Annotated[int, Field(ge=1, le=256)] = 8
    """Classes of each latent variable; replay keeps them as bytes."""
    blocks: Count = 1
    """Blocks of the block-diagonal GRU; must divide deter."""
    units: Count = 64
    """Width of encoder, decoder, heads, actor and critic."""
    layers: Count = 2
    """Depth of encoder, decoder, actor and critic."""
    head_layers: Count = 2
    """Depth of the reward and continue heads."""
    cnn_depth: Count = 16
    """Channels of the first convolution; doubles at each of the following."""
    unimix: Fraction = 0.01
    """Share of a uniform distribution mixed into the categoricals, above 0 and below 1."""
    bins: Annotated[int, Field(ge=3)] = 41
    """Bins of the critic's two-hot distribution; odd, so that one is at zero."""
    bin_limit: Positive = 5.0
    """The bins span symexp(-limit) to symexp(limit)."""

    # World model loss
    vector_scale: NonNegative = 10.0
    """Weight of half the squared error of the (scaled) vectors."""
    image_scale: NonNegative = 1.0
    """Weight of half the squared error of the pictures, pixels in [0, 1]."""
    reward_scale: NonNegative = 10.0
    """Weight of half the squared error of the reward."""
    continue_scale: NonNegative = 1.0
    """Weight of the continue head's binary cross-entropy."""
    dynamics_scale: NonNegative = 1.0
    """Weight of KL(sg(posterior) || prior)."""
    representation_scale: NonNegative = 0.1
    """Weight of KL(posterior || sg(prior))."""
    free_nats: NonNegative = 1.0
    """Nats below which either KL term gives no gradient."""

    # Behaviour
    imagination_starts: Count = 64
    """Replayed states that imagination starts from at each update."""
    horizon: Count = 15
    """Imagined steps."""
    discount: Fraction = 0.99
    return_lambda: Fraction = 0.95
    """Lambda of the lambda-return."""
    actor_gradient: Literal["auto", "dynamics", "reinforce"] = "auto"
    """How the actor learns: auto backpropagates through the dynamics for continuous actions, Reinforce otherwise."""
    entropy: NonNegative = 3e-4
    """Weight of the actor's entropy."""
    min_std: Positive = 0.1
    max_std: Positive = 1.0
    """Range of the actor's standard deviation."""
    action_unimix: Fraction = 0.01
    """Share of a uniform distribution mixed into a discrete actor's choices, above 0 and below 1."""
    return_decay: Fraction = 0.99
    """Decay of the running 5-95 percentile range of returns."""
    return_floor: Positive = 1.0
    """Smallest range that returns are divided by."""
    slow_critic_rate: Fraction = 0.02
    """Rate of the critic's moving average, which regularises the critic."""
    slow_critic_scale: NonNegative = 1.0
    """Weight of that regulariser."""

    # Optimiser
    model_rate: Positive = 1e-3
    actor_rate: Positive = 3e-4
    critic_rate: Positive = 3e-4
    adam_epsilon: Positive = 1e-8
    warmup_updates: Annotated[int, Field(ge=0)] = 200
    clip: Positive = 100.0
    """Largest norm of each network's gradient."""

    # Schedule
    cuda_graph: bool = False
    """Whether a GPU makes each update as one CUDA graph: not tried with this family yet, but for shapes and reads."""

    @model_validator(mode="after")
    def _mixtures_leave_a_chance_to_all(self) -> Self:
        for name in ("unimix", "action_unimix"):
            share = getattr(self, name)
            if not 0.0 < share < 1.0:
                raise ValueError(
                    f"{name}: {share:g} is not between 0 and 1: at 0 a class may become impossible, whose logarithm "
                    f"makes every update NaN, at 1 nothing is learned; 0.01 is usual"
                )
        return self

    @model_validator(mode="after")
    def _sizes_fit_one_another(self) -> Self:
        if self.deter % self.blocks:
            raise ValueError(f"blocks: {self.blocks} does not divide deter, {self.deter}")
        if self.bins % 2 == 0:
            raise ValueError(f"bins: {self.bins} is even; an odd number has a bin at zero")
        if self.min_std > self.max_std:
            raise ValueError(f"min_std: {self.min_std} is above max_std, {self.max_std}")
        return self
