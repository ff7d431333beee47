"""The Dreamers in a small size for tests: settings, networks whose weights are all in use, batches."""

from collections.abc import Callable

import torch

from robot_mbrl.agent_configs import DayDreamerConfig, DreamerV1Config, DreamerV3Config
from robot_mbrl.agent_configs.settings import ActorSettings
from robot_mbrl.agents.daydreamer import DayDreamer
from robot_mbrl.agents.dreamer import Dreamer
from robot_mbrl.agents.dreamer_v1 import DreamerV1
from robot_mbrl.agents.dreamer_v3 import DreamerV3
from robot_mbrl.agents.families import make_agent
from robot_mbrl.agents.imagining_agent import ImaginingAgent
from robot_mbrl.specs import ActionSpec, ImageSpec, ObservationSpec
from robot_mbrl.world_models.batch import Batch
from robot_mbrl.world_models.state import State
from tests.agents import settings
from tests.agents.settings import BATCH, CONFIG, CONTINUOUS, OBSERVATION, TIME, VECTORS

PICTURES = ObservationSpec(
    vectors=VECTORS,
    images={"eye": ImageSpec(height=64, width=64), "depth": ImageSpec(height=64, width=64, encoding="16UC1")},
)
"""What all published convolutions see."""
_COMMON = {"batch_size": BATCH, "batch_length": TIME, "deter": 16, "hidden": 12, "stoch": 4, "units": 12, "horizon": 4}
DREAMER_V1 = DreamerV1Config.model_validate(_COMMON | {"cnn_depth": 2, "vector_layers": 2, "actor_layers": 2})
DAYDREAMER = DayDreamerConfig.model_validate(_COMMON | {"cnn_depth": 2, "classes": 5, "layers": 2})
DREAMER_V3 = DreamerV3Config.model_validate(
    _COMMON | {"cnn_depth": 4, "classes": 5, "blocks": 2, "layers": 2, "bins": 41, "warmup_updates": 0}
)
PUBLISHED = {"dreamer-v1": DREAMER_V1, "daydreamer": DAYDREAMER, "dreamerv3": DREAMER_V3}
ALL = {"dreamer": CONFIG, **PUBLISHED}
Networks = Dreamer | DreamerV1 | DayDreamer | DreamerV3


def imagining_agent(
    config: ActorSettings, action: ActionSpec = CONTINUOUS, observation: ObservationSpec = OBSERVATION
) -> ImaginingAgent:
    """An agent whose weights are all in use: zero-initialised outputs would hide errors."""
    agent = make_agent(observation, action, config, torch.device("cpu"), seed=0)
    assert isinstance(agent, ImaginingAgent)
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in agent.networks.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return agent


def remembered_batch(
    action: ActionSpec = CONTINUOUS, observation: ObservationSpec = OBSERVATION, seed: int = 0
) -> Batch:
    """Random sequences (BATCH, TIME, ...) with an episode's end in the first, and latents of the rows before them."""
    batch = settings.make_batch(action, observation, seed)
    for values in (batch.is_last, batch.is_terminal):
        values[0, 2] = 1.0
    batch.is_first[0, 3] = 1.0
    batch.is_first[:, 0] = torch.tensor([1.0, 0.0, 0.0])
    batch.prev_action[batch.is_first > 0] = 0.0
    for name, image in observation.images.items():
        if image.encoding == "16UC1":
            batch.observation[name] = (batch.observation[name].int() * 30).to(torch.uint16)
    before = {
        "deter": torch.rand(BATCH, _COMMON["deter"]).half(),
        "latent": torch.randint(0, 5, (BATCH, _COMMON["stoch"]), dtype=torch.uint8),
    }
    return batch._replace(before=before)


def forgetful(batch: Batch) -> Batch:
    """The batch as an agent gets it that remembers no latents: every sequence begins anew."""
    is_first = batch.is_first.clone()
    is_first[:, 0] = 1.0
    return batch._replace(is_first=is_first, before={})


def batch_for(agent: ImaginingAgent, batch: Batch) -> Batch:
    """The batch as replay would give it to this agent."""
    return batch if agent.remembers else forgetful(batch)


def starts_of(agent: ImaginingAgent, count: int = 7) -> State:
    """Random states (count, ...) to imagine from, of the networks' own precision."""
    generator = torch.Generator().manual_seed(3)
    rssm = agent.networks.model.rssm
    initial = rssm.initial(count)
    deter = torch.rand(initial.deter.shape, generator=generator, dtype=initial.deter.dtype) * 2 - 1
    if initial.latent.is_floating_point():
        return State(deter, torch.randn(initial.latent.shape, generator=generator, dtype=initial.latent.dtype))
    classes = rssm.latent.width // rssm.latent.stoch
    return State(deter, torch.randint(classes, initial.latent.shape, generator=generator))


def ignore_states(actor: torch.nn.Module) -> None:
    """Make an actor act the same everywhere, so that no gradient is missing by its not looking through states."""
    with torch.no_grad():
        actor.first.weight.zero_()


def numeric_gradient(
    objective: Callable[[], torch.Tensor], weight: torch.Tensor, epsilon: float = 1e-5
) -> torch.Tensor:
    """Central differences of a scalar function of a vector of weights, which it reads where they lie."""
    slopes = []
    for position in range(weight.numel()):
        values = []
        for change in (epsilon, -epsilon):
            weight.data[position] += change
            values.append(float(objective()))
            weight.data[position] -= change
        slopes.append((values[0] - values[1]) / (2 * epsilon))
    return torch.tensor(slopes, dtype=weight.dtype)
