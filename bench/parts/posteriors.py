"""Densities of codes: diagonal normals, their mixtures, and two levels of them, in nats."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from bench.losses import sample_normal

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


def normal_log_density(z: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """ln N(z; μ, e^v) per element; shapes broadcast."""
    return -0.5 * ((z - mean).square() * (-log_variance).exp() + log_variance) - _HALF_LOG_2PI


def standard_log_density(z: Tensor) -> Tensor:
    """ln N(z; 0, 1) per element."""
    return -0.5 * z.square() - _HALF_LOG_2PI


def mixture_log_density(z: Tensor, mean: Tensor, log_variance: Tensor, log_weights: Tensor) -> Tensor:
    """ln Σ_k w_k N(z; μ_k, diag e^{v_k}): z (..., L), μ and v (K, L), ln w (K,) or (..., K) → (...)."""
    per_component = normal_log_density(z.unsqueeze(-2), mean, log_variance).sum(-1)  # (..., K)
    return (per_component + log_weights).logsumexp(-1)


class TwoLevelNormal(Distribution):
    """p(z) = N(z₂; 0, I) N(z₁; m(z₂), diag s²(z₂)) for codes z = [z₂, z₁], event (L,).

    Args:
        upper: the dimension of z₂.
        width: L.
        below: z₂ (..., upper) → m and ln s², each (..., L - upper).
        like: a tensor of the type and device of draws.
    """

    arg_constraints: dict[str, Any] = {}  # noqa: RUF012

    def __init__(self, upper: int, width: int, below: Callable[[Tensor], tuple[Tensor, Tensor]], like: Tensor) -> None:
        self._upper, self._below, self._like = upper, below, like.detach().new_zeros(())
        super().__init__(torch.Size(), torch.Size((width,)), validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """ln p(z), (..., L) → (...)."""
        upper, lower = value[..., : self._upper], value[..., self._upper :]
        mean, log_variance = self._below(upper)
        return standard_log_density(upper).sum(-1) + normal_log_density(lower, mean, log_variance).sum(-1)

    def sample(self, sample_shape=()) -> Tensor:
        """Draws (*sample_shape, L), from torch's global generator."""
        shape = (*sample_shape, *self.event_shape)
        noise = torch.randn(shape, dtype=self._like.dtype, device=self._like.device)
        upper = noise[..., : self._upper]
        with torch.no_grad():
            mean, log_variance = self._below(upper)
            return torch.cat([upper, sample_normal(mean, log_variance, noise[..., self._upper :])], -1)
