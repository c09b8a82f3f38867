"""Images of a line from the centre outwards at a random angle: interpolation with a known right answer.

Source: D. Berthelot, C. Raffel, A. Roy and I. Goodfellow, Understanding and improving interpolation in autoencoders via
an adversarial regularizer, arXiv 1807.07543, section 4.1 (there 32×32, lines of half the image's width).
"""

from __future__ import annotations

import numpy as np

from bench.contracts.checks import number_in, whole_number
from bench.contracts.dataset import Split
from bench.data.splitting import partition

SECTORS = 10
#: Angles at which noise-free lines are drawn as the true manifold.
TRUE_ANGLES = 4000
BLOCK = 512


def load(
    n: int = 5000, size: int = 32, width: float = 2.0, seed: int = 0, validation: float = 0.16, test: float = 0.2
) -> Split:
    """Images (N, 1, size, size) in [0, 1], black with a white line of length size/2 - 1 that starts in the centre.

    The factor "angle" in [0, 2π), counted against the clock from the right, is drawn evenly; labels are ten equal
    sectors, as in the paper. Edges are smoothed over one pixel, so that images change continuously with the angle.
    `Split.manifold` holds noise-free lines at 4,000 even angles.

    Args:
        n: number of images in all.
        size: height and width.
        width: the line's width in pixels.
        seed: seed of angles and division.
        validation, test: fraction of the images or number of images.
    """
    whole_number("n", n, 3)
    whole_number("size", size, 8)
    number_in("width", width, 0.5, size / 2)
    rows = partition(n, validation=validation, test=test, split_seed=whole_number("seed", seed, 0))
    angle = np.random.default_rng(seed).uniform(0.0, 2 * np.pi, n)
    labels = (angle * (SECTORS / (2 * np.pi))).astype(np.int64) % SECTORS
    images = draw_lines(angle, size, width)
    factors = angle[:, None].astype(np.float32)
    true_angles = np.linspace(0, 2 * np.pi, TRUE_ANGLES, endpoint=False)
    return Split(
        *(images[part] for part in rows),
        *(labels[part] for part in rows),
        tuple(f"{360 * sector // SECTORS}°" for sector in range(SECTORS)),
        *(factors[part] for part in rows),
        factor_names=("angle",),
        likelihoods=("squared", "bernoulli", "gaussian"),
        truth={"intrinsic_dimension": 1},
        manifold=draw_lines(true_angles, size, width),
        description=f"{n} images of {size}×{size} pixels of a line at a random angle",
    )


def draw_lines(angle: np.ndarray, size: int, width: float) -> np.ndarray:
    """Lines at angles (N,) in radians → images (N, 1, size, size), float32: 1 within the line, 0 outside."""
    place = np.arange(size, dtype=np.float32) + 0.5 - size / 2
    images = np.empty((len(angle), 1, size, size), dtype=np.float32)
    for start in range(0, len(angle), BLOCK):
        cos, sin = (f(angle[start : start + BLOCK])[:, None, None].astype(np.float32) for f in (np.cos, np.sin))
        along = place * cos - place[:, None] * sin  # rows count downwards
        across = place * sin + place[:, None] * cos
        beyond = along - np.clip(along, 0, size / 2 - 1)
        distance = np.sqrt(across**2 + beyond**2)
        images[start : start + BLOCK, 0] = np.clip(width / 2 + 0.5 - distance, 0, 1)
    return images
