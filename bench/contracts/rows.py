"""Keeps the resident memory of a memory-mapped file bounded while it is read.

Touching one row can map the 2 MB around it (large folios of the page cache), so that a batch of scattered rows would
make most of a file resident; rows are therefore gathered a few at a time.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

#: Scattered rows that are gathered before their pages are let go.
GATHER_ROWS = 32


def gather(array: np.ndarray, rows: np.ndarray | int) -> np.ndarray:
    """`array[rows]`, copied; with bounded resident memory where `array` is a memory map."""
    if getattr(array, "_mmap", None) is None or np.ndim(rows) == 0:
        return array[rows]
    rows = np.asarray(rows)
    gathered = np.empty((len(rows), *array.shape[1:]), dtype=array.dtype)
    for start in range(0, len(rows), GATHER_ROWS):
        gathered[start : start + GATHER_ROWS] = array[rows[start : start + GATHER_ROWS]]
        release_pages(array)
    return gathered


def release_pages(array: np.ndarray) -> None:
    """Let go of the pages of `array`'s file that have been read; reading them again fetches them from the file.

    Arrays that are no memory map, and systems without `madvise`, are left alone.
    """
    mapped = getattr(array, "_mmap", None)
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


@runtime_checkable
class ArraySource(Protocol):
    """Rows that are read on demand: a float32 array, or something larger than memory that behaves like one.

    `source.shape` is (N, ...) and `source[rows]`, with an integer array or a slice, returns a float32 array (n, ...).
    """

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any) -> np.ndarray: ...


@dataclass(frozen=True)
class LazyRows:
    """Rows of a memory-mapped array, read and scaled on demand: float32((base[rows] - shift) / scale).

    Args:
        base: array (M, ...) of any numeric type, usually a `numpy.memmap`.
        rows: integer array (N,), which rows of `base` belong to this part.
        shift, scale: broadcastable to a row.
    """

    base: np.ndarray
    rows: np.ndarray
    shift: np.ndarray | float = 0.0
    scale: np.ndarray | float = 1.0

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.rows), *self.base.shape[1:])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: Any) -> np.ndarray:
        return rescale(gather(self.base, self.rows[rows]), self.shift, self.scale)

    def load(self) -> np.ndarray:
        """All rows as one float32 array in memory, filled in blocks."""
        loaded = np.empty(self.shape, dtype=np.float32)
        for block in blocks(self.shape):
            loaded[block] = self[block]
        return loaded


#: Bytes of float64 per block of rows.
BLOCK_BYTES = 1 << 24


def rescale(raw: np.ndarray, shift: np.ndarray | float, scale: np.ndarray | float) -> np.ndarray:
    """float32((raw - shift) / scale), computed in float64 unless `raw` has at most 16 bits or needs no scaling.

    Where `scale` is infinite (a column that is constant in training) the result is 0 whatever `raw` holds.
    """
    if np.ndim(shift) == np.ndim(scale) == 0 and shift == 0 and scale == 1:
        return np.asarray(raw, dtype=np.float32)
    wide = np.float32 if raw.dtype.itemsize <= 2 else np.float64
    centred = np.asarray(raw, dtype=wide) - np.asarray(shift, dtype=wide)
    centred /= np.asarray(scale, dtype=wide)
    return centred.astype(np.float32, copy=False)


def restore(data: np.ndarray, shift: np.ndarray | float, scale: np.ndarray | float) -> np.ndarray:
    """Raw rows float32(data * scale + shift), the inverse of `rescale`; `shift` alone where the scale is infinite."""
    constant = np.isinf(scale)
    raw = np.where(constant, 0.0, data) * np.where(constant, 1.0, scale) + shift
    return raw.astype(np.float32)


def blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    """Consecutive slices of rows of at most `BLOCK_BYTES` in float64 (at least one row each)."""
    rows = max(1, BLOCK_BYTES // (8 * max(1, int(np.prod(shape[1:])))))
    return (slice(start, start + rows) for start in range(0, shape[0], rows))
