"""The agents' optimisers. None waits for the device, and an update that is not finite changes nothing.

They read the gradients that lie in the parameters, and clear them.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor, nn


class Optimizer(Protocol):
    """What turns gradients into new weights."""

    def step(self) -> tuple[Tensor, Tensor]:
        """Apply the gradients and clear them; returns their norm before clipping, and 1 if they were left out."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Moments and counters."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        ...


class ClippedAdam:
    """Adam on gradients of a greatest norm, with decay of kernels beside it (DayDreamer; the others without decay)."""

    def __init__(
        self, modules: Iterable[nn.Module], *, rate: float, epsilon: float, clip: float, decay: float = 0.0
    ) -> None:
        """Make the optimiser.

        Args:
            modules: what it trains.
            rate: learning rate.
            epsilon: added to the root of the second moment.
            clip: greatest norm of all gradients together.
            decay: times the learning rate, the share that kernels lose at each step; biases, scales and learned states
                keep all.
        """
        self._parameters = [p for module in modules for p in module.parameters()]
        self._rate, self._clip = rate, clip
        kernels = [p for p in self._parameters if p.ndim > 1]
        others = [p for p in self._parameters if p.ndim <= 1]
        groups = [{"params": kernels, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
        # Capturable: its counters lie on the device, so that one CUDA graph can hold an update.
        self._adam = torch.optim.AdamW(groups, lr=rate, eps=epsilon, fused=True, capturable=True)
        self._adam.grad_scale = None  # type: ignore[attr-defined] # both as torch.amp.GradScaler sets them

    def step(self) -> tuple[Tensor, Tensor]:
        """See `Optimizer`."""
        norm = self.clip()
        left_out = (~torch.isfinite(norm)).float()
        self.apply(left_out)
        return norm, left_out

    def clip(self) -> Tensor:
        """Clip the gradients, the first half of a step; returns their norm before that."""
        for parameter in self._parameters:
            # cuDNN leaves gradients of kernels in an order of its own, which the fused step does not take.
            if parameter.grad is not None and parameter.grad.stride() != parameter.stride():
                parameter.grad = torch.empty_like(parameter).copy_(parameter.grad)
        return nn.utils.clip_grad_norm_(self._parameters, self._clip)

    def apply(self, left_out: Tensor, share: Tensor | None = None) -> None:
        """Apply the clipped gradients and clear them, the other half.

        Args:
            left_out: 1 for changing nothing: decided where the gradients are, so that nothing waits for the device.
            share: of the learning rate, while it grows.
        """
        if share is not None:
            # A GPU takes rates in single precision alone.
            rate = self._rate * (share if share.device.type == "cpu" else share.float())
            for group in self._adam.param_groups:
                group["lr"] = rate
        self._adam.found_inf = left_out  # type: ignore[attr-defined]
        if left_out.device.type != "meta":  # where there are no numbers, there is nothing to step
            self._adam.step()
        self._adam.zero_grad(set_to_none=True)

    def state_dict(self) -> dict[str, Any]:
        """See `Optimizer`."""
        return {"moments": self._adam.state_dict()["state"]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """See `Optimizer`; rates and the like are those it was made with."""
        groups = self._adam.state_dict()["param_groups"]
        self._adam.load_state_dict({"state": state["moments"], "param_groups": groups})


class LaProp:
    """Momentum of gradients that were clipped per kernel and divided by their running size (DreamerV3).

    That is adaptive gradient clipping, RMS normalisation and momentum in this order, with a linear warm-up. The moments
    of all parameters lie in one tensor each, so that a step is a few operations, however many parameters there are.
    """

    def __init__(
        self,
        modules: Iterable[nn.Module],
        *,
        rate: float,
        warmup: int,
        clip: float,
        square_decay: float,
        momentum_decay: float,
        epsilon: float,
    ) -> None:
        """Make the optimiser.

        Args:
            modules: what it trains.
            rate: learning rate after the warm-up.
            warmup: updates over which it grows from 0.
            clip: greatest norm of each parameter's gradient, in norms of the parameter, which count as 0.001 at least.
            square_decay: of the running mean of squares.
            momentum_decay: of the momentum.
            epsilon: added to the root of the mean square.
        """
        self._parameters: list[Tensor] = [p for module in modules for p in module.parameters()]
        self._rate, self._warmup, self._clip = rate, warmup, clip
        self._square_decay, self._momentum_decay, self._epsilon = square_decay, momentum_decay, epsilon
        self._square = self._momentum = self._steps = self._sizes = torch.empty(0)

    @torch.no_grad()
    def step(self) -> tuple[Tensor, Tensor]:
        """See `Optimizer`."""
        parameters = self._parameters
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        flat = torch.cat([grad.flatten() for grad in grads])
        self._prepare(flat)
        norms = torch.stack(torch._foreach_norm(grads))
        norm = torch.linalg.vector_norm(norms)
        finite = torch.isfinite(norm)
        limits = self._clip * torch.stack(torch._foreach_norm(parameters)).clamp(min=1e-3)
        shrink = (1.0 / (norms / limits).clamp(min=1.0)).repeat_interleave(self._sizes, output_size=flat.numel())
        flat.mul_(shrink).masked_fill_(~finite, 0.0)

        # With the weight 0 everything stays as it was: so is left out what is not finite.
        counts = finite.to(flat.dtype)
        rate = self._rate * ((self._steps + float(not self._warmup)) / max(1, self._warmup)).clamp(max=1.0)
        self._steps += counts
        made = self._steps.clamp(min=1.0)  # before the first step that counts, the corrections would be infinite
        self._square.lerp_(flat.square(), (1.0 - self._square_decay) * counts)
        size = (self._square / (1.0 - self._square_decay**made)).sqrt_().add_(self._epsilon)
        self._momentum.lerp_(flat.div_(size), (1.0 - self._momentum_decay) * counts)
        change = torch.mul(self._momentum, counts * rate / (1.0 - self._momentum_decay**made), out=size)
        changes = torch.split(change, [p.numel() for p in parameters])
        torch._foreach_sub_(parameters, [c.view_as(p) for c, p in zip(changes, parameters, strict=True)])
        for parameter in parameters:
            parameter.grad = None
        return norm, 1.0 - counts

    def _prepare(self, flat: Tensor) -> None:
        """Make, once, what lies beside the gradients: not before, since the parameters may still change device."""
        if not self._square.numel():
            self._square, self._momentum = torch.zeros_like(flat), torch.zeros_like(flat)
            self._steps = flat.new_zeros(())
        if not self._sizes.numel():
            self._sizes = torch.tensor([p.numel() for p in self._parameters], device=flat.device)

    def state_dict(self) -> dict[str, Any]:
        """See `Optimizer`."""
        return {"square": self._square, "momentum": self._momentum, "steps": self._steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """See `Optimizer`.

        Raises:
            ValueError: if it is of other parameters.
        """
        count = sum(p.numel() for p in self._parameters)
        if state["square"].numel() not in (0, count):
            raise ValueError(f"moments of {state['square'].numel()} parameters, where there are {count}")
        device = self._parameters[0].device
        self._square, self._momentum, self._steps = (
            state[name].detach().clone().to(device) for name in ("square", "momentum", "steps")
        )


def adam_of_each(
    networks: nn.Module, rates: Mapping[str, float], *, epsilon: float, clip: float, decay: float = 0.0
) -> dict[str, ClippedAdam]:
    """For each of a module's parts, by name, an optimiser of its own with its learning rate; see `ClippedAdam`."""
    return {
        name: ClippedAdam([networks.get_submodule(name)], rate=rate, epsilon=epsilon, clip=clip, decay=decay)
        for name, rate in rates.items()
    }


def set_gradients(loss: Tensor, module: nn.Module, *, retain_graph: bool = False) -> None:
    """Leave a loss's gradient in the module's parameters, and in nothing else.

    Args:
        loss: a scalar.
        module: whose parameters it depends on.
        retain_graph: whether another gradient is still to pass through a part of what the loss was made by.
    """
    parameters = list(module.parameters())
    for parameter, grad in zip(
        parameters, torch.autograd.grad(loss, parameters, retain_graph=retain_graph), strict=True
    ):
        parameter.grad = grad


@torch.no_grad()
def follow(slow: nn.Module, fast: nn.Module, rate: float) -> None:
    """Move a module's weights by a share of the way towards another's: their exponential moving average."""
    torch._foreach_lerp_(list(slow.parameters()), list(fast.parameters()), rate)
