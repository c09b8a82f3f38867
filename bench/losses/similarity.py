"""Multi-scale structural similarity of pictures (Wang, Simoncelli and Bovik 2003; as a cost: Snell et al. 2017).

At each scale the local means μ, variances and covariance of two pictures under an 11 × 11 Gaussian window (σ = 1.5)
give contrast and structure cs = (2 σ_xy + C₂) / (σ_x² + σ_y² + C₂) and luminance
l = (2 μ_x μ_y + C₁) / (μ_x² + μ_y² + C₁); then both pictures are halved. With M scales and m(s) = (s + 1) / 2

    MS-SSIM = m(mean of l·cs at scale M)^β_M · Π_{j<M} m(mean of cs at scale j)^β_j,

in [0, 1]. Without m, a power of the plain means has no gradient where a first reconstruction is anticorrelated with its
picture. C₁ = .01², C₂ = .03²; windows lie inside the picture.

Scales: the five of the paper where the picture has room for the window at all of them, 11 · 2^(M-1) pixels a side; else
as many as fit, with their exponents β scaled to sum to 1. Below 11 pixels a side there is none.
"""

from __future__ import annotations

import torch
from torch import Tensor

WINDOW, SIGMA = 11, 1.5
C1, C2 = 0.01**2, 0.03**2
#: β of the paper, from the finest scale on; they sum to 1.
EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def n_scales(height: int, width: int) -> int:
    """How many scales a picture has room for: 0 to 5."""
    side = min(height, width)
    return sum(side >= WINDOW * 2**scale for scale in range(len(EXPONENTS)))


def ms_ssim(x: Tensor, y: Tensor) -> Tensor:
    """MS-SSIM of pictures in [0, 1]: two (..., C, H, W) of at least 11 × 11 pixels, which broadcast → (...)."""
    scales = n_scales(x.shape[-2], x.shape[-1])
    total = sum(EXPONENTS[:scales])
    product = x.new_ones(())
    for scale in range(scales):
        luminance, structure = _similarities(x, y)
        found = luminance * structure if scale == scales - 1 else structure
        product = product * ((found.mean((-3, -2, -1)) + 1) / 2) ** (EXPONENTS[scale] / total)
        x, y = _halved(x), _halved(y)
    return product


def _similarities(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """l and cs at each place of the window, (..., C, H - 10, W - 10)."""
    rows, columns = _window(x.shape[-2], x), _window(x.shape[-1], x)

    def local(values: Tensor) -> Tensor:
        return rows @ values @ columns.T

    mean_x, mean_y = local(x), local(y)
    spread = local(x * x) - mean_x * mean_x + local(y * y) - mean_y * mean_y
    together = local(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + C1) / (mean_x * mean_x + mean_y * mean_y + C1)
    return luminance, (2 * together + C2) / (spread + C2)


def _window(n: int, like: Tensor) -> Tensor:
    """The Gaussian window at each of its places along a side of n pixels, (n - 10, n); rows sum to 1."""
    place = torch.arange(n, device=like.device, dtype=like.dtype)
    offset = place - place[: n - WINDOW + 1, None] - WINDOW // 2
    weights = (-0.5 * (offset / SIGMA).square()).exp() * (offset.abs() <= WINDOW // 2)
    return weights / weights.sum(-1, keepdim=True)


def _halved(x: Tensor) -> Tensor:
    """Means over 2 × 2 pixels; an odd last row or column is left out."""
    height, width = x.shape[-2] // 2, x.shape[-1] // 2
    return x[..., : 2 * height, : 2 * width].unflatten(-1, (width, 2)).unflatten(-3, (height, 2)).mean((-3, -1))
