"""Degradations of real rows, each with a strength: 0 leaves them as they are. Rows are (N, d) tensors."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bench.evaluate.neighbours import nearest
from bench.evaluate.reference_data import SharedData

_CHUNK_NUMBERS = 2**22


@dataclass(frozen=True)
class Material:
    """What degradations draw on: the data set's shared quantities, whose training rows stand for other real data."""

    shared: SharedData

    @property
    def unit(self) -> float:
        """Root mean variance of one dimension, the unit of noise."""
        return (self.shared.test_variance / self.shared.dimension) ** 0.5

    def images(self, rows: Tensor) -> Tensor:
        """Rows (N, d) as images (N, C, H, W)."""
        return rows.reshape(len(rows), *self.shared.split.data_shape)


def averaging(rows: Tensor, k: float, of: Material) -> Tensor:
    """The mean of each row's k nearest training rows; k = 0 is the row itself."""
    train = of.shared.rows("train").flat
    count = min(int(k), len(train))
    if count == 0:
        return rows
    found = nearest(rows, train, count, exact=False)[1]
    size = max(1, _CHUNK_NUMBERS // (count * rows.shape[1]))
    return torch.cat([train[part].mean(1) for part in found.split(size)])


def blur(rows: Tensor, sigma: float, of: Material) -> Tensor:
    """Gaussian blur with standard deviation `sigma` in pixels, edges repeated."""
    if sigma == 0:
        return rows
    images, reach = of.images(rows), max(1, math.ceil(3 * sigma))
    offsets = torch.arange(-reach, reach + 1, dtype=torch.float32, device=rows.device)
    weights = torch.exp(-(offsets**2) / (2 * sigma**2))
    weights = weights / weights.sum()
    flat = images.flatten(0, 1)[:, None]  # (N C, 1, H, W)
    padded = F.pad(flat, (reach, reach, reach, reach), mode="replicate")
    across = F.conv2d(padded, weights[None, None, None])
    return F.conv2d(across, weights[None, None, :, None]).reshape(rows.shape)


def noise(rows: Tensor, strength: float, of: Material) -> Tensor:
    """Independent normal noise of `strength` times the data's root mean standard deviation."""
    generator = torch.Generator().manual_seed(0)
    return rows + strength * of.unit * torch.randn(rows.shape, generator=generator).to(rows)


def contrast(rows: Tensor, lost: float, of: Material) -> Tensor:
    """Rows drawn towards the training mean by the share `lost`."""
    mean = of.shared.train_mean
    return mean + (1 - lost) * (rows - mean)


def shift(rows: Tensor, pixels: float, of: Material) -> Tensor:
    """Images moved to the right by whole pixels; what comes in repeats the edge."""
    if pixels == 0:
        return rows
    count, images = int(pixels), of.images(rows)
    return F.pad(images, (count, 0, 0, 0), mode="replicate")[..., : images.shape[-1]].reshape(rows.shape)


def classes(rows: Tensor, dropped: float, of: Material, labels: np.ndarray) -> Tensor:
    """Rows of all classes but the first `dropped` (a share of them), repeated to the same number."""
    names = np.unique(labels)
    kept = names[min(round(dropped * len(names)), len(names) - 1) :]
    chosen = np.flatnonzero(np.isin(labels, kept))
    return rows[np.resize(chosen, len(rows))]


def duplicates(rows: Tensor, copied: float, of: Material) -> Tensor:
    """The share `copied` of the rows is copies of the others."""
    distinct = max(1, round((1 - copied) * len(rows)))
    return rows[np.resize(np.arange(distinct), len(rows))]


def memorised(rows: Tensor, share: float, of: Material) -> Tensor:
    """The first `share` of the rows are training rows."""
    count = min(round(share * len(rows)), len(of.shared.rows("train")))
    return torch.cat([of.shared.rows("train").flat[:count], rows[count:]])


#: Degradations of single rows by name, and the strengths that a sweep goes through.
OF_ROWS: dict[str, tuple[Callable[[Tensor, float, Material], Tensor], tuple[float, ...]]] = {
    "averaging": (averaging, (0, 3, 10, 30, 100)),
    "blur": (blur, (0, 0.5, 0.8, 1.2, 2.0)),
    "contrast": (contrast, (0, 0.2, 0.4, 0.6, 0.8)),
    "noise": (noise, (0, 0.2, 0.4, 0.8, 1.6)),
    "shift": (shift, (0, 1, 2, 4)),
}
#: Degradations of a whole sample.
OF_SAMPLES: dict[str, tuple[Callable[..., Tensor], tuple[float, ...]]] = {
    "classes": (classes, (0, 0.1, 0.3, 0.5, 0.7, 0.9)),
    "duplicates": (duplicates, (0, 0.5, 0.75, 0.9, 0.97)),
    "memorised": (memorised, (0, 0.25, 0.5, 0.75, 1.0)),
}
#: Degradations that need images.
IMAGES_ONLY = ("blur", "shift")
