"""Action distributions agree with torch's own where those exist."""

import torch
from torch.distributions import Categorical as TorchCategorical
from torch.distributions import Independent, Normal, TanhTransform, TransformedDistribution

from robot_mbrl.nets.policies import BoundedNormal, Categorical, TanhNormal


def test_bounded_normal_agrees_with_torch() -> None:
    policy = BoundedNormal(3, 0.1, 1.0)
    out, action = torch.randn(5, 6), torch.rand(5, 3) * 2 - 1
    mean, std = policy.parameters_of(out)
    reference = Independent(Normal(mean, std), 1)
    torch.testing.assert_close(policy.log_prob(out, action), reference.log_prob(action))
    torch.testing.assert_close(policy.entropy(out), reference.entropy())
    assert ((std >= 0.1) & (std <= 1.0)).all()


def test_actions_stay_within_bounds_and_their_draws_keep_a_gradient() -> None:
    policy = BoundedNormal(1, 0.1, 1.0)
    out = torch.tensor([[3.0, 3.0]], requires_grad=True)
    sample = policy.sample(out, torch.tensor([[5.0]]))
    sample.sum().backward()
    assert policy.bounded(sample).item() == 1.0
    assert out.grad is not None
    assert (out.grad != 0).all()


def test_categorical_agrees_with_torch_and_samples_one_hots() -> None:
    policy = Categorical(4, 0.01)
    out = torch.randn(6, 4)
    action = policy.sample(out, torch.rand(6, 1))
    reference = TorchCategorical(probs=0.99 * torch.softmax(out, -1) + 0.01 / 4)
    assert set(action.unique().tolist()) <= {0.0, 1.0}
    assert (action.sum(-1) == 1).all()
    torch.testing.assert_close(policy.log_prob(out, action), reference.log_prob(action.argmax(-1)))
    torch.testing.assert_close(policy.entropy(out), reference.entropy())
    assert (policy.mode(out).argmax(-1) == out.argmax(-1)).all()


def test_the_offset_is_added_to_what_is_said_of_the_deviation() -> None:
    out = torch.zeros(1, 2)
    offset, plain = BoundedNormal(1, 0.1, 1.0), BoundedNormal(1, 0.1, 1.0, std_offset=0.0)
    torch.testing.assert_close(offset.parameters_of(out)[1], torch.tensor([[0.1 + 0.9 * 0.880797]]))
    torch.testing.assert_close(plain.parameters_of(out)[1], torch.tensor([[0.55]]))


def test_the_tanh_of_a_normal_starts_wide_around_a_bounded_mean() -> None:
    policy = TanhNormal(1, init_std=5.0, min_std=1e-4, mean_scale=5.0)
    mean, std = policy.parameters_of(torch.tensor([[0.0, 0.0], [1000.0, -100.0]]))
    torch.testing.assert_close(mean, torch.tensor([[0.0], [5.0]]))
    torch.testing.assert_close(std, torch.tensor([[5.0001], [1e-4]]))
    torch.testing.assert_close(
        policy.sample(torch.zeros(1, 2), torch.tensor([[0.1]])), torch.tanh(torch.tensor([[0.50001]]))
    )


def test_the_tanh_of_a_normal_gives_actions_the_density_that_torch_gives_them() -> None:
    torch.manual_seed(0)
    policy = TanhNormal(3, init_std=1.0, min_std=1e-4, mean_scale=5.0)
    out, action = torch.randn(6, 6, dtype=torch.float64), torch.rand(6, 3, dtype=torch.float64) * 1.9 - 0.95
    reference = TransformedDistribution(Independent(Normal(*policy.parameters_of(out)), 1), [TanhTransform()])
    torch.testing.assert_close(policy.log_prob(out, action), reference.log_prob(action))


def test_the_likeliest_of_many_draws_is_so_by_the_density_of_the_tanh() -> None:
    torch.manual_seed(0)
    policy = TanhNormal(3, init_std=1.0, min_std=1e-4, mean_scale=5.0)
    out, noise = torch.randn(4, 6), torch.randn(4, 20, 3)
    mean, std = policy.parameters_of(out)
    normal = Normal(mean.unsqueeze(1).double(), std.unsqueeze(1).double())
    reference = TransformedDistribution(Independent(normal, 1), [TanhTransform(cache_size=1)])
    drawn = torch.tanh(normal.mean + normal.stddev * noise)
    best = reference.log_prob(drawn).argmax(1)
    expected = torch.stack([drawn[row, index] for row, index in enumerate(best)])
    torch.testing.assert_close(policy.likeliest(out, noise), expected.float(), rtol=1e-4, atol=1e-5)
