"""The settings of the agent `agents/daydreamer.py`: the defaults are published for the two arms (Wu et al. 2022)."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from robot_mbrl.agent_configs.imagining import ImaginingSettings, Mixture
from robot_mbrl.specs import Count, Fraction, NonNegative, Positive


class DayDreamerConfig(ImaginingSettings):
    """DayDreamer: categorical latents, learned start, and weights that adapt to hold divergence and entropy."""

    MEANT: ClassVar[frozenset[str]] = frozenset(
        {"family", "deter", "hidden", "stoch", "classes", "unimix", "prior_layers", "units", "layers", "cnn_depth"}
        | {"discount", "min_std", "max_std", "action_unimix"}
    )

    family: Literal["daydreamer"] = "daydreamer"

    # Network sizes
    deter: Count = 512
    """Recurrent units of the RSSM."""
    hidden: Count = 512
    """Width of the RSSM's layers."""
    stoch: Count = 32
    """Categorical latent variables."""
    classes: Annotated[int, Field(ge=1, le=256)] = 32
    """Classes of each."""
    unimix: Mixture = 0.01
    """Share of a uniform distribution mixed into the latents'."""
    prior_layers: Count = 3
    units: Count = 512
    """Width of encoder, decoder, heads, actor and critic."""
    layers: Count = 4
    """Their depth."""
    cnn_depth: Count = 64
    """Channels of the first convolution; doubles at each of the following."""

    # World model loss
    kl_balance: Fraction = 0.8
    """Share of the divergence that moves the prior; the rest moves the posterior."""
    kl_target: Positive = 3.5
    """Nats that the divergence's weight adapts to hold."""
    kl_weight_min: Positive = 1e-3
    kl_weight_max: Positive = 1.0

    # Behaviour
    discount: Fraction = 0.995
    min_std: Positive = 0.1
    max_std: Positive = 1.0
    """Range of the actor's standard deviation."""
    action_unimix: Mixture = 0.1
    """Share of a uniform distribution mixed into a discrete actor's choices."""
    entropy_target: Fraction = 0.4
    """What the entropy's weights adapt to hold: 0 is the least deviation, 1 the greatest (or a uniform choice)."""
    entropy_weight_min: Positive = 1e-5
    entropy_weight_max: Positive = 1.0
    advantage_decay: Fraction = 0.99
    """Decay of the running moments by which advantages are normalised."""
    slow_critic_every: Count = 100
    """Updates after which the critic is copied into the one that targets are made with."""
    adaptive_factor: Annotated[float, Field(gt=1)] = 1.1
    """What adaptive weights grow and shrink by at each update; also how far off the target they do."""

    # Optimiser
    model_rate: Positive = 1e-4
    actor_rate: Positive = 1e-4
    critic_rate: Positive = 1e-4
    adam_epsilon: Positive = 1e-6
    weight_decay: NonNegative = 1e-2
    """Times the learning rate, the share that kernels lose at each update."""
    clip: Positive = 100.0
    """Largest norm of each network's gradient."""

    # Data and schedule
    batch_size: Count = 32
    batch_length: Annotated[int, Field(ge=2)] = 32
    prefill_steps: Count = 2000
    train_ratio: Positive = 256.0
    """One update in 4 steps, as published for training in turns; on the robots the learner ran as fast as it could."""
    export_period_s: Positive = 20.0

    @model_validator(mode="after")
    def _deviations_have_a_range(self) -> Self:
        if self.min_std >= self.max_std:
            raise ValueError(f"min_std: {self.min_std} is not below max_std, {self.max_std}")
        return self
