"""Optimisers and learning-rate schedules. All are elementwise, so that stacked seeds cannot influence each other.

Names, parameters and their ranges are checked by `bench.settings` before anything is trained.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

_KINDS = {
    "adam": (torch.optim.Adam, {"fused": True}),
    "adamw": (torch.optim.AdamW, {"fused": True}),
    "sgd": (torch.optim.SGD, {"fused": True}),
    "rmsprop": (torch.optim.RMSprop, {"foreach": True}),
}


def make_optimizer(name: str, params: dict[str, Any], tensors: Iterable[Tensor]) -> torch.optim.Optimizer:
    """Optimiser `name` ("adam", "adamw", "sgd", "rmsprop") over `tensors`, fused where torch has that."""
    kind, options = _KINDS[name]
    return kind(list(tensors), **params, **options)


def rate(schedule: str, step: int, steps: int) -> float:
    """The learning rate of `step` (0-based) of `steps`, relative to its start: constant, or half a cosine down to 0."""
    return 1.0 if schedule == "constant" else 0.5 * (1.0 + math.cos(math.pi * step / steps))
