"""Each published world model's loss equals one written out from probability distributions."""

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Bernoulli, Categorical, Independent, Normal, kl_divergence

from robot_mbrl.agents.imagination import draw_noise
from robot_mbrl.agents.imagining_agent import ImaginingAgent
from robot_mbrl.nets.twohot import symexp
from robot_mbrl.world_models.batch import Batch
from robot_mbrl.world_models.state import State
from tests.agents.imagining import (
    ALL,
    DAYDREAMER,
    DREAMER_V1,
    DREAMER_V3,
    PICTURES,
    batch_for,
    imagining_agent,
    remembered_batch,
)
from tests.agents.settings import BATCH, CONTINUOUS, TIME


class _Filtered:
    """A batch, a model's states of it, and its loss."""

    def __init__(self, agent: ImaginingAgent) -> None:
        self.model = model = agent.networks.model
        self.batch: Batch = batch_for(agent, remembered_batch(CONTINUOUS, PICTURES))
        latent = model.rssm.latent
        noise = draw_noise(latent.noise, (BATCH, TIME, latent.stoch), self.batch.reward, torch.Generator())
        self.loss, self.states, self.terms = model.loss(self.batch, noise)
        embedding = model.encoder(*model.encoder.targets(self.batch.observation))
        self.posterior, self.prior = model.rssm.observe(
            embedding, model.led_by(self.batch), self.batch.is_first, model.initial(self.batch), noise
        )[1:]
        self.vectors, self.pictures = model.decoder(self.states)

    def seen_vectors(self) -> Tensor:
        seen = self.batch.observation
        return torch.cat([seen["joints"][..., :1] / 2.0, seen["joints"][..., 1:], seen["imu"]], -1)

    def seen_pictures(self) -> Tensor:
        seen = self.batch.observation
        return torch.cat([seen["eye"].float() / 255.0, seen["depth"].float() / 5000.0], -1).clamp(max=1.0)


def _nats(predicted: Tensor, seen: Tensor, dims: int) -> Tensor:
    """Mean negative log-likelihood of unit normals, without its constant."""
    constant = 0.5 * math.log(2 * math.pi)
    return (-Normal(predicted, 1.0).log_prob(seen) - constant).flatten(-dims).sum(-1).mean()


def test_dreamer_v1() -> None:
    filtered = _Filtered(imagining_agent(DREAMER_V1, CONTINUOUS, PICTURES))
    batch, model = filtered.batch, filtered.model
    left, right = (Independent(Normal(*each.unbind(-1)), 1) for each in (filtered.posterior, filtered.prior))
    kl = kl_divergence(left, right).mean()
    expected = _nats(filtered.vectors, filtered.seen_vectors(), 1)
    expected = expected + _nats(filtered.pictures, filtered.seen_pictures(), 3)
    reward = model.reward(*filtered.states).squeeze(-1)
    expected = expected + _nats(reward.unsqueeze(-1), batch.reward.unsqueeze(-1), 1)
    torch.testing.assert_close(filtered.loss, expected + torch.maximum(kl, torch.tensor(3.0)))
    torch.testing.assert_close(filtered.terms["kl"], kl.detach())


def test_dreamer_v1_predicts_the_discount_where_episodes_end() -> None:
    plain = imagining_agent(DREAMER_V1, CONTINUOUS, PICTURES)
    ending = imagining_agent(DREAMER_V1.model_copy(update={"predict_continue": True}), CONTINUOUS, PICTURES)
    ending.networks.load_state_dict(ending.networks.state_dict() | plain.networks.state_dict())
    with_head, without = _Filtered(ending), _Filtered(plain)
    probability = Bernoulli(logits=ending.networks.model.discount(*with_head.states).squeeze(-1)).probs
    target = 0.99 * (1.0 - with_head.batch.is_terminal)
    cross = -(target * probability.log() + (1 - target) * (1 - probability).log()).mean()
    torch.testing.assert_close(with_head.loss, without.loss + 10.0 * cross)


def test_daydreamer() -> None:
    agent = imagining_agent(DAYDREAMER, CONTINUOUS, PICTURES)
    agent.networks.model.kl_weight.weight.fill_(0.5)
    filtered = _Filtered(agent)
    batch, model = filtered.batch, filtered.model
    left, right = (Independent(Categorical(probs=each), 1) for each in (filtered.posterior, filtered.prior))
    kl = kl_divergence(left, right).mean()
    # Below the target of 3.5 nats by more than a tenth, the weight has shrunk before it is used.
    assert float(kl.detach()) < 3.5 / 1.1
    expected = 0.5 / 1.1 * kl
    expected = expected + 2.0 * _nats(filtered.vectors, filtered.seen_vectors(), 1)
    expected = expected + 2.0 * _nats(filtered.pictures, filtered.seen_pictures(), 3)
    expected = expected + (model.reward(*filtered.states).squeeze(-1) - torch.log1p(batch.reward)).square().mean()
    continues = Bernoulli(logits=model.continues(*filtered.states).squeeze(-1))
    expected = expected - continues.log_prob(1.0 - batch.is_terminal).mean()
    torch.testing.assert_close(filtered.loss, expected)


@pytest.mark.parametrize(("share", "moved"), [(1.0, "prior"), (0.0, "posterior")])
def test_daydreamers_balance_says_which_side_of_the_divergence_is_moved(share: float, moved: str) -> None:
    model = imagining_agent(DAYDREAMER.model_copy(update={"kl_balance": share})).networks.model
    posterior, prior = (torch.softmax(torch.randn(2, 3, 4, 5), -1).requires_grad_() for _ in range(2))
    model._balanced_kl(posterior, prior).sum().backward()
    gradients = {"posterior": posterior.grad, "prior": prior.grad}
    assert {name for name, gradient in gradients.items() if gradient is not None and gradient.any()} == {moved}


def test_the_weight_of_daydreamers_divergence_grows_above_the_target() -> None:
    model = imagining_agent(DAYDREAMER).networks.model
    model.kl_weight.weight.fill_(0.5)
    torch.testing.assert_close(model._adapted(torch.tensor(3.86)), torch.tensor(0.55))
    torch.testing.assert_close(model._adapted(torch.tensor(3.84)), torch.tensor(0.55))
    torch.testing.assert_close(model._adapted(torch.tensor(3.17)), torch.tensor(0.5))


def test_dreamerv3() -> None:
    filtered = _Filtered(imagining_agent(DREAMER_V3, CONTINUOUS, PICTURES))
    batch, model = filtered.batch, filtered.model
    left, right = (Independent(Categorical(probs=each), 1) for each in (filtered.posterior, filtered.prior))
    kl = kl_divergence(left, right)
    expected = (1.0 + 0.1) * torch.maximum(kl, torch.ones(())).mean()
    seen = filtered.seen_vectors()
    expected = expected + 2.0 * _nats(filtered.vectors, torch.sign(seen) * torch.log1p(seen.abs()), 1)
    expected = expected + 2.0 * _nats(filtered.pictures, filtered.seen_pictures(), 3)
    probability = Bernoulli(logits=model.continues(*filtered.states).squeeze(-1)).probs
    target = (1.0 - 1.0 / 333.0) * (1.0 - batch.is_terminal)
    expected = expected - (target * probability.log() + (1 - target) * (1 - probability).log()).mean()
    half = symexp(torch.linspace(-20.0, 0.0, 21))
    bins = torch.cat([half, -half[:-1].flip(0)])
    logprobs = torch.log_softmax(model.reward(*filtered.states), -1)
    twohot = torch.zeros_like(logprobs)
    for row, reward in enumerate(batch.reward.flatten().tolist()):
        above = int((bins <= reward).sum())
        share = (reward - float(bins[above - 1])) / float(bins[above] - bins[above - 1])
        twohot.view(-1, 41)[row, above - 1], twohot.view(-1, 41)[row, above] = 1.0 - share, share
    expected = expected - (twohot * logprobs).sum(-1).mean()
    torch.testing.assert_close(filtered.loss, expected, rtol=1e-4, atol=1e-4)


def test_dreamerv3_counts_free_nats_at_each_step() -> None:
    agent = imagining_agent(DREAMER_V3.model_copy(update={"free_nats": 1000.0}))
    batch = remembered_batch()
    noise = torch.rand(BATCH, TIME, 4, generator=torch.Generator().manual_seed(0))
    _, _, terms = agent.networks.model.loss(batch, noise)
    assert float(terms["dynamics"]) == float(terms["representation"]) == 1000.0
    assert float(terms["kl"]) < 1000.0


@pytest.mark.parametrize("name", ALL)
def test_vectors_count_by_their_scale_and_nothing_else_does(name: str) -> None:
    plain, heavy = (
        _Filtered(imagining_agent(ALL[name].model_copy(update={"vector_scale": scale}), CONTINUOUS, PICTURES))
        for scale in (1.0, 10.0)
    )
    torch.testing.assert_close(heavy.terms["vectors"], plain.terms["vectors"])
    torch.testing.assert_close(heavy.loss.detach(), plain.loss.detach() + 9.0 * plain.terms["vectors"])


@pytest.mark.parametrize("name", ALL)
def test_every_weight_of_the_model_learns_from_its_loss(name: str) -> None:
    update = {"free_nats": 0.0} if name != "daydreamer" else {}
    agent = imagining_agent(ALL[name].model_copy(update=update), CONTINUOUS, PICTURES)
    filtered = _Filtered(agent)
    filtered.loss.backward()
    unlearned = [name for name, p in agent.networks.model.named_parameters() if p.grad is None or not p.grad.any()]
    assert unlearned == []


@pytest.mark.parametrize("name", ALL)
def test_states_can_be_decoded_one_by_one(name: str) -> None:
    model = imagining_agent(ALL[name], CONTINUOUS, PICTURES).networks.model
    state = State(torch.randn(2, 16), model.rssm.initial(2).latent)
    vectors, pictures = model.decoder(state)
    assert vectors.shape == (2, 3)
    # This project's own has a network for each camera, the published ones one for all channels.
    each = pictures.values() if isinstance(pictures, dict) else [pictures]
    assert all(picture.shape[:-1] == (2, 64, 64) for picture in each)
    assert sum(picture.shape[-1] for picture in each) == 4
