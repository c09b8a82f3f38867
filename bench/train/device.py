"""The device that a run asks for, and whether it has what the run needs."""

from __future__ import annotations

import ctypes
import functools
import sys

import torch

from bench.errors import UsageError


def resolve_device(name: str) -> str:
    """The device that "auto", "cpu", "cuda" or "cuda:N" stands for here; `UsageError` when it does not exist."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda"):
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if int(name.partition(":")[2] or 0) >= count:
            there = f"there {'is' if count == 1 else 'are'} {count}" if count else "torch sees none"
            raise UsageError(f"device {name!r} does not exist here ({there}); give --device cpu or auto")
    return name


_NO_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


def out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that memory ran out; torch's allocator for the CPU says so in its text only."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return any(words in str(error).lower() for words in _NO_MEMORY)


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
