"""Exact neighbour searches in chunks: memory stays bounded whatever the number of rows.

Squared distances come from ‖a‖² + ‖b‖² - 2ab around the reference's mean; what is returned is recomputed from
differences, so that small distances keep their digits.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

#: Most numbers in one chunk's distance matrix: 8 MB of float32, which caches hold (tried: 64 MB take twice as long).
CHUNK_NUMBERS = 2**21


class Reference:
    """Rows (N, f) that queries are compared with, prepared for many of them."""

    def __init__(self, rows: Tensor) -> None:
        self.rows = rows
        self.centre = rows.mean(0)
        self.targets = (rows - self.centre).T.contiguous()  # (f, N)
        self.norms = self.targets.square().sum(0)

    def __len__(self) -> int:
        return len(self.rows)


def distance_chunks(queries: Tensor, reference: Tensor | Reference) -> Iterator[tuple[slice, Tensor]]:
    """Squared Euclidean distances of queries (M, f) to reference (N, f), as (rows, (m, N)) with m·N bounded."""
    to = reference if isinstance(reference, Reference) else Reference(reference)
    size = max(1, CHUNK_NUMBERS // max(len(to), 1))
    for start in range(0, len(queries), size):
        rows = slice(start, min(start + size, len(queries)))
        block = queries[rows] - to.centre
        distances = torch.addmm(to.norms, block, to.targets, alpha=-2.0)
        yield rows, distances.add_(block.square().sum(1, keepdim=True)).clamp_min_(0)


def nearest(
    queries: Tensor, reference: Tensor, k: int = 1, exclude: Tensor | None = None, exact: bool = True
) -> tuple[Tensor, Tensor]:
    """The k nearest reference rows of each query: distances (M, k), ascending, and indices (M, k).

    Args:
        queries: (M, f).
        reference: (N, f), N ≥ k plus the number of excluded rows.
        exclude: (M, E) reference rows that do not count, by query.
        exact: recompute the returned distances from differences.
    """
    distances = queries.new_empty(len(queries), k)
    indices = torch.empty(len(queries), k, dtype=torch.long, device=queries.device)
    for rows, squared in distance_chunks(queries, reference):
        if exclude is not None:
            squared.scatter_(1, exclude[rows], torch.inf)
        if k == 1:
            values, found = squared.min(1, keepdim=True)
        else:
            values, found = squared.topk(k, 1, largest=False)
        if exact:
            found, values = _exact(queries[rows], reference, found)
        distances[rows], indices[rows] = values.sqrt(), found
    return distances, indices


def _exact(queries: Tensor, reference: Tensor, found: Tensor) -> tuple[Tensor, Tensor]:
    values = torch.stack([(reference[column] - queries).square().sum(1) for column in found.T], 1)
    if found.shape[1] == 1:
        return found, values
    values, order = values.sort(1)
    return found.gather(1, order), values


def neighbours_within(points: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k nearest other points of each point, itself excluded: distances (N, k) and indices (N, k)."""
    return nearest(points, points, k, exclude=_own(points))


def radii(points: Tensor, k: int) -> Tensor:
    """Distance of each point to its k-th nearest other point, (N,)."""
    return nearest(points, points, k, exclude=_own(points), exact=False)[0][:, -1]


def _own(points: Tensor) -> Tensor:
    return torch.arange(len(points), device=points.device)[:, None]
