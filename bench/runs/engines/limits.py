"""The watch that keeps child processes within their time and memory."""

from __future__ import annotations

import sys
import threading
import time

import psutil

from bench.memory import available_memory
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


def memory_ceiling(n_jobs: int) -> int:
    """Bytes that each of `n_jobs` child processes may use: an equal part of `SHARE` of what is available now."""
    return int(available_memory() * SHARE / n_jobs)


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
