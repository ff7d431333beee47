"""Worlds whose optimal plans are known: linear with quadratic costs, and a pendulum by its equation of motion."""

import math
from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor
from torch.func import hessian, jacrev, vmap

from robot_mbrl.planners.ilqr import Expansion


class Known(ABC):
    """A world given by a step and a cost, differentiated by autograd. Implements `DifferentiableForesight`."""

    def __init__(self, state: Tensor) -> None:
        self.state = state

    @abstractmethod
    def step(self, state: Tensor, action: Tensor) -> Tensor:
        """Where an action leads from a state."""

    @abstractmethod
    def cost(self, arrived: Tensor, action: Tensor) -> Tensor:
        """What it costs to arrive there by it."""

    def costs(self, plans: Tensor) -> Tensor:
        state, total = self.state.expand(plans.shape[0], -1), plans.new_zeros(plans.shape[0])
        for action in plans.unbind(1):
            state = self.step(state, action)
            total = total + self.cost(state, action)
        return total

    def expand(self, states: Tensor, actions: Tensor) -> Expansion:
        size = states.shape[-1]

        def step(state: Tensor, action: Tensor) -> Tensor:
            return self.step(state[None], action[None])[0]

        def cost(both: Tensor) -> Tensor:
            return self.cost(both[None, :size], both[None, size:])[0]

        by_state, by_action = vmap(jacrev(step, argnums=(0, 1)))(states, actions)
        both = torch.cat([self.step(states, actions), actions], -1)
        return Expansion(by_state, by_action, vmap(jacrev(cost))(both), vmap(hessian(cost))(both))


class LinearQuadratic(Known):
    """x' = A x + B a, at a cost of x' Q x' + a R a."""

    def __init__(self, states: int, actions: int, state_scale: float, seed: int, dtype: torch.dtype) -> None:
        draw = np.random.default_rng(seed)
        self.a = torch.from_numpy(np.eye(states) + 0.2 * draw.normal(size=(states, states)) / math.sqrt(states)).to(
            dtype
        )
        self.b = torch.from_numpy(draw.normal(size=(states, actions)) / math.sqrt(actions)).to(dtype)
        root = draw.normal(size=(states, states))
        self.q = torch.from_numpy(np.eye(states) + 0.3 * root @ root.T / states).to(dtype)
        self.r = torch.from_numpy(np.diag(draw.uniform(0.5, 2.0, actions))).to(dtype)
        super().__init__(torch.from_numpy(state_scale * draw.normal(size=states)).to(dtype))

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        return state @ self.a.mT + action @ self.b.mT

    def cost(self, arrived: Tensor, action: Tensor) -> Tensor:
        return ((arrived @ self.q) * arrived).sum(-1) + ((action @ self.r) * action).sum(-1)

    def riccati(self, horizon: int) -> np.ndarray:
        """The optimal plan without bounds, (H, A), by the discrete Riccati recursion."""
        a, b, q, r = (x.double().numpy() for x in (self.a, self.b, self.q, self.r))
        value, gains = np.zeros_like(q), []
        for _ in range(horizon):
            ahead = q + value
            gain = -np.linalg.solve(r + b.T @ ahead @ b, b.T @ ahead @ a)
            gains.append(gain)
            closed = a + b @ gain
            value = closed.T @ ahead @ closed + gain.T @ r @ gain
        state, plan = self.state.double().numpy(), []
        for gain in reversed(gains):
            plan.append(gain @ state)
            state = a @ state + b @ plan[-1]
        return np.stack(plan)

    def bounded_optimum(self, horizon: int) -> np.ndarray:
        """The optimal plan within [-1, 1], (H, A), by projected gradient descent on the whole quadratic programme."""
        zero = torch.zeros(horizon * self.r.shape[0], dtype=torch.float64)
        shape = (1, horizon, self.r.shape[0])
        world = _as_double(self)
        curvature = hessian(lambda plan: world.costs(plan.view(shape))[0])(zero).numpy()
        slope = jacrev(lambda plan: world.costs(plan.view(shape))[0])(zero).numpy()
        plan, rate = np.zeros(len(slope)), 1.0 / np.linalg.eigvalsh(curvature).max()
        for _ in range(20_000):
            plan = np.clip(plan - rate * (curvature @ plan + slope), -1.0, 1.0)
        return plan.reshape(horizon, -1)


class Pendulum(Known):
    """A rod on a weak motor, states (cos, sin, rad/s), as `sim/urdf/pendulum.urdf` in steps of 50 ms."""

    STEP_S, GRAVITY, TORQUE = 0.05, 14.7, 6.0  # 3 g / 2 l in 1/s², and 3 x 2 N m / (m l²)

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        angle, speed = torch.atan2(state[..., 1], state[..., 0]), state[..., 2]
        for _ in range(5):  # Semi-implicit Euler in steps of 10 ms.
            speed = speed + self.STEP_S / 5 * (self.GRAVITY * torch.sin(angle) + self.TORQUE * action[..., 0])
            angle = angle + self.STEP_S / 5 * speed
        return torch.stack([torch.cos(angle), torch.sin(angle), speed], -1)

    def cost(self, arrived: Tensor, action: Tensor) -> Tensor:
        return 1.0 - arrived[..., 0] + 0.01 * arrived[..., 2] ** 2 + 0.01 * action[..., 0] ** 2


class Nowhere(Known):
    """A world that nothing finite is known of."""

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        return state + torch.nan

    def cost(self, arrived: Tensor, action: Tensor) -> Tensor:
        return arrived.sum(-1) + action.sum(-1)

    def expand(self, states: Tensor, actions: Tensor) -> Expansion:
        expansion = super().expand(states, actions)
        return Expansion(*(torch.full_like(part, torch.nan) for part in expansion))


def _as_double(world: LinearQuadratic) -> LinearQuadratic:
    double = LinearQuadratic.__new__(LinearQuadratic)
    double.a, double.b, double.q, double.r = (x.double() for x in (world.a, world.b, world.q, world.r))
    Known.__init__(double, world.state.double())
    return double
