"""Per-example costs of reconstructions: calibrated Gaussian, Bernoulli excess, continuous Bernoulli."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def calibrated_gaussian_nll(squared_error: float, variance: float, d: int) -> float:
    """d/2 ln(2π s²) + D/(2 s²) in nats, D the squared error summed over d dimensions (Rybkin, arXiv 2006.13202).

    >>> round(calibrated_gaussian_nll(squared_error=0.0, variance=1.0, d=2), 4)  # ln 2π
    1.8379
    """
    return d / 2 * math.log(2 * math.pi * variance) + squared_error / (2 * variance)


def entropy_floor(x: Tensor) -> Tensor:
    """H(x), what Bernoulli cost cannot fall below on grey pixels x in [0, 1], summed over dimensions: (N, d) → (N,).

    >>> entropy_floor(torch.tensor([[0.5, 1.0]]))
    tensor([0.6931])
    """
    return -(torch.special.xlogy(x, x) + torch.special.xlogy(1 - x, 1 - x)).sum(-1)


def bernoulli_cost(logits: Tensor, x: Tensor) -> Tensor:
    """-Σ x ln p + (1-x) ln(1-p), p = sigmoid(logits): two (N, d) → (N,).

    >>> bernoulli_cost(torch.zeros(1, 2), torch.tensor([[0.0, 1.0]]))  # 2 ln 2
    tensor([1.3863])
    """
    return F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1)


def continuous_bernoulli_log_constant(logits: Tensor) -> Tensor:
    """ln C(p) with C(p) = 2 artanh(1-2p) / (1-2p) and C(½) = 2 (arXiv 1907.06845), any shape.

    With l = logit(p): artanh(1-2p) = -l/2 and 1-2p = -tanh(l/2), so that C = l / tanh(l/2).

    >>> continuous_bernoulli_log_constant(torch.zeros(1))  # ln 2
    tensor([0.6931])
    """
    half = logits.double().abs().clamp_min(1e-12) / 2
    near = half < 1e-3  # series of ln(h / tanh h): h²/3
    value = torch.where(near, half.square() / 3, torch.log(half / torch.tanh(half).clamp_min(1e-300)))
    return (value + math.log(2)).to(logits.dtype)
