"""Keeps the resident memory of a memory-mapped file bounded while it is read.

Touching one row can map the 2 MB around it (large folios of the page cache), so that a batch of scattered rows would
make most of a file resident; rows are therefore gathered a few at a time.
"""

from __future__ import annotations

import mmap

import numpy as np

#: Scattered rows that are gathered before their pages are let go.
GATHER_ROWS = 32


def gather(array: np.ndarray, rows: np.ndarray | int) -> np.ndarray:
    """`array[rows]`, copied; with bounded resident memory where `array` is a memory map."""
    if getattr(array, "_mmap", None) is None or np.ndim(rows) == 0:
        return array[rows]
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
