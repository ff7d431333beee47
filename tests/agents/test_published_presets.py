"""The presets of the published Dreamers are what was published: sizes, settings, and losses in every size."""

from collections.abc import Iterable

import pytest
import torch
from torch import nn

from robot_mbrl.agent_configs import AgentSettings
from robot_mbrl.agents.families import count_parameters, make_agent
from robot_mbrl.agents.imagining_agent import ImaginingAgent
from robot_mbrl.config import load_agent
from robot_mbrl.specs import ActionSpec, Element, ImageSpec, ObservationSpec, VectorSpec
from tests.agents.imagining import PUBLISHED


def _vectors(count: int) -> ObservationSpec:
    elements = tuple(Element(name=f"value_{index}") for index in range(count))
    return ObservationSpec(vectors={"values": VectorSpec(elements=elements)})


CAMERA = ObservationSpec(images={"camera": ImageSpec()})
SIX = ActionSpec(names=tuple("abcdef"))


def _numbers(modules: Iterable[nn.Module]) -> list[int]:
    return [sum(parameter.numel() for parameter in module.parameters()) for module in modules]


@pytest.mark.parametrize(
    ("preset", "vectors", "pictures"),
    [
        ("dreamerv3-1m", 640_867, 686_846),
        ("dreamerv3-12m", 9_738_019, 10_494_158),
        ("dreamerv3-25m", 21_782_947, 23_489_326),
        ("dreamerv3-50m", 38_612_003, 41_650_062),
        ("dreamerv3-100m", 86_622_499, 93_468_238),
        ("dreamerv3-200m", 153_769_507, 165_948_686),
    ],
)
def test_dreamerv3_has_the_published_numbers_of_parameters(preset: str, vectors: int, pictures: int) -> None:
    settings = load_agent(preset)
    assert count_parameters(_vectors(24), SIX, settings) == vectors
    assert count_parameters(CAMERA, SIX, settings) == pictures
    choices = ActionSpec(kind="discrete", names=SIX.names)
    assert count_parameters(CAMERA, choices, settings) == pictures - (6 * settings.model_dump()["units"] + 6)


def test_daydreamer_has_the_published_numbers_of_parameters_on_the_a1() -> None:
    twelve = ActionSpec(names=tuple("abcdefghijkl"))
    agent = make_agent(_vectors(16), twelve, load_agent("daydreamer-a1"), torch.device("meta"), seed=0)
    assert isinstance(agent, ImaginingAgent)
    parts = agent.networks.model, agent.networks.actor, agent.networks.critic
    assert _numbers(parts) == [6_727_954, 1_458_200, 1_446_401]
    assert agent.size == sum(_numbers(parts))  # without the slow critic


def test_dreamer_v1_has_the_published_numbers_of_parameters() -> None:
    agent = make_agent(CAMERA, SIX, load_agent("dreamer-v1"), torch.device("meta"), seed=0)
    assert isinstance(agent, ImaginingAgent)
    parts = agent.networks.model, agent.networks.critic, agent.networks.actor
    assert _numbers(parts) == [5_296_820, 413_601, 578_412]


SIZES = {
    *("deter", "hidden", "stoch", "classes", "blocks", "units", "layers", "cnn_depth", "prior_layers", "head_layers"),
    *("vector_layers", "reward_layers", "value_layers", "actor_layers", "continue_layers"),
}
RATES = {"rate", "model_rate", "actor_rate", "critic_rate", "warmup_updates", "imagination_last"}
HORIZON = {"discount_horizon"}
EXPLORATION = {"action_mean_scale", "action_init_std", "action_min_std"}
"""How wide Dreamer v1's actions are and stay."""
WEIGHTS = {"kl_target", "kl_scale", "free_nats", "vector_scale"}
"""What a few numbers are worth against the divergence: docs/agents.md, "The sizes for a CPU"."""


@pytest.mark.parametrize(
    ("published", "small"),
    [("dreamer-v1", "dreamer-v1-cpu"), ("daydreamer", "daydreamer-cpu"), ("dreamerv3-12m", "dreamerv3-cpu")],
)
def test_the_sizes_for_a_cpu_have_the_published_losses(published: str, small: str) -> None:
    one, other = load_agent(published).model_dump(), load_agent(small).model_dump()
    schedule = set(AgentSettings.model_fields) | {"batch_size", "batch_length"}
    changed = {key for key in one if one[key] != other[key]}
    assert changed - SIZES - RATES - HORIZON - EXPLORATION - WEIGHTS - schedule == set()


@pytest.mark.parametrize("preset", ["dreamer-v1", "daydreamer", "dreamerv3-12m"])
def test_what_a_published_preset_does_not_say_is_published_as_well(preset: str) -> None:
    settings = load_agent(preset)
    told = {"description", "export_period_s"}
    assert (
        settings.model_copy(update={key: type(settings).model_fields[key].default for key in told}) == type(settings)()
    )


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_setting_either_says_what_the_weights_are_or_may_change_while_a_run_is_stopped(name: str) -> None:
    model = type(PUBLISHED[name])
    free = set(AgentSettings.model_fields) - {"family"} | {"batch_size", "batch_length", "horizon", "return_lambda"}
    free |= {
        "imagination_last",
        "online_queue",
        "vector_scale",
        "precision",
        "clip",
        "rate",
        "warmup_updates",
        "model_rate",
        "actor_rate",
        "critic_rate",
    }
    free |= {"adam_epsilon", "weight_decay", "epsilon", "square_decay", "momentum_decay"}
    free |= {"free_nats", "kl_scale", "continue_scale", "exploration", "mode_draws", "kl_balance", "kl_target"}
    free |= {"kl_weight_min", "kl_weight_max", "entropy_target", "entropy_weight_min", "entropy_weight_max"}
    free |= {"advantage_decay", "slow_critic_every", "adaptive_factor", "dynamics_scale", "representation_scale"}
    free |= {
        "cloning_scale",
        "entropy",
        "return_rate",
        "return_floor",
        "slow_critic_rate",
        "slow_critic_scale",
        "replay_value_scale",
    }
    assert not model.MEANT & free
    assert set(model.model_fields) - free == model.MEANT
