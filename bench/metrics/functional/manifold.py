"""Precision, recall, density and coverage from k-nearest-neighbour balls (Naeem et al., arXiv 2002.09797).

A ball B(x) reaches to the k-th nearest other point of x's own sample and is open. With real x₁…x_N and fake y₁…y_M:
precision = P[y in some B(x)], recall = P[x in some B(y)], density = Σⱼ Σᵢ 1[yⱼ in B(xᵢ)] / (kM),
coverage = P[B(x) holds some y].
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from bench.evaluate.neighbours import Reference, distance_chunks, radii


@dataclass(frozen=True)
class ManifoldScores:
    """The four scores; `coverage` and `recall` are to be read together.

    `density_error` is the standard error of the density over the fakes, given the real sample.
    """

    precision: float
    recall: float
    density: float
    coverage: float
    density_error: float


def manifold_scores(
    real: Tensor | Reference, fake: Tensor, k: int = 5, real_radii: Tensor | None = None
) -> ManifoldScores:
    """Scores of fake (M, f) against real (N, f), both with more than k rows; `real_radii` (N,) if known already.

    A fake that is not finite lies in no ball and holds nothing.
    """
    real = real if isinstance(real, Reference) else Reference(real)
    reach_real = (radii(real.rows, k) if real_radii is None else real_radii).square()  # (N,)
    M = len(fake)
    if not math.isfinite(float(fake.sum())):
        fake = fake[torch.isfinite(fake).all(1)]
    reach_fake = radii(fake, k).square() if len(fake) > k else fake.new_zeros(len(fake))  # (M,)
    covered = torch.zeros(len(real), dtype=torch.bool, device=fake.device)
    recalled = torch.zeros_like(covered)
    precise, dense, dense_squared = 0, 0, 0
    for rows, squared in distance_chunks(fake, real):
        # A column's minimum tells whether any row is inside, in a tenth of the time of a reduction of booleans.
        covered |= squared.amin(0) < reach_real
        counts = (squared < reach_real).sum(1)
        recalled |= squared.sub_(reach_fake[rows, None]).amin(0) < 0
        precise += int((counts > 0).sum())
        dense += int(counts.sum())
        dense_squared += int(counts.square().sum())
    spread = max(dense_squared / M - (dense / M) ** 2, 0.0) ** 0.5
    recall, coverage = (float(hits.double().mean()) for hits in (recalled, covered))
    return ManifoldScores(precise / M, recall, dense / (k * M), coverage, spread / (k * M**0.5))
