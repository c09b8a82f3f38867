"""How much memory there is, and a refusal before more is asked for: the system kills a process that takes too much."""

from __future__ import annotations

from pathlib import Path

import psutil

_GROUPS = Path("/sys/fs/cgroup")


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


def refuse_more_than_there_is(needed: int, what: str, remedy: str) -> None:
    """Raise `MemoryError` where `needed` bytes of a CPU's memory are more than can be had now.

    Args:
        what: needs them. remedy: what the user can do.
    """
    free = available_memory()
    if needed > free:
        raise MemoryError(f"{what} needs about {needed / 2**30:.1f} GiB, {free / 2**30:.1f} GiB are free; {remedy}")


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
