"""A fully connected layer that stacked seeds run as one batched matrix product, bias included.

y = x Wᵀ + b. Under `torch.vmap` the stock layer becomes a product and a separate sum, and its weight gradient comes out
transposed, so that the optimiser has to copy it; here both passes are single batched products in the weights' layout.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class _StackedLinear(torch.autograd.Function):
    """x (K, B, I), weight (K, O, I), bias (K, O) → (K, B, O)."""

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return torch.baddbmm(bias.unsqueeze(1), x, weight.transpose(1, 2))

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        x, weight, _ = inputs
        ctx.save_for_backward(x, weight)

    @staticmethod
    def backward(ctx, gradient: Tensor):
        x, weight = ctx.saved_tensors
        of_x = torch.bmm(gradient, weight) if ctx.needs_input_grad[0] else None
        of_weight = torch.bmm(gradient.transpose(1, 2), x) if ctx.needs_input_grad[1] else None
        of_bias = gradient.sum(1) if ctx.needs_input_grad[2] else None
        return of_x, of_weight, of_bias


class _Linear(torch.autograd.Function):
    """x (B, I), weight (O, I), bias (O) → (B, O); vectorised over all three at once it is `_StackedLinear`."""

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return torch.addmm(bias, x, weight.t())

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        x, weight, _ = inputs
        ctx.save_for_backward(x, weight)

    @staticmethod
    def backward(ctx, gradient: Tensor):
        x, weight = ctx.saved_tensors
        of_x = gradient.mm(weight) if ctx.needs_input_grad[0] else None
        of_weight = gradient.t().mm(x) if ctx.needs_input_grad[1] else None
        of_bias = gradient.sum(0) if ctx.needs_input_grad[2] else None
        return of_x, of_weight, of_bias

    @staticmethod
    def vmap(info, in_dims, x: Tensor, weight: Tensor, bias: Tensor):
        def front(value: Tensor, dim: int | None) -> Tensor:
            return value.expand(info.batch_size, *value.shape) if dim is None else value.movedim(dim, 0)

        x, weight, bias = (front(*pair) for pair in zip((x, weight, bias), in_dims, strict=True))
        return _StackedLinear.apply(x, weight, bias), 0


class Linear(nn.Linear):
    """`torch.nn.Linear` (same parameters, same initial values) for inputs (..., I), fast when seeds are stacked."""

    def forward(self, x: Tensor) -> Tensor:
        weight: Tensor
        bias: Tensor
        weight, bias = self.weight, self.bias
        kind = x.device.type
        # Autocast itself would cast inside the forward pass and leave the backward pass alone.
        if torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind):
            x, weight, bias = (value.to(torch.get_autocast_dtype(kind)) for value in (x, weight, bias))
        if x.dim() == 2:  # not a view, so that an activation in place costs no copies
            return _Linear.apply(x, weight, bias)
        y = _Linear.apply(x.reshape(-1, x.shape[-1]), weight, bias)
        return y.reshape(*x.shape[:-1], self.out_features)
