"""Keep freed memory in the process: large temporaries of every step would otherwise be unmapped and faulted in anew.

With glibc's default threshold each allocation above 128 KiB (later up to 32 MiB) is a fresh mapping whose pages the
kernel zeroes on first touch; for stacked seeds that costs more than the arithmetic.
"""

from __future__ import annotations

import ctypes
import functools
import sys

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
#: Allocations up to this size are served from the heap (bytes); glibc refuses more than half of its heap limit.
_LARGEST = 1 << 30


@functools.cache
def keep_freed_memory() -> bool:
    """Ask glibc to serve large blocks from the heap and not to trim it; True where that worked, once per process."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # another C library
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _LARGEST)) and bool(mallopt(_M_TRIM_THRESHOLD, _LARGEST))
