"""The settings of the agent `agents/mpc.py`: model-predictive control with an ensemble of networks."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from robot_mbrl.agent_configs.planning import PlanningSettings
from robot_mbrl.agent_configs.settings import AgentSettings
from robot_mbrl.specs import Count, NonNegative, Positive


class MPCConfig(AgentSettings, PlanningSettings):
    """A model of how observations change, and a planner that looks ahead with it at every step."""

    MEANT: ClassVar[frozenset[str]] = frozenset(
        {"family", "members", "history", "units", "layers", "activation", "likelihood"}
    )

    family: Literal["mpc"] = "mpc"

    # Model
    members: Count = 3
    """Networks that learn the same from other batches; a plan is judged by each of them (PETS: 5)."""
    history: Count = 1
    """Observations that a prediction is made from; more where one does not show the state, as positions alone."""
    units: Count = 64
    layers: Count = 2
    """Width and depth of each network."""
    activation: Literal["relu", "swish"] = "swish"
    likelihood: Literal["deterministic", "gaussian"] = "deterministic"
    """Whether a prediction is a value, or a mean with a variance."""
    data_noise: NonNegative = 0.01
    """Deviation of the noise on what is learned from, inputs and targets, in root mean squares of each value."""
    statistics_rate: Annotated[float, Field(gt=0, le=1)] = 1e-3
    """Share of an update's batch in means and deviations, once they have settled."""

    # Optimiser
    rate: Positive = 1e-3
    weight_decay: NonNegative = 0.0
    clip: Positive = 100.0
    """Largest norm of the gradient."""

    # Behaviour
    exploration: NonNegative = 0.1
    """Deviation of the noise added to actions while exploring."""

    # Data and schedule
    batch_size: Count = 256
    """Transitions that each member learns from in an update."""
    held_out_size: Count = 128
    """Transitions that none learns from, by which an update judges the model."""
    inference_threads: Count = 1
    """CPU threads that robots give to planning."""
    pretrain_updates: Annotated[int, Field(ge=0)] = 500
    prefill_steps: Count = 1000
    train_ratio: Positive = 900.0
