"""The agent's settings: one flat model per agent family, read from `presets/*.yaml`.

The defaults are the CPU setting (docs/learning.md shows what it learned); what they share with others
follows DreamerV3.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from robot_mbrl.specs import Count, Fraction, Frozen, NonNegative, Positive

MEANT = frozenset(
    {"family", "deter", "hidden", "stoch", "classes", "blocks", "units", "layers", "head_layers", "cnn_depth"}
    | {"unimix", "bins", "bin_limit", "discount", "min_std", "max_std", "action_unimix"}
)
"""Settings that say what the weights are: the sizes of the networks, and what is made of their outputs. All others say
how they are learned, from what and how fast, and may change while a run is stopped."""


class AgentConfig(Frozen):
    """Dreamer: a categorical RSSM with actor and critic trained in imagination."""

    family: Literal["dreamer"] = "dreamer"
    """Which agent this configures; more families stand beside it."""

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

    # Data and schedule
    batch_size: Count = 16
    batch_length: Annotated[int, Field(ge=2)] = 16
    replay_capacity: Count = 1_000_000
    """Steps the replay ring holds; its memory is claimed at the start."""
    prefill_steps: Count = 1000
    """Random steps before learning starts."""
    pretrain_updates: Annotated[int, Field(ge=0)] = 100
    """Updates owed once the prefill is there, lived or imported (Dreamer v1: 100). They bring the first policy also to
    a robot that has used up its random steps and stands still, from whom no step would owe any."""
    train_ratio: Positive = 256.0
    """Replayed steps per lived step."""
    max_debt_updates: Count = 200
    """Owed updates beyond this are forgiven, so that a slow machine does not lag ever further behind."""
    export_period_s: Positive = 3.0
    """How often the learner hands a new policy bundle over."""
    checkpoint_period_s: Positive = 30.0
    threads: Count = 1
    """CPU threads the learner may use."""
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:[0-9]+)?)$")] = "auto"
    """auto, cpu or cuda[:n]."""

    def meaning(self) -> dict[str, Any]:
        """The settings without which the weights mean nothing, or something else."""
        return self.model_dump(mode="json", include=set(MEANT))

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
        needed = max(self.prefill_steps, self.batch_length)
        if self.replay_capacity < needed:
            raise ValueError(
                f"replay_capacity: {self.replay_capacity} never holds the {needed} steps that learning begins with "
                f"(the larger of prefill_steps and batch_length)"
            )
        return self
