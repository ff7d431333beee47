"""The policy bundle: one ONNX file that is a whole agent, and describes itself in its metadata.

The signature of every bundle, each tensor with a batch dimension of 1:
inputs `observation.<name>`… (vectors in physical units, pictures as they are), `prev_action`, `is_first`, `explore`,
`goal.<name>`… (in physical units), `noise.<name>`…, `state.<name>`…; outputs `action`, `next_state.<name>`…, and of
policies that may request no action `decided`, float32, (1,): 0.0 where they do not, and the action means nothing.
Inputs that an agent has no use for are absent. At the start of an episode `prev_action` is zeros and `is_first` 1.0;
both are float32, of shapes (1, A) and (1,). `explore` = 0 gives the mode of the policy, whatever the noise, but for
policies that search by it. Reading it needs ONNX Runtime only.
"""

from typing import Literal

import numpy as np
from pydantic import TypeAdapter, ValidationError

from robot_mbrl.errors import BundleError
from robot_mbrl.fingerprint import Fingerprint
from robot_mbrl.specs import ActionSpec, Count, Frozen, NonNegative, ObservationSpec, TensorSpec, VectorSpec

FORMAT = 2
DECIDED = "decided"
"""The output that says whether there is an action."""
METADATA_KEY = "robot_mbrl"
"""Key of the ONNX file's metadata entry that holds a `BundleMetadata` as JSON."""


class NoiseSpec(Frozen):
    """A random input that the caller draws anew for each step."""

    shape: tuple[int, ...]
    distribution: Literal["uniform", "normal"]
    """Uniform in [0, 1), or standard normal; float32."""


class Canary(Frozen):
    """Inputs drawn once by the learner and the action its own model gave: what a sound copy must reproduce."""

    seed: int
    """Seeds `numpy.random.default_rng`, which draws the inputs; see `canary_inputs`."""
    action: tuple[float, ...]
    tolerance: float = 1e-3


class ComputeBudget(Frozen):
    """What a step costs, as the learner measured it; robots measure again, on their own machine."""

    step_ms: NonNegative
    """Median duration of a step on the learner's CPU, milliseconds."""
    p99_ms: NonNegative | None = None
    """Its 99th percentile there; None in bundles that were not measured for it."""
    threads: Count = 1
    """Threads that compute an operation; robots use as many."""


class BundleMetadata(Frozen):
    """What a bundle says of itself."""

    format: int = FORMAT
    robot: str
    task: str
    agent: str
    run_id: str
    """Identity of the learning run; a running policy refuses bundles of another unless told."""
    version: int
    """Number of the export within its run, from 1."""
    updates: int
    """Learner updates behind these weights."""
    control_rate_hz: float
    observation: ObservationSpec
    action: ActionSpec
    goal: dict[str, VectorSpec] = {}
    """What of the task's goal it may take as `goal.<name>`, in physical units."""
    budget: ComputeBudget
    state: dict[str, TensorSpec] = {}
    noise: dict[str, NoiseSpec] = {}
    fingerprint: Fingerprint | None = None
    """What its inputs and outputs mean; robots refuse bundles that do not say."""
    canary: Canary | None = None


class StoredBundle(Frozen):
    """A verified bundle on the robot's disk."""

    path: str
    sha256: str
    run_id: str
    version: int


class Announcement(StoredBundle):
    """What the topic `bundle` carries, as JSON; `null` where the robot has no bundle yet."""

    cached: bool = False
    """Whether it was found on the disk at start, rather than received from a learner since."""


_ANNOUNCED: TypeAdapter[Announcement | None] = TypeAdapter(Announcement | None)


def write_announcement(announcement: Announcement | None) -> str:
    """The JSON of the topic `bundle`; None says that the robot has no bundle."""
    return _ANNOUNCED.dump_json(announcement).decode()


def read_announcement(data: str) -> Announcement | None:
    """What the topic `bundle` says; None if it says that the robot has no bundle.

    Raises:
        BundleError: if it cannot be read.
    """
    try:
        return _ANNOUNCED.validate_json(data)
    except ValidationError as error:
        raise BundleError(f"announcement of a bundle cannot be read: {error.errors()[0]['msg']}") from error


def canary_inputs(metadata: BundleMetadata, seed: int) -> dict[str, np.ndarray]:
    """The canary's inputs: random but plausible values for every input a bundle of this metadata may have.

    Args:
        metadata: names and shapes; its `canary` is not read.
        seed: the canary's seed.

    Returns:
        Arrays by input name, each with a batch dimension of 1. Callers pass on those the graph has.
    """
    rng = np.random.default_rng(seed)
    inputs: dict[str, np.ndarray] = {}
    for name, vector in metadata.observation.vectors.items():
        inputs[f"observation.{name}"] = (rng.uniform(-1, 1, (1, vector.size)) * vector.scales).astype(np.float32)
    for name, image in metadata.observation.images.items():
        inputs[f"observation.{name}"] = rng.integers(0, 256, (1, *image.shape)).astype(image.dtype)
    inputs["prev_action"] = rng.uniform(-1, 1, (1, metadata.action.size)).astype(np.float32)
    inputs["is_first"] = np.zeros(1, np.float32)
    inputs["explore"] = np.zeros(1, np.float32)
    for name, vector in metadata.goal.items():
        inputs[f"goal.{name}"] = (rng.uniform(-1, 1, (1, vector.size)) * vector.scales).astype(np.float32)
    for name, noise in metadata.noise.items():
        draw = rng.random if noise.distribution == "uniform" else rng.standard_normal
        inputs[f"noise.{name}"] = draw((1, *noise.shape)).astype(np.float32)
    for name, tensor in metadata.state.items():
        inputs[f"state.{name}"] = np.zeros((1, *tensor.shape), tensor.dtype)
    return inputs
