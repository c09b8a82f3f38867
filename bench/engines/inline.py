"""The engine of a plain run: one stack after another in this process, with all of torch's threads."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

from bench.progress import Progress
from bench.work import CellResult, StackTask, run_stack
from bench.workshop import Workshop


class InlineEngine:
    """Runs stacks in this process."""

    name = "local"
    threads: int | None = None
    alone = True

    def run(self, tasks: Sequence[StackTask], workshop: Workshop, progress: Progress, stop) -> Iterator[CellResult]:
        for task in tasks:
            if stop.requested:
                return
            first = task.cells[0]
            label = f"{first.variant_label} on {first.dataset_label}"
            progress.stack(label, len(task.cells), 0)
            begin = functools.partial(_advance, progress, label, len(task.cells), {})
            yield from run_stack(task, workshop, begin)


def _advance(progress: Progress, label: str, cells: int, seen: dict, done: int, steps: int) -> None:
    if not seen:
        progress.stack(label, cells, steps)
        seen["begun"] = True
    progress.advance(done)
