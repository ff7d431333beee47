"""What holds of all Dreamers alike: updates, resuming, what they foresee; and of the published ones, precision."""

import copy
import itertools

import pytest
import torch

from robot_mbrl.agents.families import make_agent
from robot_mbrl.agents.imagining_agent import ImaginingAgent
from robot_mbrl.errors import ConfigError
from robot_mbrl.learning.state_tree import split
from robot_mbrl.specs import ActionSpec, ImageSpec, ObservationSpec, VectorSpec
from robot_mbrl.world_models.batch import Batch
from tests.agents.imagining import ALL, PICTURES, PUBLISHED, batch_for, imagining_agent, remembered_batch
from tests.agents.reads import Reads
from tests.agents.settings import BATCH, CONTINUOUS, DISCRETE, FUSED, OBSERVATION, TIME

each_agent = pytest.mark.parametrize("name", ALL)
each_published = pytest.mark.parametrize("name", PUBLISHED)
each_action = pytest.mark.parametrize("action", [CONTINUOUS, DISCRETE], ids=["continuous", "discrete"])
each_observation = pytest.mark.parametrize("observation", [OBSERVATION, PICTURES], ids=["vectors", "with cameras"])


@each_agent
@each_action
@each_observation
def test_an_update_moves_every_network_and_waits_for_no_device(
    name: str, action: ActionSpec, observation: ObservationSpec
) -> None:
    no_free_nats = {"free_nats": 0.0} if "free_nats" in type(ALL[name]).model_fields else {}
    agent = imagining_agent(ALL[name].model_copy(update=no_free_nats), action, observation)
    batch = batch_for(agent, remembered_batch(action, observation))
    agent.update({"sequences": batch})
    before = copy.deepcopy(dict(agent.networks.named_parameters()))
    with Reads() as reads:
        learned = agent.update({"sequences": batch})
    assert reads.count == 0
    still = [name for name, p in agent.networks.named_parameters() if torch.equal(p, before[name])]
    copied_later = "slow_critic." if name == "daydreamer" else "none"
    assert [name for name in still if not name.startswith(copied_later)] == []
    assert all(torch.isfinite(value) for value in learned.metrics.values())
    assert not any(value.requires_grad for value in learned.metrics.values())
    assert learned.metrics["left_out"] == 0.0
    remembered = {"deter": (BATCH, TIME, 16), "latent": (BATCH, TIME, 4)} if agent.remembers else {}
    assert {key: tuple(value.shape) for key, value in learned.latents.get("sequences", {}).items()} == remembered


@each_agent
@each_action
def test_an_update_needs_no_numbers_to_be_made(name: str, action: ActionSpec) -> None:
    """On the meta device nothing can be read, so one graph can hold an update whatever its numbers."""
    agent = make_agent(PICTURES, action, ALL[name], torch.device("meta"), seed=0)
    batch = batch_for(imagining_agent(ALL[name], action), remembered_batch(action, PICTURES))
    parts = (
        {n: v.to("meta") for n, v in part.items()} if isinstance(part, dict) else part.to("meta") for part in batch
    )
    learned = agent.update({"sequences": Batch(*parts)})
    assert all(value.is_meta and value.shape == () for value in learned.metrics.values())


@each_agent
@each_action
def test_it_goes_on_bit_for_bit_where_it_was_saved(name: str, action: ActionSpec) -> None:
    agent = imagining_agent(ALL[name], action)
    batch = batch_for(agent, remembered_batch(action))
    for _ in range(3):
        agent.update({"sequences": batch})
    other = make_agent(OBSERVATION, action, ALL[name], torch.device("cpu"), seed=9)
    other.load_state_dict(copy.deepcopy(agent.state_dict()))
    for _ in range(3):
        for each in (agent, other):
            each.update({"sequences": batch})
    (tree, tensors), (other_tree, others) = split(agent.state_dict()), split(other.state_dict())
    assert tree == other_tree
    assert tensors.keys() == others.keys()
    assert all(torch.equal(tensor, others[name]) for name, tensor in tensors.items())


@each_agent
def test_what_overflows_changes_no_weight(name: str) -> None:
    agent = imagining_agent(ALL[name])
    batch = batch_for(agent, remembered_batch())
    agent.update({"sequences": batch})
    before = copy.deepcopy(dict(agent.networks.model.named_parameters()))
    poisoned = batch._replace(reward=torch.full_like(batch.reward, torch.nan))
    assert agent.update({"sequences": poisoned}).metrics["left_out"] == 1.0
    assert all(torch.equal(p, before[name]) for name, p in agent.networks.model.named_parameters())
    learned = agent.update({"sequences": batch})
    assert learned.metrics["left_out"] == 0.0
    assert all(torch.isfinite(value) for value in learned.metrics.values())


@each_published
def test_in_half_precision_every_network_learns_from_nearly_the_same_loss(name: str) -> None:
    losses = {}
    for precision in ("float32", "bfloat16"):
        changes = {"precision": precision} | ({"free_nats": 0.0} if name != "daydreamer" else {})
        agent = imagining_agent(ALL[name].model_copy(update=changes), CONTINUOUS, OBSERVATION)
        before = copy.deepcopy(dict(agent.networks.named_parameters()))
        learned = agent.update({"sequences": batch_for(agent, remembered_batch(CONTINUOUS, OBSERVATION))})
        losses[precision] = float(learned.metrics["model_loss"])
        assert learned.metrics["left_out"] == 0.0
        assert all(parameter.dtype == torch.float32 for parameter in agent.networks.parameters())
        assert [key for key, p in agent.networks.named_parameters() if torch.equal(p, before[key])] == []
    assert losses["bfloat16"] != losses["float32"]
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.02)


@each_agent
def test_updates_fit_the_model_to_a_batch(name: str) -> None:
    rate = {"rate": 3e-3} if name == "dreamerv3" else {"model_rate": 3e-3}
    agent = imagining_agent(ALL[name].model_copy(update=rate))
    batch = batch_for(agent, remembered_batch())
    losses = [float(agent.update({"sequences": batch}).metrics["vectors"]) for _ in range(60)]
    assert sum(losses[-10:]) < 0.7 * sum(losses[:10])


@each_agent
def test_it_foresees_what_will_be_observed_in_physical_units(name: str) -> None:
    agent = imagining_agent(ALL[name], CONTINUOUS, PICTURES)
    batch, context = batch_for(agent, remembered_batch(CONTINUOUS, PICTURES)), 3
    generator_before = agent.state_dict()["random"]["generator"].clone()
    expected = agent.foresee(batch, context, seed=0)
    assert {key: tuple(value.shape) for key, value in expected.items()} == {
        "joints": (BATCH, TIME, 2),
        "imu": (BATCH, TIME, 1),
        "eye": (BATCH, TIME, 64, 64, 3),
        "depth": (BATCH, TIME, 64, 64, 1),
    }
    unseen = {key: value.clone() for key, value in batch.observation.items()}
    for value in unseen.values():
        value[:, context:] = 0
    other = agent.foresee(batch._replace(observation=unseen), context, seed=0)
    assert all(torch.equal(value, other[key]) for key, value in expected.items())
    doubled = ObservationSpec(
        vectors={
            key: VectorSpec(elements=tuple(e.model_copy(update={"scale": 2 * e.scale}) for e in vector.elements))
            for key, vector in PICTURES.vectors.items()
        },
        images=PICTURES.images,
    )
    seen = {k: 2 * v if k in doubled.vectors else v for k, v in batch.observation.items()}
    larger = imagining_agent(ALL[name], CONTINUOUS, doubled).foresee(batch._replace(observation=seen), context, seed=0)
    torch.testing.assert_close(larger["joints"], 2 * expected["joints"], rtol=1e-4, atol=1e-4)
    assert torch.equal(agent.state_dict()["random"]["generator"], generator_before)


@each_agent
@each_action
@pytest.mark.parametrize("vectors", [True, False], ids=["with vectors", "pictures alone"])
def test_of_its_own_acting_it_imagines_vectors_alone_and_no_chance_is_in_them(
    name: str, action: ActionSpec, *, vectors: bool
) -> None:
    observation = PICTURES if vectors else ObservationSpec(images=PICTURES.images)
    agent = imagining_agent(ALL[name], action, observation)
    batch = batch_for(agent, remembered_batch(action, observation))
    one = Batch(*({k: v[:1] for k, v in part.items()} if isinstance(part, dict) else part[:1] for part in batch))
    before = torch.get_rng_state(), agent.state_dict()["random"]["generator"].clone()
    ahead = agent.imagine_ahead(one, 5)
    assert {key: tuple(value.shape) for key, value in ahead.items()} == (
        {"joints": (1, 5, 2), "imu": (1, 5, 1)} if vectors else {}
    )
    again = agent.imagine_ahead(one, 5)
    assert all(torch.equal(value, again[key]) for key, value in ahead.items())
    assert torch.equal(torch.get_rng_state(), before[0])
    assert torch.equal(agent.state_dict()["random"]["generator"], before[1])


@each_published
def test_pictures_that_the_published_convolutions_cannot_see_are_named(name: str) -> None:
    wanted = "multiple of 16" if name == "dreamerv3" else "a side of 64"
    odd = ObservationSpec(images={"eye": ImageSpec(height=40, width=40)})
    with pytest.raises(ConfigError, match=rf"cameras\.eye\.image: .*{wanted}, not 40x40"):
        make_agent(odd, CONTINUOUS, ALL[name], torch.device("meta"), seed=0)


def test_cameras_of_two_sizes_are_refused_since_their_pictures_are_laid_over_one_another() -> None:
    two = ObservationSpec(images={"eye": ImageSpec(height=64, width=64), "small": ImageSpec(height=32, width=32)})
    with pytest.raises(ConfigError, match="must all have the same size"):
        make_agent(two, CONTINUOUS, ALL["dreamerv3"], torch.device("meta"), seed=0)
    assert FUSED.images["eye"].height == 16
    make_agent(FUSED, CONTINUOUS, ALL["dreamerv3"], torch.device("meta"), seed=0)


def test_two_agents_of_one_seed_are_the_same_and_of_another_are_not() -> None:
    for config in ALL.values():
        one, again, other = (make_agent(OBSERVATION, CONTINUOUS, config, torch.device("cpu"), s) for s in (1, 1, 2))
        for agent in (one, again, other):
            assert isinstance(agent, ImaginingAgent)
            agent.update({"sequences": batch_for(agent, remembered_batch())})
        tensors = [split(agent.state_dict())[1] for agent in (one, again, other)]
        pairs = itertools.combinations(tensors, 2)
        same = [all(torch.equal(left[key], right[key]) for key in left) for left, right in pairs]
        assert same == [True, False, False]
