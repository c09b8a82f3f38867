"""The engine of a small run, of a single worker and of a GPU: one stack after another in this process.

Foreign plugins are tried in a process of their own first.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

from bench.contracts.dataset import Split
from bench.runs.cells.task import CellResult, Check, StackTask, label_of
from bench.runs.progress import Progress, report_step
from bench.spec.call import Call
from bench.spec.registry import Registry
from bench.spec.trial import failures, foreign

if TYPE_CHECKING:
    from bench.runs.cells.worker_state import Workshop
    from bench.runs.engines.workers import WorkerPlan


class InlineEngine:
    """Runs stacks in this process.

    Args:
        plan: of the workers. device: of the stacks.
        registry: of all plugins. arrays: arrays given to `bench.run`, or None.
    """

    name = "local"
    workers = 1

    def __init__(self, plan: WorkerPlan, device: str, registry: Registry, arrays: Split | None) -> None:
        self.plan, self.device, self.threads = str(plan), device, plan.threads
        self._registry, self._arrays = registry, arrays
        self._dangerous: dict[tuple[str, Call], tuple[str, str]] = {}

    @functools.cached_property
    def _workshop(self) -> Workshop:
        from bench.runs.cells.worker_state import Workshop

        return Workshop(self._registry, self._arrays)

    def __enter__(self) -> InlineEngine:
        return self

    def __exit__(self, *exception: object) -> None:
        """Nothing to end."""

    def check(self, checks: Sequence[Check]) -> None:
        """Carry out `checks`; `UsageError` for the first thing that is wrong."""
        if not checks:
            return
        from bench.runs.cells.preflight import carry_out

        wanted = _foreign_plugins(checks, self._registry)
        if wanted:
            self._dangerous = {wanted[i]: outcome for i, outcome in failures(self._registry, wanted).items()}
        for check in checks:
            if (check[0], getattr(check[1], check[0])) not in self._dangerous:
                carry_out(check, self._workshop)

    def run(self, tasks: Sequence[StackTask], progress: Progress, stop: Any) -> Generator[CellResult, None, None]:
        """One result per cell, stack after stack; none is run whose plugin hung or ended its process on trial."""
        for task in tasks:
            from bench.runs.cells.cell_records import base_record  # torch takes seconds, in which one may want to stop
            from bench.runs.cells.stack_run import run_stack
            from bench.runs.cells.training_state import checkpoints_of

            if stop.requested:
                return
            progress.stack(label_of(task.cells), len(task.cells), 0)
            if (danger := self._danger(task)) is not None:
                status, reason = danger
                for cell in task.cells:
                    yield CellResult(base_record(task, cell) | {"status": status, "reason": reason})
                continue
            on_step = functools.partial(report_step, progress, task)
            yield from run_stack(task, self._workshop, on_step, checkpoints_of(task))

    def alone(self, module: str, name: str, *arguments: Any) -> None:
        """`module.name(*arguments)` of this package, with the threads of a stack."""
        from bench.runs.cells.isolation import contained

        with contained(self.threads):
            getattr(importlib.import_module(module), name)(*arguments)

    def _danger(self, task: StackTask) -> tuple[str, str] | None:
        """(status, reason) where something that `task` needs must not run in this process."""
        cell = task.cells[0]
        needed = [("variant", cell.variant), ("dataset", cell.dataset)]
        if self._dangerous:
            needed += [("metric", Call(name)) for name, _ in self._registry.metrics_for(task.metrics)]
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
