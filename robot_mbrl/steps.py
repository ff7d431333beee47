"""The step, the unit of experience, and the two halves that the ROS graph carries it in.

Step k = (o_k, r_k, is_first, is_last, is_terminal, a_k, source): r_k was earned on arriving at o_k, a_k is the
normalised action applied from o_k on. The key of a step is (session, stamp).
"""

from dataclasses import dataclass, field

import numpy as np

from robot_mbrl.specs import Mode, Source

GAP_PERIODS = 1.5
"""Stamps further apart than this many step periods have a step missing between them: the robot's policy and the world
model both start afresh there, and must do so at the same places."""


@dataclass(frozen=True, slots=True)
class StepKey:
    """Identity of a step; stamps strictly increase within a session."""

    session: str
    stamp_ns: int


@dataclass(frozen=True, slots=True)
class Observation:
    """What the sensor node publishes at one tick of the control rate."""

    key: StepKey
    values: dict[str, float]
    """Low-dimensional values by element name, in physical units; every value the robot measures."""
    images: dict[str, np.ndarray]
    """Pictures by name, shape (height, width, channels), uint8 or uint16."""
    reward: float = 0.0
    is_first: bool = False
    is_last: bool = False
    is_terminal: bool = False
    mode: Mode = Mode.EXPLORE
    success: bool = False
    ages_s: dict[str, float] = field(default_factory=dict)
    """Age of each source's newest message at the tick, seconds."""


@dataclass(frozen=True, slots=True)
class Action:
    """A normalised action for one step: what the policy requested, or what the guard let enter shaping."""

    key: StepKey
    values: np.ndarray
    """float32, shape (action size,): within [-1, 1], or a one-hot. All zeros on `is_last`; while the robot is stopped,
    the action nearest to what its safe stop commands."""
    source: Source = Source.POLICY
    policy_version: int = 0
    """Version of the bundle that requested it; 0 where no bundle was involved."""


@dataclass(frozen=True, slots=True)
class Step:
    """One complete step of experience."""

    observation: Observation
    action: Action
