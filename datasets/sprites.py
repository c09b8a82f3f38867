"""Sprites with five independent ground-truth factors: shape, scale, orientation and position.

After dSprites (L. Matthey, I. Higgins, D. Hassabis and A. Lerchner, 2017), but drawn here: smaller, with smooth edges,
and with orientations over a quarter turn only, so that every image determines its factors (a square looks the same
after a quarter turn).
"""

from __future__ import annotations

import math

import numpy as np

from bench.contracts.checks import whole_number
from bench.contracts.dataset import Split
from bench.data.splitting import partition
from bench.errors import UsageError

SHAPES = ("square", "ellipse", "heart")
FACTORS = ("shape", "scale", "orientation", "x", "y")
#: Half the width of a sprite of scale 1, relative to the image.
HALF = 0.17
#: Sub-pixels along each side of a pixel.
FINE = 3
BLOCK = 64


def load(
    n: int = 6000,
    size: int = 32,
    scales: int = 4,
    orientations: int = 8,
    positions: int = 16,
    seed: int = 0,
    validation: float = 0.16,
    test: float = 0.2,
) -> Split:
    """Images (N, 1, size, size) in [0, 1] of one white sprite; labels are the three shapes.

    The factors are those of `n` different combinations out of 3 × scales × orientations × positions², drawn by `seed`:
    shape 0, 1 or 2, scale in [0.5, 1], orientation in radians in [0, π/2), x and y in [0, 1] (y counts downwards).
    `Split.truth["factor_sizes"]` holds the number of values of each.

    Args:
        n: number of images in all.
        size: height and width.
        scales, orientations: number of values of these factors.
        positions: number of values of x and of y.
        seed: seed of the combinations and of the division.
        validation, test: fraction of the images or number of images.
    """
    whole_number("size", size, 16)
    sizes = (
        len(SHAPES),
        whole_number("scales", scales, 1),
        whole_number("orientations", orientations, 1),
        *[whole_number("positions", positions, 1)] * 2,
    )
    combinations = len(SHAPES) * scales * orientations * positions**2
    if whole_number("n", n, 3) > combinations:
        raise UsageError(f"n={n} is more than the {combinations} combinations of factors; lower n or raise positions")
    rows = partition(n, validation=validation, test=test, split_seed=whole_number("seed", seed, 0))
    chosen = np.random.default_rng(seed).choice(combinations, n, replace=False)
    factors = factor_table(np.stack(np.unravel_index(chosen, sizes), 1), sizes)
    images = draw_sprites(factors, size)
    labels = factors[:, 0].astype(np.int64)
    return Split(
        *(images[part] for part in rows),
        *(labels[part] for part in rows),
        SHAPES,
        *(factors[part] for part in rows),
        factor_names=FACTORS,
        nominal_factors=("shape",),
        likelihoods=("squared", "bernoulli", "gaussian"),
        truth={"factor_sizes": sizes, "intrinsic_dimension": 4},
        description=f"{n} sprites of {size}×{size} pixels out of {combinations} combinations of five factors",
    )


def factor_table(indices: np.ndarray, sizes: tuple[int, ...]) -> np.ndarray:
    """Values (N, 5), float32, of the factors whose grid indices are `indices` (N, 5)."""
    steps = np.maximum(np.array(sizes) - 1, 1)
    table = indices / steps  # evenly spaced in [0, 1]
    table[:, 0] = indices[:, 0]
    table[:, 1] = 1 - 0.5 * table[:, 1]
    table[:, 2] = indices[:, 2] * (np.pi / 2 / sizes[2])
    return table.astype(np.float32)


def draw_sprites(factors: np.ndarray, size: int) -> np.ndarray:
    """Factor values (N, 5) → images (N, 1, size, size), float32: the share of each pixel that the sprite covers."""
    fine = ((np.arange(size * FINE) + 0.5) / (size * FINE)).astype(np.float32)
    margin = HALF * math.sqrt(2)  # a turned square stays inside
    images = np.empty((len(factors), 1, size, size), dtype=np.float32)
    for start in range(0, len(factors), BLOCK):
        shape, scale, turn, x, y = (column[:, None, None] for column in factors[start : start + BLOCK].T)
        right = (fine - (margin + (1 - 2 * margin) * x)) / (HALF * scale)
        down = (fine[:, None] - (margin + (1 - 2 * margin) * y)) / (HALF * scale)
        u = right * np.cos(turn) - down * np.sin(turn)
        v = -(right * np.sin(turn) + down * np.cos(turn))  # upwards
        inside = np.empty(u.shape, dtype=np.float32)
        for code, covers in enumerate((_square, _ellipse, _heart)):
            drawn = shape[:, 0, 0] == code
            inside[drawn] = covers(u[drawn], v[drawn])
        images[start : start + BLOCK, 0] = _coarse(inside, size)
    return images


def _coarse(inside: np.ndarray, size: int) -> np.ndarray:
    """Means over the sub-pixels of each pixel: (N, size·FINE, size·FINE) → (N, size, size)."""
    lines = sum(inside[:, step::FINE] for step in range(FINE))
    return sum(lines[:, :, step::FINE] for step in range(FINE)) / FINE**2


def _square(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.maximum(np.abs(u), np.abs(v)) <= 1


def _ellipse(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return u * u + v * v / 0.36 <= 1


def _heart(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    u, v = 1.15 * u, 1.15 * v  # the curve reaches 1.14 sideways
    across, up = u * u, v * v
    beyond = across + up - 1
    return beyond * beyond * beyond <= across * up * v
