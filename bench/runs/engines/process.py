"""The engine of several workers and of `--timeout`: stacks in child processes that can be ended on their own."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from multiprocessing.connection import wait
from typing import Any

from bench.contracts.dataset import Split
from bench.runs.cells.task import CellResult, Check, StackTask, label_of
from bench.runs.engines.child_process import Child
from bench.runs.engines.danger import Danger
from bench.runs.engines.limits import SHARE, memory_ceiling
from bench.runs.engines.process_pool import Crew
from bench.runs.engines.shared_arrays import pack
from bench.runs.engines.workers import WorkerPlan
from bench.runs.progress import Progress, report_step
from bench.spec.registry import Registry

#: Seconds after which the parent looks whether the user wants to stop.
PATIENCE = 0.5


class ProcessEngine:
    """Runs stacks in child processes, as many at a time as the plan has workers.

    A cell that took more than its share of the memory is tried once more at the end, alone, with all of it.

    Args:
        plan: of the workers. device: of the stacks.
        timeout: seconds of wall-clock time that a stack may take, or None.
        plugins: `--plugins` paths. registry: of all plugins.
        arrays: arrays given to `bench.run`, or None.
    """

    name = "local"

    def __init__(
        self,
        plan: WorkerPlan,
        device: str,
        timeout: float | None,
        plugins: Sequence[str],
        registry: Registry,
        arrays: Split | None,
    ) -> None:
        self.plan, self.device, self.threads, self.workers = str(plan), device, plan.threads, plan.workers
        self._data = None if arrays is None else pack(arrays)
        self._danger = None if timeout else Danger(registry)
        self._crew = Crew(plugins, self._data, self.threads, timeout, *_share(self.workers))

    def __enter__(self) -> ProcessEngine:
        """Start the workers, which load torch meanwhile."""
        self._crew.__enter__()
        self._crew.start(self.workers)
        return self

    def __exit__(self, *exception: object) -> None:
        self._crew.__exit__(*exception)
        if self._data is not None:
            self._data.file.close()

    def check(self, checks: Sequence[Check]) -> list[str]:
        """Carry out `checks` in a child: what they found worth saying; `UsageError` for the first thing that is wrong.

        Without a timeout a plugin that hangs would be waited for: foreign ones are tried first.
        """
        return self._crew.check(checks if self._danger is None else self._danger.harmless(checks))

    def run(self, tasks: Sequence[StackTask], progress: Progress, stop: Any) -> Generator[CellResult, None, None]:
        """One result per cell; what a child leaves unfinished when it ends becomes a result, too."""
        again: dict[int, tuple[StackTask, list[str]]] = {}
        for task, result in self._results(tasks, self.workers, progress, stop):
            if result.record["status"] == "oom" and self.workers > 1 and not stop.requested:
                again.setdefault(id(task), (task, []))[1].append(result.record["cell_id"])
            else:
                yield result
        if again:
            self._crew.widen(*_share(1))
            progress.note("trying again, one at a time, what took more than its share of the memory")
            left = [_part(task, cell_ids) for task, cell_ids in again.values()]
            yield from (result for _, result in self._results(left, 1, progress, stop))

    def _results(
        self, tasks: Sequence[StackTask], at_a_time: int, progress: Progress, stop: Any
    ) -> Iterator[tuple[StackTask, CellResult]]:
        queue = deque(tasks)
        while True:
            if stop.requested:
                self._crew.withdraw()
            busy = self._crew.busy()
            if not busy and (stop.requested or not queue):
                return
            while queue and len(busy) < at_a_time and not stop.requested:
                task = queue.popleft()
                if self._danger is not None and (untried := self._danger.results(task)) is not None:
                    yield from ((task, result) for result in untried)
                    continue
                progress.stack(label_of(task.cells), len(task.cells), 0)
                busy.append(self._crew.assign(task))
            by_connection: dict[Any, Child] = {child.connection: child for child in busy}
            for connection in wait(list(by_connection), PATIENCE):
                child = by_connection[connection]
                task = child.task
                on_step = functools.partial(report_step, progress, task)
                yield from ((task, result) for result in self._crew.hear(child, on_step))
            progress.still_there()

    def alone(self, module: str, name: str, *arguments: Any) -> None:
        """`module.name(*arguments)` of this package in a child, while no stack runs."""
        self._crew.call(module, name, *arguments)


def _share(workers: int) -> tuple[int, str]:
    """Bytes that each of so many workers may use, and how that came about."""
    shared = f" divided among {workers} jobs" if workers > 1 else ""
    return memory_ceiling(workers), f"{SHARE:.0%} of the memory available at the start{shared}"


def _part(task: StackTask, cell_ids: Sequence[str]) -> StackTask:
    return replace(task, cells=tuple(cell for cell in task.cells if cell.cell_id in cell_ids))
