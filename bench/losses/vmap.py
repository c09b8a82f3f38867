"""Autograd functions over stacks of seeds: one call on the whole stack, whatever `torch.vmap` wraps around it.

A function that treats every leading dimension as a batch needs no batching rule beyond "move the stack in front".
`apply` does that directly on the stacked tensors when the only transform at work is one `torch.vmap`
(`bench.torch_private`): functorch's own route through Python costs about 0.2 ms per call, more than the arithmetic of a
small stack, and is taken where this torch has no other.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from bench import torch_private


def apply(function: type[torch.autograd.Function], *tensors: Tensor) -> Any:
    """`function.apply(*tensors)`, directly on the stacked tensors under a single `torch.vmap`.

    Args:
        function: treats all leading dimensions as batch dimensions and broadcasts them.
        tensors: aligned from the first dimension on (equal numbers of dimensions).
    """
    direct = torch_private.found("direct vmap")
    return function.apply(*tensors) if direct is None else direct(function, tensors)


def over_leading(function: type[torch.autograd.Function], in_dims: tuple, tensors: tuple) -> tuple[Any, Any]:
    """The `vmap` rule of such a function: outputs with the stack in dimension 0."""
    pairs = zip(tensors, in_dims, strict=True)
    moved = [tensor.unsqueeze(0) if dim is None else tensor.movedim(dim, 0) for tensor, dim in pairs]
    outputs = function.apply(*moved)
    return outputs, (0,) * len(outputs) if isinstance(outputs, tuple) else 0
