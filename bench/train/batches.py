"""Batches: the order of the data is a function of (seed, epoch), the same for every variant; no worker processes.

Data that fit are one tensor on the device and batches are gathered there; larger data are read row by row from disk.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.contracts.rows import ArraySource
from bench.seeding import derived_seed

#: Rows that are read from disk at a time where whole parts are walked through.
READ_ROWS = 2048


class Rows:
    """The rows of one part of a data set, gathered by index: a tensor on the device, or an `ArraySource` on disk.

    Args:
        source: (N, *data_shape).
        labels: integers (N,), or None.
        device: where batches go.
    """

    def __init__(self, source: np.ndarray | ArraySource, labels: np.ndarray | None, device: torch.device) -> None:
        self.data_shape = tuple(source.shape[1:])
        self._device = device
        self._source = source
        held = source if isinstance(source, np.ndarray) and not isinstance(source, np.memmap) else None
        self._x = None if held is None else _tensor(held, torch.float32).to(device)
        self._y = None if labels is None else _tensor(labels, torch.int64).to(device)

    def __len__(self) -> int:
        return len(self._source)

    def gather(self, rows: Tensor) -> tuple[Tensor, Tensor | None]:
        """x (*rows.shape, *data_shape) and y (*rows.shape) for integer `rows` of any shape."""
        flat = rows.reshape(-1)
        if self._x is not None:
            x = self._x.index_select(0, flat)
        else:
            picked = np.asarray(self._source[flat.cpu().numpy()], dtype=np.float32)
            x = torch.from_numpy(np.ascontiguousarray(picked)).to(self._device)
        y = None if self._y is None else self._y.index_select(0, flat).reshape(rows.shape)
        return x.reshape(*rows.shape, *self.data_shape), y

    def blocks(self, limit: int | None = None, size: int = READ_ROWS):
        """(first row, x, y) over the first `limit` rows, at most `size` rows at a time."""
        n = len(self) if limit is None else min(limit, len(self))
        for start in range(0, n, size):
            rows = torch.arange(start, min(start + size, n), device=self._device)
            x, y = self.gather(rows)
            yield start, x, y


def _tensor(array: np.ndarray, dtype: torch.dtype) -> Tensor:
    with warnings.catch_warnings():
        # torch warns of read-only arrays; the tensor shares their memory, and only gathered copies leave `Rows`
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(np.ascontiguousarray(array)).to(dtype)


class BatchOrder:
    """Row numbers of each step, (K, B), for K seeds: a new permutation per seed and epoch, last batch possibly smaller.

    Args:
        n: number of training rows.
        batch_size: B.
        seeds: the K seeds.
        device: where the row numbers are used.
    """

    def __init__(self, n: int, batch_size: int, seeds: Sequence[int], device: torch.device) -> None:
        self.n = n
        self.batch_size = batch_size
        self.steps_per_epoch = math.ceil(n / batch_size)
        self._seeds = tuple(seeds)
        self._device = device
        self._epoch: int | None = None
        self._order: Tensor | Any = None  # of `_epoch`, once there is one

    def at(self, step: int) -> Tensor:
        """The rows of `step`: (K, B), or fewer columns in an epoch's last batch."""
        epoch, position = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self._permutations(epoch)
        start = position * self.batch_size
        return self._order[:, start : start + self.batch_size]

    def _permutations(self, epoch: int) -> Tensor:
        generator = torch.Generator()
        order = torch.empty((len(self._seeds), self.n), dtype=torch.int64)
        for row, seed in enumerate(self._seeds):
            generator.manual_seed(derived_seed(seed, "order", epoch))
            torch.randperm(self.n, generator=generator, out=order[row])
        return order.to(self._device)
