"""Counts what noise cannot move: operators that reach the dispatcher, and bytes of new storage they return."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Dispatched(TorchDispatchMode):
    """While active: `operators` (name → calls), `allocated` (bytes of new storages), `largest` (bytes of one)."""

    def __init__(self) -> None:
        super().__init__()
        self.operators: Counter[str] = Counter()
        self.allocated = 0
        self.largest = 0

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        output = operator(*args, **(kwargs or {}))
        name = str(operator)
        if name.startswith("aten."):
            self.operators[name] += 1
        given = {storage.data_ptr() for storage in _storages((args, kwargs))}
        for storage in _storages(output):
            if storage.data_ptr() not in given:
                self.allocated += storage.nbytes()
                self.largest = max(self.largest, storage.nbytes())
        return output

    @property
    def total(self) -> int:
        return sum(self.operators.values())


def dispatched(function: Callable[[], object]) -> Dispatched:
    """The counts of one call."""
    with Dispatched() as counts:
        function()
    return counts


def recurring(step: Callable[[], object]) -> Dispatched:
    """The counts of a step that draws no new block of noise and no new order: the least of three in a row."""
    return min((dispatched(step) for _ in range(3)), key=lambda counts: counts.total)


def _storages(tree):
    return [leaf.untyped_storage() for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]
