"""Second-order jets: values with gradient and Hessian, carried through operators in closed form.

An objective is made of operators alone, so its derivatives come of computing it with jets, inside an ONNX graph too,
where there is no automatic differentiation.
"""

import math
from typing import Union

import torch
from torch import Tensor

Operand = Union["Jet", Tensor, float]


class Jet:
    """Values with their first two derivatives by n variables.

    Attributes:
        value: (...).
        gradient: (..., n).
        hessian: (..., n, n), symmetric.
    """

    def __init__(self, value: Tensor, gradient: Tensor, hessian: Tensor) -> None:
        self.value, self.gradient, self.hessian = value, gradient, hessian

    def __add__(self, other: Operand) -> "Jet":
        if isinstance(other, Jet):
            return Jet(self.value + other.value, self.gradient + other.gradient, self.hessian + other.hessian)
        return Jet(self.value + other, self.gradient, self.hessian)

    def __radd__(self, other: Operand) -> "Jet":
        return self + other

    def __neg__(self) -> "Jet":
        return Jet(-self.value, -self.gradient, -self.hessian)

    def __sub__(self, other: Operand) -> "Jet":
        return self + (-other)

    def __rsub__(self, other: Operand) -> "Jet":
        return (-self) + other

    def __mul__(self, other: Operand) -> "Jet":
        if isinstance(other, Jet):
            value, first, second = self.value * other.value, self.value[..., None], other.value[..., None]
            cross = self.gradient[..., :, None] * other.gradient[..., None, :]  # (..., n, n)
            hessian = first[..., None] * other.hessian + second[..., None] * self.hessian + cross + cross.mT
            return Jet(value, first * other.gradient + second * self.gradient, hessian)
        if isinstance(other, Tensor):
            return Jet(self.value * other, other[..., None] * self.gradient, other[..., None, None] * self.hessian)
        return Jet(self.value * other, other * self.gradient, other * self.hessian)

    def __rmul__(self, other: Operand) -> "Jet":
        return self * other

    def __truediv__(self, other: Operand) -> "Jet":
        return self * other**-1.0

    def __rtruediv__(self, other: Operand) -> "Jet":
        return self**-1.0 * other

    def __pow__(self, exponent: float) -> "Jet":
        first = exponent * self.value ** (exponent - 1.0)
        # Of a square the second derivative is no power, which at zero would not be a number.
        curved = exponent * (exponent - 1.0)
        second = curved * self.value ** (exponent - 2.0) if exponent not in (1, 2) else torch.full_like(first, curved)
        return self._composed(self.value**exponent, first, second)

    def __rpow__(self, base: float) -> "Jet":
        value, rate = base**self.value, math.log(base)
        return self._composed(value, rate * value, rate**2 * value)

    def __gt__(self, other: Operand) -> "Jet":
        """1 where it is larger and 0 elsewhere: a factor, whose derivatives are zero."""
        return self._factor(self.value > _value(other))

    def __lt__(self, other: Operand) -> "Jet":
        """1 where it is smaller and 0 elsewhere."""
        return self._factor(self.value < _value(other))

    def _factor(self, holds: Tensor) -> "Jet":
        return constant(holds.to(self.value.dtype), self.gradient.shape[-1])

    def _composed(self, value: Tensor, first: Tensor, second: Tensor) -> "Jet":
        """A function of this by its value and derivatives, (...)."""
        squares = self.gradient[..., :, None] * self.gradient[..., None, :]
        hessian = first[..., None, None] * self.hessian + second[..., None, None] * squares
        return Jet(value, first[..., None] * self.gradient, hessian)


def _value(operand: Operand) -> Tensor | float:
    return operand.value if isinstance(operand, Jet) else operand


def constant(value: Tensor, size: int) -> Jet:
    """A value (...) that depends on none of so many variables.

    Tensors take part in arithmetic with jets as they are, but for torch's tracer, which takes them for all there is.
    """
    zeros = value.new_zeros(*value.shape, size)
    return Jet(value, zeros, zeros.unsqueeze(-1).expand(*value.shape, size, size))


def variables(values: Tensor) -> list[Jet]:
    """The elements of (..., n) as n independent variables."""
    size = values.shape[-1]
    basis = torch.eye(size, dtype=values.dtype, device=values.device)
    flat = torch.zeros(size, size, dtype=values.dtype, device=values.device)
    shape = values.shape[:-1]
    return [Jet(values[..., i], basis[i].expand(*shape, size), flat.expand(*shape, size, size)) for i in range(size)]
