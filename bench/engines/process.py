"""The engine of `--n-jobs` and `--timeout`: every stack in a child process that can be ended without harm to others.

A child serves one stack after another, so that torch is imported once; one that saw a failure is not used again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from multiprocessing.connection import wait
from typing import Any

import torch

from bench.cellrecord import base_record
from bench.contracts.dataset import Split
from bench.engines.child import CheckTask
from bench.engines.common import label_of, report_step
from bench.engines.crew import Child, Watch
from bench.engines.handover import pack
from bench.engines.memory import SHARE, memory_ceiling
from bench.errors import UsageError
from bench.preflight import Check
from bench.progress import Progress
from bench.work import CellResult, StackTask
from bench.workshop import Workshop

#: Seconds after which the parent looks whether the user wants to stop.
PATIENCE = 0.5
#: What a cell can end with that makes its process suspect.
_SUSPECT = ("error", "oom")


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
        self.n_jobs, self.timeout = n_jobs, timeout
        self.alone = n_jobs == 1
        self.threads = None if n_jobs == 1 else max(1, torch.get_num_threads() // n_jobs)
        self._plugins = tuple(plugins)
        self._data = None if arrays is None else pack(arrays)
        shared = f" divided among {n_jobs} jobs" if n_jobs > 1 else ""
        self._watch = Watch(memory_ceiling(n_jobs), f"{SHARE:.0%} of the memory available at the start{shared}")
        self._children: list[Child] = []

    def __enter__(self) -> ProcessEngine:
        self._watch.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._watch.__exit__(*exception)
        for child in self._children:
            child.close()
        if self._data is not None:
            self._data.file.close()

    def check(self, checks: Sequence[Check], workshop: Workshop) -> None:
        """Carry out `checks` in a child, as plugins can hang or take all memory there as well.

        Raises:
            UsageError: the first thing that is wrong.
        """
        todo = deque(checks)
        while todo:
            child = self._assign(CheckTask(tuple(todo)))
            while child.task is not None:
                message = child.receive()
                if message is None:
                    self._retire(child)
                    todo.popleft()  # it will be recorded when its cells run
                    break
                kind, content = message
                if kind == "wrong":
                    raise UsageError(content)
                if kind == "checked":
                    todo.popleft()
            else:
                self._watch.remove(child)

    def run(
        self, tasks: Sequence[StackTask], workshop: Workshop, progress: Progress, stop: Any
    ) -> Iterator[CellResult]:
        """One result per cell; what a child leaves unfinished when it ends becomes a result, too."""
        queue = deque(tasks)
        while (busy := self._busy()) or (queue and not stop.requested):
            while queue and len(busy) < self.n_jobs and not stop.requested:
                task = queue.popleft()
                progress.stack(label_of(task.cells[0]), len(task.cells), 0)
                busy.append(self._assign(task))
            by_connection = {child.connection: child for child in busy}
            for connection in wait(list(by_connection), PATIENCE):
                yield from self._hear(by_connection[connection], progress)

    def _busy(self) -> list[Child]:
        return [child for child in self._children if child.task is not None]

    def _assign(self, task: StackTask | CheckTask) -> Child:
        for child in [child for child in self._children if child.task is None and not child.usable]:
            self._retire(child)
        child = next((child for child in self._children if child.usable), None)
        if child is None:
            child = Child(self._plugins, self._data, self.threads)
            self._children.append(child)
        child.assign(task, self.timeout)
        self._watch.add(child)
        return child

    def _retire(self, child: Child) -> None:
        self._watch.remove(child)
        self._children.remove(child)
        child.close()

    def _hear(self, child: Child, progress: Progress) -> Iterator[CellResult]:
        task, cells = child.task, dict(child.left)
        message = child.receive()
        if message is None:
            status, reason = child.death()
            self._retire(child)
            for cell in cells.values():
                yield CellResult(base_record(task, cell) | {"status": status, "reason": reason})
            return
        kind, content = message
        if kind == "step":
            report_step(progress, task, *content)
        elif kind == "result":
            child.suspect = child.suspect or content.record["status"] in _SUSPECT
            yield content
        elif kind == "end":
            self._watch.remove(child)
            if child.suspect:
                self._retire(child)
