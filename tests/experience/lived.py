"""Small lives for tests of the experience package: every value of a step says which step it belongs to."""

import numpy as np

from robot_mbrl.experience.replay import Replay
from robot_mbrl.specs import ActionSpec, Element, ImageSpec, Mode, ObservationSpec, Source, TensorSpec, VectorSpec
from robot_mbrl.steps import Action, Observation, Step, StepKey

STEP_NS = 50_000_000
OBSERVATION = ObservationSpec(
    vectors={
        "pose": VectorSpec(elements=(Element(name="x", unit="m"), Element(name="y", unit="m"))),
        "speed": VectorSpec(elements=(Element(name="v", unit="m/s"),)),
    }
)
CAMERA = ImageSpec(height=8, width=8)
SEEING = ObservationSpec(vectors=OBSERVATION.vectors, images={"camera": CAMERA})
ACTION = ActionSpec(names=("left", "right"), units=("N", "N"))
STATE = {"deter": TensorSpec(shape=(3,)), "stoch": TensorSpec(shape=(2,), dtype="uint8")}


def make_replay(capacity: int = 1000) -> Replay:
    """An empty replay of these lives, which keeps latent states."""
    return Replay(OBSERVATION, ACTION, capacity, STATE, step_ns=STEP_NS)


def live(replay: Replay, count: int, start: int = 0, session: str = "a") -> None:
    """Append steps of one session, of which the first begins an episode."""
    for index in range(start, start + count):
        assert replay.append(make_step(index, session, first=index == 0))


def make_step(
    index: int,
    session: str = "a",
    *,
    first: bool = False,
    last: bool = False,
    value: float | None = None,
    images: bool = False,
) -> Step:
    """Step number `index` of a session; its values are `value`, or the index itself."""
    value = float(index) if value is None else value
    key = StepKey(session, (index + 1) * STEP_NS)
    observation = Observation(
        key=key,
        values={"x": value, "y": -value, "v": 2 * value, "unseen": 9.0},
        images={"camera": np.full(CAMERA.shape, index % 256, np.uint8)} if images else {},
        reward=value / 10,
        is_first=first,
        is_last=last,
        is_terminal=last,
        mode=Mode.EVALUATE if index % 2 else Mode.EXPLORE,
        ages_s={"joints": 0.001},
    )
    return Step(observation, Action(key, np.array([value, value + 0.5], np.float32), Source.RANDOM, 3))
