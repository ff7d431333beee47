"""The settings of the agent `agents/planet.py`: the defaults are those published (Hafner et al. 2019)."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from robot_mbrl.agent_configs.gaussian import GaussianModelSettings
from robot_mbrl.agent_configs.planning import PlanningSettings
from robot_mbrl.agent_configs.settings import SequenceSettings
from robot_mbrl.specs import Count, Fraction, NonNegative, Positive


class PlaNetConfig(SequenceSettings, GaussianModelSettings, PlanningSettings):
    """PlaNet: a recurrent state-space model, and a planner that looks ahead in its latents at every step."""

    MEANT: ClassVar[frozenset[str]] = frozenset(
        {"family", "deter", "hidden", "stoch", "units", "cnn_depth", "vector_layers", "reward_layers", "min_std"}
    )
    PLOTTED: ClassVar[tuple[str, ...]] = ("model_loss", "kl", "reward")

    family: Literal["planet"] = "planet"

    # World model loss, beside what it has in common with Dreamer v1
    free_nats: NonNegative = 3.0
    """Nats of the divergence of each step that are free."""
    reward_scale: NonNegative = 10.0
    """Weight of the reward's loss."""

    # Planner
    planner: Literal["random_shooting", "cem", "mppi", "es", "ga"] = "cem"
    """Of iLQR the derivatives of latents would have to be known."""
    plan_for: Literal["reward", "objective"] = "reward"
    """What plans are to bring about: rewards as the model has learned to expect them; or the task's objective, computed
    from the values that it expects to observe, whose goal may be told."""
    imagine: Literal["drawn", "likeliest"] = "drawn"
    """Latents that plans lead to: drawn anew for each plan, or the likeliest. Of many plans chance favours those whose
    draws were lucky, which a thousand with a hundred elites can afford, and a hundred cannot."""
    horizon: Annotated[int, Field(ge=2)] = 12
    candidates: Annotated[int, Field(ge=4)] = 1000
    iterations: Count = 10
    elites: Count = 100
    deviation: Positive = 1.0
    least_deviation: NonNegative = 1e-3
    smoothing: Fraction = 0.0
    warm_start: bool = False
    exploration: NonNegative = 0.3
    """Deviation of the noise added to actions while exploring."""
    inference_threads: Count = 1
    """CPU threads that robots give to planning."""

    # Optimiser
    rate: Positive = 1e-3
    adam_epsilon: Positive = 1e-4
    clip: Positive = 1000.0
    """Largest norm of the gradient."""

    # Data and schedule
    batch_size: Count = 50
    batch_length: Annotated[int, Field(ge=2)] = 50
    schedule: Literal["train_ratio", "per_episode", "budget"] = "per_episode"
    updates_per_episode: Count = 100
    prefill_steps: Count = 1000
    """Five episodes of 200 steps."""
