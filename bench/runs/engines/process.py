"""The engine of `--n-jobs` and `--timeout`: every stack in a child process that can be ended without harm to others."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Iterator, Sequence
from multiprocessing.connection import wait
from typing import Any

import torch

from bench.contracts.dataset import Split
from bench.runs.cells.preflight import Check
from bench.runs.cells.task import CellResult, StackTask, label_of
from bench.runs.cells.worker_state import Workshop
from bench.runs.engines.limits import SHARE, memory_ceiling
from bench.runs.engines.process_pool import Crew
from bench.runs.engines.shared_arrays import pack
from bench.runs.progress import Progress, report_step
from bench.train.device import resolve_device

#: Seconds after which the parent looks whether the user wants to stop.
PATIENCE = 0.5


class ProcessEngine:
    """Runs up to `n_jobs` stacks at a time, each in a child process.

    Args:
        n_jobs: how many.
        timeout: seconds of wall-clock time that a stack may take, or None.
        plugins: `--plugins` paths.
        arrays: arrays given to `bench.run`, or None.
    """

    name = "local"

    def __init__(self, n_jobs: int, timeout: float | None, plugins: Sequence[str], arrays: Split | None) -> None:
        self.n_jobs = n_jobs
        self.alone = n_jobs == 1
        self.threads = None if n_jobs == 1 else max(1, torch.get_num_threads() // n_jobs)
        self._data = None if arrays is None else pack(arrays)
        shared = f" divided among {n_jobs} jobs" if n_jobs > 1 else ""
        reason = f"{SHARE:.0%} of the memory available at the start{shared}"
        self._crew = Crew(plugins, self._data, self.threads, timeout, memory_ceiling(n_jobs), reason)

    def __enter__(self) -> ProcessEngine:
        self._crew.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._crew.__exit__(*exception)
        if self._data is not None:
            self._data.file.close()

    def device(self, name: str) -> str:
        """The device that `name` stands for on this machine; `UsageError` when it does not exist."""
        return resolve_device(name)

    def check(self, checks: Sequence[Check], workshop: Workshop) -> None:
        """Carry out `checks` in a child; `UsageError` for the first thing that is wrong."""
        self._crew.check(checks)

    def run(
        self, tasks: Sequence[StackTask], workshop: Workshop, progress: Progress, stop: Any
    ) -> Iterator[CellResult]:
        """One result per cell; what a child leaves unfinished when it ends becomes a result, too."""
        queue = deque(tasks)
        while (busy := self._crew.busy()) or (queue and not stop.requested):
            while queue and len(busy) < self.n_jobs and not stop.requested:
                task = queue.popleft()
                progress.stack(label_of(task.cells[0]), len(task.cells), 0)
                busy.append(self._crew.assign(task))
            by_connection = {child.connection: child for child in busy}
            for connection in wait(list(by_connection), PATIENCE):
                child = by_connection[connection]
                yield from self._crew.hear(child, functools.partial(report_step, progress, child.task))
