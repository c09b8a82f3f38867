"""What runs, how far, how long still: a bar on a terminal, plain lines elsewhere, notes alone when quiet.

Everything goes to standard error, so that standard output stays free for results.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from types import TracebackType
from typing import Any, TextIO

from bench.text import printable

_LINE_EVERY = 10.0  # seconds between two plain lines about the same stack


class Progress:
    """Progress of a run of `total_cells` cells; used as a context manager.

    Work is counted in cells; a stack that is under way counts by the share of its steps. The time left is estimated
    from the cells done in this session, so that cells of an earlier session do not distort it.

    Args:
        total_cells: cells that this session has to do.
        quiet: show notes only.
        stream: where to write; standard error if None.
    """

    def __init__(self, total_cells: int, quiet: bool = False, stream: TextIO | None = None) -> None:
        self.total, self.quiet = total_cells, quiet
        self.stream = stream if stream is not None else sys.stderr
        self.counts: Counter[str] = Counter()
        self._stack_counts: Counter[str] = Counter()
        self._label, self._cells, self._steps, self._steps_done = "", 0, 0, 0
        self._started = self._last_line = time.monotonic()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Progress:
        self._started = time.monotonic()
        if not self.quiet and self.total and getattr(self.stream, "isatty", lambda: False)():
            self._bar = _bar(self.stream)
            self._task = self._bar.add_task("", total=float(self.total), label="", state=f"0/{self.total}")
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    @property
    def finished(self) -> int:
        """Cells that have ended, however."""
        return self.counts.total()

    @property
    def share(self) -> float:
        """The share of all work that is done, in [0, 1]."""
        under_way = self._cells * min(1.0, self._steps_done / self._steps) if self._steps else 0.0
        return min(1.0, (self.finished + under_way) / self.total) if self.total else 1.0

    @property
    def seconds_left(self) -> float | None:
        """Estimated seconds until the end, or None before anything is done."""
        share = self.share
        return (time.monotonic() - self._started) * (1 - share) / share if share > 0 else None

    def stack(self, label: str, cells: int, steps: int) -> None:
        """A stack of `cells` cells starts, which takes `steps` steps; 0 while that is not known, or without training.

        Called again for the same stack when its steps are known.
        """
        self._label, self._cells, self._steps, self._steps_done = printable(label, 60), cells, steps, 0
        self._stack_counts.clear()
        self._last_line = time.monotonic()
        if steps or self._bar is not None:
            self._show(f"{self._label}: {cells} {'seed' if cells == 1 else 'seeds'}, {steps} steps")

    def advance(self, steps_done_total: int) -> None:
        """The running stack has done `steps_done_total` of its steps."""
        self._steps_done = steps_done_total
        if self._bar is None and time.monotonic() - self._last_line < _LINE_EVERY:
            return
        self._last_line = time.monotonic()
        self._show(f"{self._label}: step {steps_done_total} of {self._steps}")

    def done(self, cells: int, status: str) -> None:
        """`cells` cells of the running stack have ended with `status` ("ok", "error", …)."""
        self.counts[status] += cells
        self._stack_counts[status] += cells
        self._cells = max(0, self._cells - cells)
        if self._cells == 0:
            self._steps = 0
        if self._cells == 0 or self._bar is not None:
            ended = ", ".join(f"{n} {printable(word)}" for word, n in self._stack_counts.items())
            self._show(f"{self._label}: {ended}")

    def note(self, text: str) -> None:
        """A line the user must see, also when quiet."""
        line = printable(text)
        if self._bar is not None:
            self._bar.console.print(line, markup=False, highlight=False)
        else:
            print(line, file=self.stream, flush=True)

    def _show(self, line: str) -> None:
        if self.quiet:
            return
        if self._bar is not None:
            failed = self.finished - self.counts["ok"] - self.counts["skipped"]
            state = f"{self.finished}/{self.total}{f', {failed} failed' if failed else ''}"
            self._bar.update(self._task, completed=self.share * self.total, label=self._label, state=state)
            return
        left = self.seconds_left
        ahead = f", about {duration(left)} left" if left is not None and self.share < 1 else ""
        print(f"[{self.finished}/{self.total}{ahead}] {line}", file=self.stream, flush=True)


def duration(seconds: float) -> str:
    """Seconds in words: `42 s`, `3 min 05 s`, `2 h 07 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _bar(stream: TextIO) -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.fields[label]}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[state]}", markup=False),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    return Bar(*columns, console=Console(file=stream), transient=True, refresh_per_second=4)
