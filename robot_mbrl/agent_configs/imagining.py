"""What the settings of the three published Dreamers have in common."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from robot_mbrl.agent_configs.settings import ActorSettings
from robot_mbrl.specs import Fraction, NonNegative

Mixture = Annotated[float, Field(gt=0, lt=1)]
"""Share of a uniform distribution mixed into a categorical one: at 0 a class may become impossible, whose logarithm
makes every update NaN, at 1 nothing is learned."""


class ImaginingSettings(ActorSettings):
    """The settings of agents whose actor and critic learn in the imagination of a world model."""

    PLOTTED: ClassVar[tuple[str, ...]] = ("model_loss", "kl", "actor_loss", "critic_loss")

    vector_scale: NonNegative = 1.0
    """Weight of the vectors' squared error against all other terms of the model's loss; 1 as published. There, pictures
    of 12,288 numbers outweigh the divergence; the error of a few numbers is worth less than its free nats."""
    horizon: Annotated[int, Field(ge=2)] = 15
    """Imagined steps."""
    imagination_last: Annotated[int, Field(ge=0)] = 0
    """Imagination starts from so many states at the end of each replayed sequence; 0 for all, as published."""
    return_lambda: Fraction = 0.95
    """Lambda of the lambda-return."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """What layers compute in; weights, statistics and losses are in float32 always."""

    @property
    def starts_per_sequence(self) -> int:
        """States of each sequence that imagination starts from."""
        return min(self.imagination_last or self.batch_length, self.batch_length)
