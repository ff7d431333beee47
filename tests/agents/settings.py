"""A small agent for tests: its specifications, networks and random batches."""

from typing import Any

import torch

from robot_mbrl.agent_configs import DreamerConfig
from robot_mbrl.agents.dreamer import Dreamer
from robot_mbrl.config import RunConfig, load_run
from robot_mbrl.specs import ActionSpec, Element, ImageSpec, ObservationSpec, Source, VectorSpec
from robot_mbrl.world_models.batch import Batch

BATCH, TIME = 3, 6
VECTORS = {
    "joints": VectorSpec(elements=(Element(name="a", scale=2.0), Element(name="b"))),
    "imu": VectorSpec(elements=(Element(name="c"),)),
}
OBSERVATION = ObservationSpec(vectors=VECTORS)
FUSED = ObservationSpec(vectors=VECTORS, images={"eye": ImageSpec(height=16, width=16)})
CONTINUOUS = ActionSpec(names=("left", "right"))
DISCRETE = ActionSpec(kind="discrete", names=("forwards", "backwards", "stay"))
CONFIG = DreamerConfig(
    deter=16, hidden=12, stoch=4, classes=5, blocks=2, units=12, cnn_depth=4, horizon=4, imagination_starts=7,
    batch_size=BATCH, batch_length=TIME, warmup_updates=0,
)  # fmt: skip


class Specified:
    """A run whose robot has the specifications that a test wants; all else is the run's own."""

    def __init__(self, observation: ObservationSpec, action: ActionSpec, config: RunConfig | None = None) -> None:
        self._config = load_run("cartpole") if config is None else config
        self.observation_spec, self.action_spec = lambda: observation, lambda: action

    def __getattr__(self, name: str) -> Any:
        return getattr(self._config, name)


def make_agent(action: ActionSpec, observation: ObservationSpec = OBSERVATION, **changes: object) -> Dreamer:
    """An agent whose weights are all in use: the zero-initialised heads would hide errors."""
    torch.manual_seed(0)
    agent = Dreamer(observation, action, CONFIG.model_copy(update=changes))
    with torch.no_grad():
        for parameter in agent.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return agent


def make_batch(action: ActionSpec, observation: ObservationSpec = OBSERVATION, seed: int = 0) -> Batch:
    """Random sequences (BATCH, TIME, ...)."""
    torch.manual_seed(seed)
    seen = {name: torch.randn(BATCH, TIME, vector.size) for name, vector in observation.vectors.items()}
    seen |= {
        name: torch.randint(0, 256, (BATCH, TIME, *image.shape), dtype=torch.uint8)
        for name, image in observation.images.items()
    }
    return Batch(
        observation=seen,
        goal={},
        prev_action=torch.rand(BATCH, TIME, action.size),
        reward=torch.rand(BATCH, TIME),
        action=torch.zeros(BATCH, TIME, action.size),
        is_first=torch.zeros(BATCH, TIME),
        is_last=torch.zeros(BATCH, TIME),
        is_terminal=torch.zeros(BATCH, TIME),
        valid=torch.ones(BATCH, TIME, dtype=torch.bool),
        row=torch.arange(BATCH * TIME).view(BATCH, TIME),
        source=torch.full((BATCH, TIME), Source.POLICY, dtype=torch.uint8),
        before={
            "deter": torch.zeros(BATCH, CONFIG.deter, dtype=torch.float16),
            "latent": torch.zeros(BATCH, CONFIG.stoch, dtype=torch.uint8),
        },
    )
