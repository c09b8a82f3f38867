"""The watch that keeps child processes within their time and memory."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import psutil

from bench.runs.engines.child_process import Child

#: Seconds between two looks at a child's time and memory, and, as that is dear, at the processes it started.
LOOK_EVERY = 0.1
LOOK_DEEPER_EVERY = 2.0


class Watch:
    """A thread that ends every child that takes too long or more memory than its ceiling; used as a context manager.

    Args:
        ceiling: bytes that a child and what it started may use.
        reason: how the ceiling came about, for the record of a cell that went above it.
    """

    def __init__(self, ceiling: int, reason: str) -> None:
        self.ceiling, self.reason = ceiling, reason
        self._children: set[Child] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, name="aebench-watch", daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def add(self, child: Child) -> None:
        """Keep an eye on `child` from now on."""
        self._children.add(child)

    def remove(self, child: Child) -> None:
        """Leave `child` alone."""
        self._children.discard(child)

    def _look(self) -> None:
        deeper = 0.0
        while not self._stop.wait(LOOK_EVERY):
            now = time.monotonic()
            deep = now >= deeper
            deeper = now + LOOK_DEEPER_EVERY if deep else deeper
            for child in list(self._children):
                if child.cause is None and (cause := child.overtime() or self._excess(child, deep)):
                    child.end(*cause)

    def _excess(self, child: Child, deep: bool) -> tuple[str, str] | None:
        used = used_memory(child.view, deep)
        if used <= self.ceiling:
            return None
        taken, most = (f"{size / 2**30:.1f} GiB" for size in (used, self.ceiling))
        return "oom", f"it used {taken}, above the ceiling of {most} ({self.reason})"


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
