"""Densities of codes: diagonal normals and their mixtures, in nats."""

from __future__ import annotations

import math

from torch import Tensor

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
