"""The world model of the project's own Dreamer filters, imagines and is trained as its equations say."""

import pytest
import torch

from robot_mbrl.nets.latents import categorical_kl
from robot_mbrl.specs import ObservationSpec
from robot_mbrl.world_models.dreamer_model import DreamerModel
from robot_mbrl.world_models.sequence_model import open_loop
from robot_mbrl.world_models.state import State
from tests.agents.settings import BATCH, CONFIG, CONTINUOUS, FUSED, OBSERVATION, TIME, make_batch


@pytest.fixture
def model() -> DreamerModel:
    torch.manual_seed(1)
    return DreamerModel(OBSERVATION, CONTINUOUS.size, CONFIG)


def _filter(
    model: DreamerModel,
    is_first: torch.Tensor,
    start: int,
    stop: int,
    initial: State,
    led_by: torch.Tensor | None = None,
) -> State:
    batch = make_batch(CONTINUOUS)
    if led_by is not None:
        batch = batch._replace(prev_action=led_by)
    batch = batch._replace(is_first=is_first)
    uniform = torch.rand(BATCH, TIME, CONFIG.stoch, generator=torch.Generator().manual_seed(2))
    embedding = model.encoder(*model.encoder.targets(batch.observation))
    part = slice(start, stop)
    states, _, _ = model.rssm.observe(
        embedding[:, part], model.led_by(batch)[:, part], is_first[:, part], initial, uniform[:, part]
    )
    return states


def test_filtering_in_two_halves_equals_filtering_at_once(model: DreamerModel) -> None:
    is_first = torch.zeros(BATCH, TIME)
    whole = _filter(model, is_first, 0, TIME, model.rssm.initial(BATCH))
    half = _filter(model, is_first, 0, 3, model.rssm.initial(BATCH))
    middle = State(half.deter[:, -1], half.latent[:, -1])
    rest = _filter(model, is_first, 3, TIME, middle)
    torch.testing.assert_close(rest.deter, whole.deter[:, 3:])
    assert (rest.latent == whole.latent[:, 3:]).all()


def test_the_first_step_of_an_episode_forgets_all_that_was_before(model: DreamerModel) -> None:
    is_first = torch.zeros(BATCH, TIME)
    is_first[:, 2] = 1.0
    one = _filter(model, is_first, 0, TIME, model.rssm.initial(BATCH))
    other_past = State(torch.randn(BATCH, CONFIG.deter), torch.randint(CONFIG.classes, (BATCH, CONFIG.stoch)))
    other_actions = make_batch(CONTINUOUS).prev_action
    other_actions[:, :3] = 0.5  # up to the one that the episode's first observation did not follow from
    two = _filter(model, is_first, 0, TIME, other_past, other_actions)
    assert not torch.equal(one.deter[:, 1], two.deter[:, 1])
    assert torch.equal(one.deter[:, 2:], two.deter[:, 2:])


def test_imagining_from_a_state_gives_the_prior_that_filtering_compares_with(model: DreamerModel) -> None:
    batch = make_batch(CONTINUOUS)
    uniform = torch.rand(BATCH, TIME, CONFIG.stoch)
    embedding = model.encoder(*model.encoder.targets(batch.observation))
    states, _, prior = model.rssm.observe(
        embedding, batch.prev_action, batch.is_first, model.rssm.initial(BATCH), uniform
    )
    here = State(states.deter[:, 1], states.latent[:, 1])
    imagined = model.rssm.imagine(here, batch.prev_action[:, 2], uniform[:, 2])
    torch.testing.assert_close(imagined.probs, prior[:, 2])
    torch.testing.assert_close(imagined.deter, states.deter[:, 2])


def test_both_divergences_have_the_same_value_and_free_nats_are_counted_per_step(model: DreamerModel) -> None:
    batch = make_batch(CONTINUOUS)
    uniform = torch.rand(BATCH, TIME, CONFIG.stoch)
    _, posterior, terms = model.loss(batch, uniform)
    assert posterior.probs is not None
    kl = categorical_kl(posterior.probs, model.rssm.prior(posterior.deter))
    torch.testing.assert_close(terms["dynamics"], terms["representation"])
    torch.testing.assert_close(terms["dynamics"], kl.clamp(min=CONFIG.free_nats).mean())
    torch.testing.assert_close(terms["kl"], kl.mean())


def test_no_gradient_pulls_the_latents_together_below_the_free_nats(model: DreamerModel) -> None:
    silent = dict.fromkeys(("vector_scale", "reward_scale", "continue_scale"), 0.0)
    model.config = CONFIG.model_copy(update={"free_nats": 1000.0, **silent})
    loss, _, _ = model.loss(make_batch(CONTINUOUS), torch.rand(BATCH, TIME, CONFIG.stoch))
    loss.backward()
    assert all(p.grad is None or not p.grad.any() for p in model.rssm.parameters())


@pytest.mark.parametrize("observation", [OBSERVATION, FUSED], ids=["vectors", "vectors and a camera"])
def test_every_weight_learns_from_the_loss(observation: ObservationSpec) -> None:
    torch.manual_seed(3)
    model = DreamerModel(observation, CONTINUOUS.size, CONFIG.model_copy(update={"free_nats": 0.0}))
    with torch.no_grad():  # past the zero-initialised output, which passes no gradient on
        model.reward.network.last.weight.normal_()
    batch = make_batch(CONTINUOUS, observation)
    loss, _, _ = model.loss(batch, torch.rand(BATCH, TIME, CONFIG.stoch))
    loss.backward()
    unlearned = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert unlearned == []


def test_values_are_seen_in_units_of_their_scale(model: DreamerModel) -> None:
    observation = {"joints": torch.tensor([[4.0, 3.0]]), "imu": torch.tensor([[1.0]])}
    vectors, images = model.encoder.targets(observation)
    torch.testing.assert_close(vectors, torch.tensor([[2.0, 3.0, 1.0]]))
    assert images == {}


def test_open_loop_sees_the_context_only_and_all_actions() -> None:
    torch.manual_seed(1)
    model = DreamerModel(FUSED, CONTINUOUS.size, CONFIG)
    batch, uniform, context = make_batch(CONTINUOUS, FUSED), torch.rand(BATCH, TIME, CONFIG.stoch), 3

    def expect(**changes: object) -> tuple[torch.Tensor, torch.Tensor]:
        with torch.no_grad():
            vectors, images = open_loop(model, batch._replace(**changes), context, uniform)
        assert vectors is not None
        return vectors, images["eye"]

    vectors, pictures = expect()
    assert vectors.shape == (BATCH, TIME, 3)
    assert pictures.shape == (BATCH, TIME, 16, 16, 3)
    unseen = {name: value.clone() for name, value in batch.observation.items()}
    for value in unseen.values():
        value[:, context:] = 0
    torch.testing.assert_close(expect(observation=unseen), (vectors, pictures), rtol=0, atol=0)
    led_otherwise = batch.prev_action.clone()
    led_otherwise[:, context:] *= -1
    other, _ = expect(prev_action=led_otherwise)
    assert torch.equal(other[:, :context], vectors[:, :context])
    assert not torch.equal(other[:, context], vectors[:, context])
