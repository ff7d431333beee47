"""The settings of planners (`planners/`), for agents that choose actions by looking ahead."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from robot_mbrl.specs import Count, Fraction, Frozen, NonNegative, Positive

PlannerName = Literal["random_shooting", "cem", "mppi", "ilqr", "es", "ga"]
"""Random shooting, cross-entropy method, path integral, iterative linear-quadratic regulator, evolution strategy,
genetic algorithm."""


class PlanningSettings(Frozen):
    """How far, how often and how a planner looks ahead at each step. What a planner has no use for, it passes over."""

    planner: PlannerName = "cem"
    horizon: Annotated[int, Field(ge=2)] = 20
    """Steps that a plan looks ahead."""
    candidates: Annotated[int, Field(ge=4)] = 128
    """Plans tried in each iteration. Random shooting tries those of all iterations at once; iLQR starts from the
    cheapest of so many."""
    iterations: Count = 3
    """How often a plan is improved in each step, but for iLQR."""
    corrections: Count = 2
    """How often iLQR corrects a plan in each step; each takes as long as two iterations of the others."""
    elites: Count = 16
    """Plans that the next iteration of CEM and of the genetic algorithm is made from."""
    deviation: Positive = 0.5
    """Standard deviation of the actions that are tried, in normalised units; of the genetic algorithm's mutations."""
    least_deviation: NonNegative = 0.05
    """What CEM's deviation never falls below."""
    smoothing: Fraction = 0.1
    """Share of the iteration before in CEM's mean and deviation."""
    temperature: Positive = 0.05
    """Of MPPI: a plan that costs so much more than the cheapest weighs e times less."""
    mutation: Fraction = 0.3
    """Share of the actions that the genetic algorithm mutates."""
    noise_colour: NonNegative = 0.0
    """Exponent of the frequency by which the power of the noise in plans falls: 0 is white, 1 pink, 2 red."""
    warm_start: bool = True
    """Whether planning begins with what is left of the plan of the step before."""
    regularisers: Annotated[tuple[NonNegative, ...], Field(min_length=1)] = (1e-3, 1e-2, 0.1, 1.0)
    """Of iLQR: added to the curvature by the action. All are tried in each iteration, and the best result is kept."""
    step_lengths: Annotated[tuple[Positive, ...], Field(min_length=1)] = (1.0, 0.5, 0.1)
    """Of iLQR: the shares of a correction that are tried."""

    @model_validator(mode="after")
    def _elites_are_some_of_the_candidates(self) -> Self:
        if self.elites > self.candidates:
            raise ValueError(f"elites: {self.elites} are more than the candidates, {self.candidates}")
        return self
