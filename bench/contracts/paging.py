"""Keeps the resident memory of a memory-mapped file bounded while it is read."""

from __future__ import annotations

import mmap

import numpy as np


def release_pages(array: np.ndarray) -> None:
    """Let go of the pages of `array`'s file that have been read; reading them again fetches them from the file.

    Arrays that are no memory map, and systems without `madvise`, are left alone.
    """
    mapped = getattr(array, "_mmap", None)
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)
