"""Ctrl-C: once finishes what runs and reports, twice stops at once. SIGTERM and SIGHUP: stop at once, then report.

Results so far are kept in every case.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from bench.errors import Terminated, UserInterrupt
from bench.runs.progress import Progress

#: What asks a process to end, on the systems that have it.
ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


class StopRequest:
    """Whether the run is to stop; as a context manager, it hears SIGTERM and SIGHUP.

    The first such signal raises `Terminated`, but where something is being written (`undisturbed`): there it waits.
    When the context ends, the signal is delivered again to whoever handled it before, so that the process ends with it.

    Attributes:
        asked: whether somebody asked to stop.
        requested: start nothing new, because somebody asked for it or the time is over.
        out_of_time: whether the time is over.
        ended_by: the signal that asked to end, or 0.
    """

    def __init__(self, max_minutes: float | None = None) -> None:
        self.asked = False
        self._deadline = math.inf if max_minutes is None else time.monotonic() + 60 * max_minutes
        self.ended_by = 0
        self._writing = 0
        self._before: dict[int, Any] = {}

    @property
    def out_of_time(self) -> bool:
        """Whether `max_minutes` have passed."""
        return time.monotonic() >= self._deadline

    @property
    def requested(self) -> bool:
        """Whether nothing new is to be started."""
        return self.asked or self.out_of_time

    def __enter__(self) -> StopRequest:
        for number in ENDING:
            with contextlib.suppress(ValueError):  # not the main thread: the caller's own handling applies
                if signal.getsignal(number) != signal.SIG_IGN:  # nohup
                    self._before[number] = signal.signal(number, self._end)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)  # None: not set from Python
        if self.ended_by:
            os.kill(os.getpid(), self.ended_by)

    def _end(self, number: int, frame: object) -> None:
        if self.ended_by:
            return
        self.asked, self.ended_by = True, number
        if not self._writing:
            raise Terminated(number)

    @contextlib.contextmanager
    def undisturbed(self) -> Iterator[None]:
        """A context that SIGTERM and SIGHUP do not interrupt: the run ends after it."""
        self._writing += 1
        try:
            yield
        finally:
            self._writing -= 1

    def hold(self) -> None:
        """From here on SIGTERM and SIGHUP interrupt nothing: what is left, the report above all, is finished first."""
        self._writing += 1

    @contextlib.contextmanager
    def listening(self, progress: Progress) -> Iterator[None]:
        """A context in which SIGINT sets `requested` the first time and raises `UserInterrupt` the second."""

        def handle(*_: object) -> None:
            if self.asked:
                raise UserInterrupt
            self.asked = True
            progress.note("stopping after what runs now; press Ctrl-C again to stop at once")

        try:
            previous = signal.signal(signal.SIGINT, handle)
        except ValueError:  # not the main thread: the caller's own handling applies
            yield
            return
        try:
            yield
        except Terminated as error:
            progress.note(f"{signal.Signals(error.number).name}: stopping now; what is done will be reported")
        finally:
            signal.signal(signal.SIGINT, previous)
