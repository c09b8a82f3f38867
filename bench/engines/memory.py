"""How much memory this machine, or the container that the process lives in, can still give."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil

#: Share of the memory available at the start that all child processes together may use.
SHARE = 0.8
_GROUPS = Path("/sys/fs/cgroup")


def memory_ceiling(n_jobs: int) -> int:
    """Bytes that each of `n_jobs` child processes may use: an equal part of `SHARE` of what is available now."""
    return int(available_memory() * SHARE / n_jobs)


def available_memory() -> int:
    """Bytes that can be used without swapping, within the limit of the container where there is one."""
    free = psutil.virtual_memory().available
    for limit, used, statistics, cache in (
        ("memory.max", "memory.current", "memory.stat", "inactive_file"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat", "total_inactive_file"),
    ):
        most, taken = _number(_GROUPS / limit), _number(_GROUPS / used)
        if most is not None and taken is not None:
            free = min(free, max(0, most - taken + _entry(_GROUPS / statistics, cache)))
    return free


def used_memory(process: psutil.Process, with_descendants: bool = True) -> int:
    """Bytes of memory of a process and those it started, without the pages of mapped files; 0 when it has ended."""
    try:
        processes = [process, *(process.children(recursive=True) if with_descendants else ())]
    except psutil.Error:
        return 0
    return sum(_private(one) for one in processes)


def _private(process: psutil.Process) -> int:
    try:
        used = process.memory_info()
    except psutil.Error:
        return 0
    return used.rss - used.shared if sys.platform.startswith("linux") else used.rss


def _number(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def _entry(path: Path, name: str) -> int:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.split()[:1] == [name]), 0)
