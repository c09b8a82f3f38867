"""Autograd functions over stacks of seeds: one call on the whole stack, whatever `torch.vmap` wraps around it.

A function that treats every leading dimension as a batch needs no batching rule beyond "move the stack in front".
`apply` does that directly on the stacked tensors when the only transform at work is one `torch.vmap`: functorch's own
route through Python costs about 0.2 ms per call, more than the arithmetic of a small stack.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

try:
    from torch._C import _functorch
    from torch._functorch.pyfunctorch import temporarily_pop_interpreter_stack
except ImportError:  # a torch that moved its internals: the public route below stays
    _functorch = None


def apply(function: type[torch.autograd.Function], *tensors: Tensor) -> Any:
    """`function.apply(*tensors)`, directly on the stacked tensors under a single `torch.vmap`.

    Args:
        function: treats all leading dimensions as batch dimensions and broadcasts them.
        tensors: aligned from the first dimension on (equal numbers of dimensions).
    """
    if _functorch is None or not torch._C._are_functorch_transforms_active():
        return function.apply(*tensors)
    interpreter = _functorch.peek_interpreter_stack()
    if interpreter.key() != _functorch.TransformType.Vmap or interpreter.level() != 1:
        return function.apply(*tensors)
    stacked = [_in_front(tensor) for tensor in tensors]
    with temporarily_pop_interpreter_stack():
        outputs = function.apply(*stacked)
    if isinstance(outputs, tuple):
        return tuple(_functorch._add_batch_dim(output, 0, 1) for output in outputs)
    return _functorch._add_batch_dim(outputs, 0, 1)


def over_leading(function: type[torch.autograd.Function], in_dims: tuple, tensors: tuple) -> tuple[Any, Any]:
    """The `vmap` rule of such a function: outputs with the stack in dimension 0."""
    pairs = zip(tensors, in_dims, strict=True)
    moved = [tensor.unsqueeze(0) if dim is None else tensor.movedim(dim, 0) for tensor, dim in pairs]
    outputs = function.apply(*moved)
    return outputs, (0,) * len(outputs) if isinstance(outputs, tuple) else 0


def _in_front(tensor: Tensor) -> Tensor:
    """The plain tensor behind a batched one, its stack in dimension 0; other tensors gain a dimension of size 1."""
    if not _functorch.is_batchedtensor(tensor):
        return tensor.unsqueeze(0)
    plain = _functorch.get_unwrapped(tensor)
    dim = _functorch.maybe_get_bdim(tensor)
    return plain.movedim(dim, 0) if dim else plain
