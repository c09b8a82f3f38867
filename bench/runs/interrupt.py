"""Ctrl-C: once finishes what runs and reports, twice stops at once; results so far are kept either way."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

from bench.runs.progress import Progress


class StopRequest:
    """Whether the user wants the run to stop.

    Attributes:
        requested: start nothing new.
    """

    def __init__(self) -> None:
        self.requested = False

    @contextlib.contextmanager
    def listening(self, progress: Progress) -> Iterator[None]:
        """A context in which SIGINT sets `requested` the first time and raises KeyboardInterrupt the second."""

        def handle(*_: object) -> None:
            if self.requested:
                raise KeyboardInterrupt
            self.requested = True
            progress.note("stopping after what runs now; press Ctrl-C again to stop at once")

        try:
            previous = signal.signal(signal.SIGINT, handle)
        except ValueError:  # not the main thread: the caller's own handling applies
            yield
            return
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, previous)
