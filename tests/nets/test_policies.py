"""Action distributions agree with torch's own where those exist."""

import torch
from torch.distributions import Categorical as TorchCategorical
from torch.distributions import Independent, Normal

from robot_mbrl.nets.policies import BoundedNormal, Categorical


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
