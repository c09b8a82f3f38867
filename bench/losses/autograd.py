"""Costs, KL term and clamp as autograd functions with hand-derived gradients.

Each forward returns, beside its value, the derivative that backward needs as a second output: one pass over the data
makes both, and double backward is right because the derivative stays a node of the graph. Leading dimensions are batch
dimensions everywhere, so a stack of seeds is one call (`_over_leading`).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from bench.losses import formulas


class SquaredRows(Function):
    """x̂ (..., d), x (..., d) broadcastable → Σ (x̂ - x)² (...) and x̂ - x (..., d)."""

    @staticmethod
    def forward(params: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        return formulas.squared_rows(params, target)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        ctx.set_materialize_grads(False)
        ctx.shapes = [tensor.shape for tensor in inputs]
        ctx.save_for_backward(output[1])

    @staticmethod
    def backward(ctx, rows_gradient, residual_gradient):
        (residual,) = ctx.saved_tensors
        gradient = residual_gradient
        if rows_gradient is not None:
            gradient = _plus(residual * (2 * rows_gradient).unsqueeze(-1), gradient)
        return _to_inputs(ctx, gradient, lambda: _negative(gradient))

    @staticmethod
    def vmap(info, in_dims, *tensors):
        return _over_leading(SquaredRows, in_dims, tensors)


class BernoulliRows(Function):
    """Logits l (..., d), x (..., d) broadcastable → -Σ ln p(x|l) (...) and σ(l) - x (..., d)."""

    @staticmethod
    def forward(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        return formulas.bernoulli_rows(logits, target)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        ctx.set_materialize_grads(False)
        ctx.shapes = [tensor.shape for tensor in inputs]
        ctx.save_for_backward(*inputs, output[1])

    @staticmethod
    def backward(ctx, rows_gradient, slope_gradient):
        logits, target, slope = ctx.saved_tensors
        rows = None if rows_gradient is None else rows_gradient.unsqueeze(-1)
        gradient = None if rows is None else slope * rows
        if slope_gradient is not None:
            probability = slope + target
            gradient = _plus(slope_gradient * probability * (1 - probability), gradient)
        return _to_inputs(
            ctx, gradient, lambda: _plus(None if rows is None else -logits * rows, _negative(slope_gradient))
        )

    @staticmethod
    def vmap(info, in_dims, *tensors):
        return _over_leading(BernoulliRows, in_dims, tensors)


class GaussianKL(Function):
    """μ, v of one shape → KL(N(μ, e^v) ‖ N(0, 1)) per dimension (eq. 5) and e^v - 1, both of that shape."""

    @staticmethod
    def forward(mean: Tensor, log_variance: Tensor) -> tuple[Tensor, Tensor]:
        return formulas.kl_terms(mean, log_variance)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        ctx.set_materialize_grads(False)
        ctx.shapes = [tensor.shape for tensor in inputs]
        ctx.save_for_backward(inputs[0], output[1])

    @staticmethod
    def backward(ctx, kl_gradient, excess_gradient):
        mean, excess = ctx.saved_tensors
        by_mean = None if kl_gradient is None else kl_gradient * mean
        by_log_variance = None if kl_gradient is None else 0.5 * kl_gradient * excess
        if excess_gradient is not None:
            by_log_variance = _plus(excess_gradient * (excess + 1), by_log_variance)
        return _sum_to(by_mean, ctx.shapes[0]), _sum_to(by_log_variance, ctx.shapes[1])

    @staticmethod
    def vmap(info, in_dims, *tensors):
        return _over_leading(GaussianKL, in_dims, tensors)


class BoundLogVariance(Function):
    """v within `LOG_VARIANCE_BOUNDS`; the gradient passes unchanged and can pull a v outside back in."""

    @staticmethod
    def forward(raw: Tensor) -> Tensor:
        return raw.clamp(*formulas.LOG_VARIANCE_BOUNDS)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        pass

    @staticmethod
    def backward(ctx, gradient):
        return gradient

    @staticmethod
    def vmap(info, in_dims, *tensors):
        return _over_leading(BoundLogVariance, in_dims, tensors)


def _plus(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    if first is None or second is None:
        return second if first is None else first
    return first + second


def _negative(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else -tensor


def _sum_to(gradient: Tensor | None, shape: torch.Size) -> Tensor | None:
    """Undo broadcasting: a gradient summed to the shape of the input it belongs to."""
    return gradient if gradient is None or gradient.shape == shape else gradient.sum_to_size(shape)


def _to_inputs(ctx, gradient: Tensor | None, by_target) -> tuple[Tensor | None, Tensor | None]:
    """Gradients for (params, target); the target's is only computed where somebody asks for it."""
    target = _sum_to(by_target(), ctx.shapes[1]) if ctx.needs_input_grad[1] else None
    return _sum_to(gradient, ctx.shapes[0]), target


def _over_leading(function: type[Function], in_dims: tuple, tensors: tuple) -> tuple[Any, Any]:
    """The `vmap` rule of such a function: outputs with the stack in dimension 0.

    Args:
        function: treats all leading dimensions as batch dimensions and broadcasts them.
        tensors: aligned from the first dimension on (equal numbers of dimensions).
    """
    pairs = zip(tensors, in_dims, strict=True)
    moved = [tensor.unsqueeze(0) if dim is None else tensor.movedim(dim, 0) for tensor, dim in pairs]
    outputs = function.apply(*moved)
    return outputs, (0,) * len(outputs) if isinstance(outputs, tuple) else 0
