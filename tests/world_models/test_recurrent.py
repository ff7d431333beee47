"""The RSSMs of the published Dreamers filter, forget and imagine as their definitions say."""

import pytest
import torch
from torch import Tensor

from robot_mbrl.agents.imagination import draw_noise
from robot_mbrl.agents.imagining_agent import ImaginingAgent
from robot_mbrl.nets.latent_kinds import CategoricalLatent
from robot_mbrl.world_models.recurrent import LearnedStart, RecurrentModel
from robot_mbrl.world_models.state import State
from tests.agents.imagining import ALL, DAYDREAMER, DREAMER_V3, imagining_agent, remembered_batch
from tests.agents.settings import BATCH, CONTINUOUS, TIME


@pytest.fixture(params=ALL.values(), ids=ALL)
def agent(request: pytest.FixtureRequest) -> ImaginingAgent:
    return imagining_agent(request.param)


def _inputs(agent: ImaginingAgent) -> tuple[Tensor, Tensor, Tensor]:
    """Embeddings, actions and noise of a batch, (BATCH, TIME, ...)."""
    encoder, latent = agent.networks.model.encoder, agent.networks.model.rssm.latent
    batch = remembered_batch()
    embedding = encoder(*encoder.targets(batch.observation)).detach()
    noise = draw_noise(latent.noise, (BATCH, TIME, latent.stoch), batch.reward, torch.Generator().manual_seed(2))
    return embedding, batch.prev_action, noise


def _filter(rssm: RecurrentModel, inputs: tuple[Tensor, ...], is_first: Tensor, part: slice, initial: State) -> State:
    embedding, action, noise = (x[:, part] for x in inputs)
    return rssm.observe(embedding, action, is_first[:, part], initial, noise)[0].detach()


def test_filtering_in_two_halves_equals_filtering_at_once(agent: ImaginingAgent) -> None:
    rssm, inputs, is_first = agent.networks.model.rssm, _inputs(agent), torch.zeros(BATCH, TIME)
    is_first[:, 0] = 1.0
    whole = _filter(rssm, inputs, is_first, slice(0, TIME), rssm.initial(BATCH))
    half = _filter(rssm, inputs, is_first, slice(0, 3), rssm.initial(BATCH))
    rest = _filter(rssm, inputs, is_first, slice(3, TIME), State(half.deter[:, -1], half.latent[:, -1]))
    torch.testing.assert_close(rest.deter, whole.deter[:, 3:])
    torch.testing.assert_close(rest.latent, whole.latent[:, 3:])


def test_where_an_episode_begins_all_that_was_before_is_forgotten(agent: ImaginingAgent) -> None:
    rssm, inputs, is_first = agent.networks.model.rssm, _inputs(agent), torch.zeros(BATCH, TIME)
    is_first[:, 2] = 1.0
    one = _filter(rssm, inputs, is_first, slice(0, TIME), rssm.initial(BATCH))
    other = State(torch.randn(BATCH, rssm.deter), torch.ones_like(rssm.initial(BATCH).latent))
    two = _filter(rssm, inputs, is_first, slice(0, TIME), other)
    assert not torch.equal(one.deter[:, 1], two.deter[:, 1])
    assert torch.equal(one.deter[:, 2:], two.deter[:, 2:])


def test_one_step_of_the_policy_is_one_step_of_filtering(agent: ImaginingAgent) -> None:
    rssm, (embedding, action, noise) = agent.networks.model.rssm, _inputs(agent)
    is_first = torch.tensor([1.0, 0.0, 0.0])
    initial = State(torch.rand(BATCH, rssm.deter), rssm.initial(BATCH).latent)
    states, statistics, _ = rssm.observe(embedding[:, :1], action[:, :1], is_first.unsqueeze(1), initial, noise[:, :1])
    deter, found = rssm.filter(initial, action[:, 0], is_first, embedding[:, 0])
    torch.testing.assert_close(deter, states.deter[:, 0])
    torch.testing.assert_close(found, statistics[:, 0])


def test_imagining_from_a_state_gives_the_prior_that_filtering_compares_with(agent: ImaginingAgent) -> None:
    rssm, (embedding, action, noise) = agent.networks.model.rssm, _inputs(agent)
    states, _, prior = rssm.observe(embedding, action, torch.zeros(BATCH, TIME), rssm.initial(BATCH), noise)
    here = State(states.deter[:, 1], states.latent[:, 1])
    imagined = rssm.imagine(here, action[:, 2], noise[:, 2])
    torch.testing.assert_close(imagined.deter, states.deter[:, 2])
    torch.testing.assert_close(imagined.latent, rssm.latent.sample(prior[:, 2], noise[:, 2]))


def test_dreamerv3_begins_from_a_latent_of_zeros_which_is_no_class() -> None:
    model = imagining_agent(DREAMER_V3).networks.model
    core, latent = model.rssm.core, model.rssm.latent
    before, kept = model.rssm.start.entrance(model.rssm.prior, latent)(
        State(torch.randn(1, 16), torch.ones(1, 4, dtype=torch.int64)), torch.zeros(1, 1)
    )
    found = core.advance(before, core.drive(torch.zeros(1, 2)), kept)
    of_latent = core.after_latent(core.of_latent.bias.unsqueeze(0))
    inputs = torch.cat([core.of_deter(torch.zeros(1, 16)), of_latent, core.of_action(torch.zeros(1, 2))], -1)
    torch.testing.assert_close(found, core.gru(inputs, torch.zeros(1, 16)))


def test_dreamerv3_counts_actions_beyond_the_bounds_as_at_them() -> None:
    core = imagining_agent(DREAMER_V3).networks.model.rssm.core
    action = torch.tensor([[-3.0, 0.5]], requires_grad=True)
    torch.testing.assert_close(core.drive(action), core.drive(torch.tensor([[-1.0, 0.5]])))
    core.drive(action).sum().backward()
    assert action.grad is not None
    assert action.grad.all()  # scaled down, not cut off


def test_daydreamer_begins_from_a_learned_deter_and_the_likeliest_latent_there() -> None:
    rssm = imagining_agent(DAYDREAMER).networks.model.rssm
    assert isinstance(rssm.start, LearnedStart)
    with torch.no_grad():
        rssm.start.weight.normal_()
    probs = torch.rand(2, 4, 5, requires_grad=True)
    state = State(torch.randn(2, 16, requires_grad=True), torch.zeros(2, 4, dtype=torch.int64), probs)
    begun, kept = rssm.start.entrance(rssm.prior, rssm.latent)(state, torch.tensor([[0.0], [1.0]]))
    assert kept is None
    torch.testing.assert_close(begun.deter[0], torch.tanh(rssm.start.weight))
    assert torch.equal(begun.latent[0], rssm.prior(torch.tanh(rssm.start.weight)).argmax(-1))
    assert torch.equal(begun.deter[1], state.deter[1])
    assert torch.equal(begun.latent[1], state.latent[1])
    assert isinstance(rssm.latent, CategoricalLatent)
    image = rssm.core.advance(begun, rssm.core.drive(torch.zeros(2, CONTINUOUS.size)))
    of_deter, of_probs, of_start = torch.autograd.grad(image.sum(), [state.deter, probs, rssm.start.weight])
    assert not of_deter[0].any()
    assert not of_probs[0].any()
    assert of_deter[1].any()
    assert of_probs[1].any()
    assert of_start.any()


def test_the_learned_start_begins_at_zero() -> None:
    assert not LearnedStart(8).weight.any()
