"""Optimisers and learning-rate schedules. All are elementwise, so that stacked seeds cannot influence each other."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from bench.contracts.variant import number_in
from bench.errors import UsageError, unknown_name

SCHEDULES = ("constant", "cosine")

#: Parameters with defaults and lower bounds (open for lr).
OPTIMIZERS: dict[str, dict[str, float]] = {
    "adam": {"lr": 1e-3, "weight_decay": 0.0, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8},
    "adamw": {"lr": 1e-3, "weight_decay": 1e-2, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8},
    "sgd": {"lr": 1e-2, "weight_decay": 0.0, "momentum": 0.0},
    "rmsprop": {"lr": 1e-3, "weight_decay": 0.0, "momentum": 0.0},
}


def checked_optimizer(name: str, params: dict[str, Any]) -> dict[str, float]:
    """All parameters of optimiser `name`, defaults filled in; `UsageError` for unknown names or values out of range."""
    if name not in OPTIMIZERS:
        raise unknown_name("optimizer", name, OPTIMIZERS)
    for key in params:
        if key not in OPTIMIZERS[name]:
            raise unknown_name(f"parameter of {name}", key, OPTIMIZERS[name])
    settings = {**OPTIMIZERS[name], **params}
    for key, value in settings.items():
        high = 1.0 if key in ("beta1", "beta2", "momentum") else math.inf
        number_in(f"{name} {key}", value, 0.0, high, open_low=key in ("lr", "eps"))
    return settings


def make_optimizer(name: str, params: dict[str, Any], tensors: Iterable[Tensor]) -> torch.optim.Optimizer:
    """A fused (where torch has one) optimiser over `tensors`."""
    settings = checked_optimizer(name, params)
    tensors = list(tensors)
    lr, weight_decay = settings["lr"], settings["weight_decay"]
    if name in ("adam", "adamw"):
        kind = torch.optim.Adam if name == "adam" else torch.optim.AdamW
        betas = (settings["beta1"], settings["beta2"])
        return kind(tensors, lr=lr, betas=betas, eps=settings["eps"], weight_decay=weight_decay, fused=True)
    if name == "sgd":
        return torch.optim.SGD(tensors, lr=lr, momentum=settings["momentum"], weight_decay=weight_decay, fused=True)
    return torch.optim.RMSprop(tensors, lr=lr, momentum=settings["momentum"], weight_decay=weight_decay, foreach=True)


def rate(schedule: str, step: int, steps: int) -> float:
    """The learning rate of `step` (0-based) of `steps`, relative to its start: constant, or half a cosine down to 0."""
    if schedule == "constant":
        return 1.0
    if schedule == "cosine":
        return 0.5 * (1.0 + math.cos(math.pi * step / steps))
    raise UsageError(f"unknown schedule {schedule!r}; known: {', '.join(SCHEDULES)}")
