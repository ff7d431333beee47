"""The settings of the agent `agents/dreamer_v1.py`: the defaults are those published (Hafner et al. 2020)."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from robot_mbrl.agent_configs.gaussian import GaussianModelSettings
from robot_mbrl.agent_configs.imagining import ImaginingSettings
from robot_mbrl.specs import Count, Fraction, NonNegative, Positive


class DreamerV1Config(ImaginingSettings, GaussianModelSettings):
    """Dreamer v1: Gaussian latents, and an actor that learns by backpropagation through the dynamics alone."""

    MEANT: ClassVar[frozenset[str]] = frozenset(
        {"family", "deter", "hidden", "stoch", "units", "cnn_depth", "vector_layers", "reward_layers", "value_layers"}
        | {"actor_layers", "continue_layers", "min_std", "predict_continue", "action_init_std", "action_mean_scale"}
        | {"action_min_std", "discount"}
    )

    family: Literal["dreamer-v1"] = "dreamer-v1"

    # Network sizes, beside those that it has in common with PlaNet
    units: Count = 400
    """Width of heads, actor and critic, and of the vectors' encoder and decoder."""
    vector_layers: Count = 3
    """Depth of the vectors' encoder and decoder. Published are pictures only; 3 is the depth of PlaNet's heads."""
    reward_layers: Count = 2
    value_layers: Count = 3
    actor_layers: Count = 4
    continue_layers: Count = 3

    # World model loss
    free_nats: NonNegative = 3.0
    """Nats below which the mean divergence of a batch gives no gradient."""
    predict_continue: bool = False
    """Whether the end of episodes is predicted: for tasks that have terminal states."""
    continue_scale: NonNegative = 10.0
    """Weight of that prediction's cross-entropy."""

    # Behaviour
    discount: Fraction = 0.99
    action_init_std: Positive = 5.0
    """Deviation that actions start with, before the tanh."""
    action_mean_scale: Positive = 5.0
    """Greatest mean of actions, before the tanh."""
    action_min_std: Positive = 1e-4
    exploration: NonNegative = 0.3
    """While exploring, the deviation of noise added to actions, or the probability of a random choice."""
    mode_draws: Count = 100
    """Of so many draws the likeliest is taken where the policy is evaluated."""

    # Optimiser
    model_rate: Positive = 6e-4
    actor_rate: Positive = 8e-5
    critic_rate: Positive = 8e-5
    adam_epsilon: Positive = 1e-7
    clip: Positive = 100.0
    """Largest norm of each network's gradient."""

    # Data and schedule
    batch_size: Count = 50
    batch_length: Annotated[int, Field(ge=2)] = 50
    prefill_steps: Count = 2500
    """5,000 frames with the published action repeat of 2."""
    train_ratio: Positive = 500.0
    """100 updates in 1,000 frames, that is in 500 steps."""
