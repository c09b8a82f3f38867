"""The engine of a plain run: one stack after another in this process, with all of torch's threads.

Foreign plugins are tried in a process of their own first.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

from bench.runs.cells.cell_records import base_record
from bench.runs.cells.preflight import Check, carry_out
from bench.runs.cells.stack_run import run_stack
from bench.runs.cells.task import CellResult, StackTask, label_of
from bench.runs.cells.training_state import checkpoints_of
from bench.runs.cells.worker_state import Workshop
from bench.runs.progress import Progress, report_step
from bench.spec.call import Call
from bench.spec.registry import Registry
from bench.spec.trial import failures, foreign
from bench.train.device import resolve_device


class InlineEngine:
    """Runs stacks in this process."""

    name = "local"
    threads: int | None = None
    alone = True

    def __init__(self) -> None:
        self._dangerous: dict[tuple[str, Call], tuple[str, str]] = {}

    def __enter__(self) -> InlineEngine:
        return self

    def __exit__(self, *exception: object) -> None:
        """Nothing to end."""

    def device(self, name: str) -> str:
        """The device that `name` stands for on this machine; `UsageError` when it does not exist."""
        return resolve_device(name)

    def check(self, checks: Sequence[Check], workshop: Workshop) -> None:
        """Carry out `checks`; `UsageError` for the first thing that is wrong."""
        wanted = _foreign_plugins(checks, workshop.registry)
        if wanted:
            self._dangerous = {wanted[i]: outcome for i, outcome in failures(workshop.registry, wanted).items()}
        for check in checks:
            if (check[0], getattr(check[1], check[0])) not in self._dangerous:
                carry_out(check, workshop)

    def run(self, tasks: Sequence[StackTask], workshop: Workshop, progress: Progress, stop) -> Iterator[CellResult]:
        """One result per cell, stack after stack; none is run whose plugin hung or ended its process on trial."""
        for task in tasks:
            if stop.requested:
                return
            progress.stack(label_of(task.cells[0]), len(task.cells), 0)
            if (danger := self._danger(task, workshop.registry)) is not None:
                status, reason = danger
                for cell in task.cells:
                    yield CellResult(base_record(task, cell) | {"status": status, "reason": reason})
                continue
            yield from run_stack(task, workshop, functools.partial(report_step, progress, task), checkpoints_of(task))

    def _danger(self, task: StackTask, registry: Registry) -> tuple[str, str] | None:
        """(status, reason) where something that `task` needs must not run in this process."""
        cell = task.cells[0]
        needed = [("variant", cell.variant), ("dataset", cell.dataset)]
        if self._dangerous:
            needed += [("metric", Call(name)) for name, _ in registry.metrics_for(task.metrics)]
        for kind, call in needed:
            if (kind, call) in self._dangerous:
                status, reason = self._dangerous[kind, call]
                return status, f"{kind} {call.name}: {reason}"
        return None


def _foreign_plugins(checks: Sequence[Check], registry: Registry) -> list[tuple[str, Call]]:
    """The foreign variants and data sets of `checks`, and all foreign metrics."""
    named = [(kind, getattr(cell, kind)) for kind, cell in checks]
    named += [("metric", Call(name)) for name in registry.names("metric")]
    return [(kind, call) for kind, call in named if foreign(registry, kind, call.name)]
