"""Neighbour ranks, and trustworthiness from them (Venna and Kaski 2001)."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.evaluate.neighbours import distance_chunks


def neighbour_ranks(points: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """r(i, j), the rank of j among the neighbours of i, from 1 for the nearest; 0 on the diagonal: (N, N) int32.

    With a `generator`, points that coincide are ranked in random order, a new one for every i.

    >>> neighbour_ranks(torch.tensor([[0.0], [1.0], [3.0]]))
    tensor([[0, 1, 2],
            [1, 0, 2],
            [2, 1, 0]], dtype=torch.int32)
    """
    N = len(points)
    ranks = torch.empty(N, N, dtype=torch.int32, device=points.device)
    order = torch.arange(N, dtype=torch.int32, device=points.device)
    for rows, squared in distance_chunks(points, points):
        own = torch.arange(rows.start, rows.stop, device=points.device)[:, None]
        squared.scatter_(1, own, -1.0)
        index = squared.argsort(dim=1, stable=True) if generator is None else _shuffled_argsort(squared, generator)
        ranks[rows] = torch.empty_like(ranks[rows]).scatter_(1, index, order.expand(len(own), N))
    return ranks


def coincide(points: Tensor) -> bool:
    """Whether some of points (N, f) are the same."""
    return len(torch.unique(points, dim=0)) < len(points)


def _shuffled_argsort(values: Tensor, generator: torch.Generator) -> Tensor:
    """The order of each row of values (m, N), ascending, equal ones in random order."""
    shuffle = torch.rand(values.shape, generator=generator).to(values.device).argsort(dim=1)
    return shuffle.gather(1, values.gather(1, shuffle).argsort(dim=1, stable=True))


def trustworthiness(original: Tensor, embedded: Tensor, k: int) -> float:
    """1 - 2/(N k (2N-3k-1)) Σ max(0, original rank - k) over the k nearest neighbours by embedded rank; two (N, N).

    >>> ranks = neighbour_ranks(torch.arange(6.0)[:, None])
    >>> trustworthiness(ranks, ranks, k=2)
    1.0
    """
    N = len(original)
    near = (embedded >= 1) & (embedded <= k)
    penalty = ((original - k).clamp_min(0) * near).sum(dtype=torch.float64)
    return 1 - 2 * float(penalty) / (N * k * (2 * N - 3 * k - 1))
