"""Unbiased squared maximum mean discrepancy (Gretton et al. 2012, eq. 3) of two samples of equal size, in chunks.

MMD² = 1/(N(N-1)) Σ_{i≠j} h(i, j) with h(i, j) = k(xᵢ, xⱼ) + k(yᵢ, yⱼ) - k(xᵢ, yⱼ) - k(xⱼ, yᵢ).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_CHUNK_NUMBERS = 2**21
Kernel = Callable[[Tensor, Tensor], Tensor]


def inverse_multiquadratic(latent_dim: int) -> Kernel:
    """k(a, b) = C / (C + ‖a-b‖²), C = 2L (Tolstikhin et al., arXiv 1711.01558), of (m, L) and (n, L): (m, n).

    >>> inverse_multiquadratic(latent_dim=2)(torch.zeros(1, 2), torch.tensor([[2.0, 0.0]]))
    tensor([[0.5000]])
    """
    scale = 2.0 * latent_dim

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        squared = a.square().sum(1)[:, None] + b.square().sum(1) - 2 * a @ b.T
        return scale / (scale + squared.clamp_min(0))

    return kernel


def cubic_polynomial(a: Tensor, b: Tensor) -> Tensor:
    """k(a, b) = (a·b/f + 1)³ of KID (arXiv 1801.01401), of (m, f) and (n, f): (m, n).

    >>> cubic_polynomial(torch.ones(1, 2), torch.ones(1, 2))
    tensor([[8.]])
    """
    return (a @ b.T / a.shape[1] + 1) ** 3


def _sums(kernel: Kernel, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Row and column sums of k(a, b), (N, f) each, without its diagonal: two (N,) float64."""
    N = len(a)
    columns = torch.zeros(N, dtype=torch.float64, device=a.device)
    rows = torch.empty_like(columns)
    size = max(1, _CHUNK_NUMBERS // N)
    for start in range(0, N, size):
        table = kernel(a[start : start + size], b)
        own = torch.arange(len(table), device=a.device)
        table[own, own + start] = 0
        rows[start : start + size] = table.sum(1)
        columns += table.sum(0)
    return rows, columns


def own_sums(y: Tensor, kernel: Kernel) -> Tensor:
    """Σ_{j≠i} k(yᵢ, yⱼ) of y (N, f), (N,): what `mmd_squared` needs of the sample that others are compared with."""
    return _sums(kernel, y, y)[0]


def mmd_squared(x: Tensor, y: Tensor, kernel: Kernel, y_sums: Tensor | None = None) -> tuple[float, float]:
    """MMD² of x and y, both (N, f) with N ≥ 2, and its standard error: 2 sd(row means of h)/√N.

    >>> x = torch.tensor([[0.0], [1.0], [3.0]])
    >>> round(mmd_squared(x, x + 1, cubic_polynomial)[0], 6) > 0
    True
    """
    N = len(x)
    xx, (xy, yx) = own_sums(x, kernel), _sums(kernel, x, y)
    yy = own_sums(y, kernel) if y_sums is None else y_sums
    means = (xx + yy - xy - yx) / (N - 1)
    return float(means.mean()), 2 * float(means.std()) / N**0.5
