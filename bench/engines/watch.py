"""The watch that keeps child processes within their time and memory."""

from __future__ import annotations

import threading
import time

from bench.engines.handle import Child
from bench.engines.memory import used_memory

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
        self.ceiling, self._reason = ceiling, reason
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
        return "oom", f"it used {taken}, above the ceiling of {most} ({self._reason})"
