"""The engine of a plain run: one stack after another in this process, with all of torch's threads."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

from bench.runs.cells.preflight import Check, carry_out
from bench.runs.cells.stack_run import run_stack
from bench.runs.cells.task import CellResult, StackTask, label_of
from bench.runs.cells.training_state import checkpoints_of
from bench.runs.cells.worker_state import Workshop
from bench.runs.progress import Progress, report_step
from bench.train.device import resolve_device


class InlineEngine:
    """Runs stacks in this process."""

    name = "local"
    threads: int | None = None
    alone = True

    def __enter__(self) -> InlineEngine:
        return self

    def __exit__(self, *exception: object) -> None:
        """Nothing to end."""

    def device(self, name: str) -> str:
        """The device that `name` stands for on this machine; `UsageError` when it does not exist."""
        return resolve_device(name)

    def check(self, checks: Sequence[Check], workshop: Workshop) -> None:
        """Carry out `checks`; `UsageError` for the first thing that is wrong."""
        for check in checks:
            carry_out(check, workshop)

    def run(self, tasks: Sequence[StackTask], workshop: Workshop, progress: Progress, stop) -> Iterator[CellResult]:
        """One result per cell, stack after stack."""
        for task in tasks:
            if stop.requested:
                return
            progress.stack(label_of(task.cells[0]), len(task.cells), 0)
            yield from run_stack(task, workshop, functools.partial(report_step, progress, task), checkpoints_of(task))
