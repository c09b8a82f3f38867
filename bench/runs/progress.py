"""What runs, how far, how long still: a bar on a terminal, plain lines elsewhere, notes alone when quiet.

Everything goes to standard error, so that standard output stays free for results. Where that is lost, work goes on.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO, cast

from bench.runs.cells.task import label_of
from bench.streams import Lasting
from bench.text import printable

if TYPE_CHECKING:
    from bench.runs.cells.task import StackTask

_LINE_EVERY = 10.0  # seconds between two plain lines about the same stack

_SILENCE = 30.0  # seconds without any line after which one says that work goes on


@dataclass
class _Stack:
    """A stack that is under way: cells without a result, steps it takes and has done, results by status."""

    cells: int
    steps: int
    steps_done: int = 0
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def cells_worth(self) -> float:
        """The part of its work that is done, in cells."""
        return self.cells * min(1.0, self.steps_done / self.steps) if self.steps else 0.0


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
        self.stream = Lasting(stream if stream is not None else sys.stderr)
        self.counts: Counter[str] = Counter()
        self._stacks: dict[str, _Stack] = {}
        self._label = ""
        self._started = self._last_line = time.monotonic()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Progress:
        self._started = time.monotonic()
        if not self.quiet and self.total and self.stream.isatty():
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
        under_way = sum(stack.cells_worth for stack in self._stacks.values())
        return min(1.0, (self.finished + under_way) / self.total) if self.total else 1.0

    @property
    def seconds_left(self) -> float | None:
        """Estimated seconds until the end, or None before anything is done."""
        share = self.share
        return (time.monotonic() - self._started) * (1 - share) / share if share > 0 else None

    def stack(self, label: str, cells: int, steps: int) -> None:
        """A stack of `cells` cells starts, which takes `steps` steps; 0 while that is not known, or without training.

        Called again for the same stack when its steps are known. Several stacks can be under way.
        """
        self._label = printable(label, 60)
        known = self._stacks.get(self._label)
        if known is not None and known.steps == steps:
            return
        if known is None:
            self._stacks[self._label] = _Stack(cells, steps)
        else:
            known.steps = steps
        self._last_line = time.monotonic()
        if steps or self._bar is not None:
            self._show(f"{self._label}: {cells} {'seed' if cells == 1 else 'seeds'}, {steps} steps")

    def still_there(self) -> None:
        """A sign of life where nothing was shown for a while, e.g. because models are evaluated."""
        if self._bar is not None or time.monotonic() - self._last_line < _SILENCE:
            return
        self._last_line = time.monotonic()
        self._show("at work on " + "; ".join(self._stacks))

    def advance(self, steps_done_total: int) -> None:
        """The stack named last has done `steps_done_total` of its steps."""
        stack = self._stacks[self._label]
        stack.steps_done = steps_done_total
        if self._bar is None and time.monotonic() - self._last_line < _LINE_EVERY:
            return
        self._last_line = time.monotonic()
        self._show(f"{self._label}: step {steps_done_total} of {stack.steps}")

    def done(self, cells: int, status: str, label: str | None = None) -> None:
        """`cells` cells of the stack `label`, or of the one named last, have ended with `status` ("ok", "error", …)."""
        self._label = self._label if label is None else printable(label, 60)
        stack = self._stacks.setdefault(self._label, _Stack(cells, 0))
        self.counts[status] += cells
        stack.counts[status] += cells
        stack.cells = max(0, stack.cells - cells)
        if stack.cells == 0:
            del self._stacks[self._label]
        if stack.cells == 0 or self._bar is not None:
            ended = ", ".join(f"{n} {printable(word)}" for word, n in stack.counts.items())
            self._show(f"{self._label}: {ended}")

    def note(self, text: str) -> None:
        """A line the user must see, also when quiet."""
        line = printable(text)
        if self._bar is not None:
            self._bar.console.print(line, markup=False, highlight=False)
        else:
            self._print(line)

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
        self._print(f"[{self.finished}/{self.total}{ahead}] {line}")

    def _print(self, line: str) -> None:
        self.stream.write(line + "\n")
        self.stream.flush()


def duration(seconds: float) -> str:
    """Seconds in words: `42 s`, `3 min 05 s`, `2 h 07 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _bar(stream: Lasting) -> Any:
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
    return Bar(*columns, console=Console(file=cast(TextIO, stream)), transient=True, refresh_per_second=4)


def report_step(progress: Progress, task: StackTask, done: int, steps: int) -> None:
    """Tell that each cell of `task` has done `done` of `steps` steps."""
    progress.stack(label_of(task.cells), len(task.cells), steps)
    progress.advance(done)
