"""Optimisers and learning-rate schedules. All are elementwise, so that stacked seeds cannot influence each other.

Names, parameters and their ranges are checked by `bench.settings` before anything is trained.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
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


def rate(schedule: str, params: Mapping[str, Any], step: int, steps: int) -> float:
    """The learning rate of `step` (0-based) of `steps`, relative to its start.

    "constant"; "cosine", half a cosine down to 0; "stages", whose i-th stage (from 0) takes the share
    lengths[i] / Σ lengths of the steps, at factor to the power i.
    """
    if schedule == "constant":
        return 1.0
    if schedule == "cosine":
        return 0.5 * (1.0 + math.cos(math.pi * step / steps))
    ends = list(itertools.accumulate(params["lengths"]))
    stage = sum(step * ends[-1] >= end * steps for end in ends[:-1])
    return params["factor"] ** stage
