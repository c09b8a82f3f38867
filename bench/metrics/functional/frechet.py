"""Fréchet distance between normal fits of two samples: ‖m₁-m₂‖² + tr(S₁ + S₂ - 2 (S₁^½ S₂ S₁^½)^½)."""

from __future__ import annotations

import torch
from torch import Tensor


def frechet_distance(x: Tensor, y: Tensor) -> float:
    """Distance of N(mean x, cov x) and N(mean y, cov y) from samples (N, f) and (M, f), N, M ≥ 2.

    >>> x = torch.tensor([[0.0], [2.0]])
    >>> round(frechet_distance(x, x + 3), 6)  # the same spread, means 3 apart
    9.0
    """
    x, y = x.double(), y.double()
    first, second = (sample.T.cov().reshape(x.shape[1], -1) for sample in (x, y))  # one feature gives a number
    values, vectors = torch.linalg.eigh(first)
    root = vectors * values.clamp_min(0).sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(root @ second @ root).clamp_min(0).sqrt().sum()
    distance = (x.mean(0) - y.mean(0)).square().sum() + first.trace() + second.trace() - 2 * cross
    return max(float(distance), 0.0)
