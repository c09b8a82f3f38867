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
from bench.runs.engines.danger import Danger
from bench.runs.progress import Progress, report_step
from bench.spec.registry import Registry

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
        self._danger = Danger(registry)

    @functools.cached_property
    def _workshop(self) -> Workshop:
        from bench.runs.cells.worker_state import Workshop

        return Workshop(self._registry, self._arrays)

    def __enter__(self) -> InlineEngine:
        return self

    def __exit__(self, *exception: object) -> None:
        """Nothing to end."""

    def check(self, checks: Sequence[Check]) -> list[str]:
        """Carry out `checks`: what they found worth saying; `UsageError` for the first thing that is wrong."""
        if not checks:
            return []
        from bench.runs.cells.preflight import carry_out

        return [line for check in self._danger.harmless(checks) for line in carry_out(check, self._workshop)]

    def run(self, tasks: Sequence[StackTask], progress: Progress, stop: Any) -> Generator[CellResult, None, None]:
        """One result per cell, stack after stack; none is run whose plugin hung or ended its process on trial."""
        for task in tasks:
            from bench.runs.cells.stack_run import run_stack
            from bench.runs.cells.training_state import checkpoints_of

            if stop.requested:
                return
            progress.stack(label_of(task.cells), len(task.cells), 0)
            if (untried := self._danger.results(task)) is not None:
                yield from untried
                continue
            on_step = functools.partial(report_step, progress, task)
            yield from run_stack(task, self._workshop, on_step, checkpoints_of(task))

    def alone(self, module: str, name: str, *arguments: Any) -> None:
        """`module.name(*arguments)` of this package, with the threads of a stack."""
        from bench.runs.cells.isolation import contained

        with contained(self.threads):
            getattr(importlib.import_module(module), name)(*arguments)
