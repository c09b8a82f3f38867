"""A crew of child processes that serve stacks one after another, so that torch is imported once per child.

One that saw a failure is not used again. A crew may be used by several threads.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from bench.errors import UsageError
from bench.runs.cells.task import CellResult, Check, StackTask
from bench.runs.engines.child_main import CallTask, CheckTask
from bench.runs.engines.child_process import Child
from bench.runs.engines.limits import Watch
from bench.runs.engines.shared_arrays import PackedSplit

#: What a cell can end with that makes its process suspect.
_SUSPECT = ("error", "oom")


class Crew:
    """Child processes under a watch; a context manager.

    Args:
        plugins: `--plugins` paths.
        data: arrays given to `bench.run`, or None.
        threads: what numerical libraries may use in each child, or None to leave that to them.
        timeout: seconds of wall-clock time that a task may take, or None.
        ceiling: bytes that a child may use.
        reason: how the ceiling came about.
    """

    def __init__(
        self,
        plugins: Sequence[str],
        data: PackedSplit | None,
        threads: int | None,
        timeout: float | None,
        ceiling: int,
        reason: str,
    ) -> None:
        self._plugins, self._data, self._threads, self._timeout = tuple(plugins), data, threads, timeout
        self._watch = Watch(ceiling, reason)
        self._children: list[Child] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Crew:
        self._watch.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._watch.__exit__(*exception)
        with self._lock:
            for child in self._children:
                child.close()
            self._children.clear()

    def start(self, count: int) -> None:
        """Start so many children, which load torch at the same time.

        Raises:
            UsageError: the system gives no more processes; those that have started are ended.
        """
        try:
            with self._lock:
                while len(self._children) < count:
                    self._children.append(Child(self._plugins, self._data, self._threads))
        except OSError as error:
            self.__exit__()
            what = f"cannot start {count} worker processes ({error.strerror})"
            raise UsageError(f"{what}; give a smaller --n-jobs") from error

    def widen(self, ceiling: int, reason: str) -> None:
        """From now on a child may use `ceiling` bytes; call it while none is at work."""
        self._watch.ceiling, self._watch.reason = ceiling, reason
        with self._lock:  # memory that they hold is no longer theirs
            for child in list(self._children):
                self._retire(child)

    def busy(self) -> list[Child]:
        """The children that are at work."""
        return [child for child in self._children if child.task is not None]

    def assign(self, task: StackTask | CheckTask | CallTask) -> Child:
        """Give `task` to a child that is free, or to a new one."""
        with self._lock:
            for broken in [child for child in self._children if child.task is None and not child.usable]:
                self._retire(broken)
            child = next((child for child in self._children if child.usable), None)
            if child is None:
                child = Child(self._plugins, self._data, self._threads)
                self._children.append(child)
            child.assign(task, self._timeout)
        self._watch.add(child)
        return child

    def withdraw(self) -> None:
        """Take tasks back that no child has begun; nothing becomes of them."""
        with self._lock:
            for child in [child for child in self.busy() if not child.begun]:
                self._retire(child)

    def hear(self, child: Child, on_step: Callable[[int, int], Any]) -> Iterator[CellResult]:
        """Wait for the next message of `child`: at most one result, or all that is left when the child has ended."""
        task, cells = child.task, dict(child.left)
        message = child.receive()
        if message is None:
            status, reason = child.death()
            with self._lock:
                self._retire(child)
            from bench.runs.cells.cell_records import base_record  # it loads torch

            for cell in cells.values():
                yield CellResult(base_record(task, cell) | {"status": status, "reason": reason})
            return
        kind, content = message
        if kind == "step":
            on_step(*content)
        elif kind == "result":
            child.suspect = child.suspect or content.record["status"] in _SUSPECT
            yield content
        elif kind == "end":
            self._watch.remove(child)
            if child.suspect:
                with self._lock:
                    self._retire(child)

    def check(self, checks: Sequence[Check]) -> list[str]:
        """Carry out `checks` in a child, as plugins can hang or take all memory there as well.

        Returns:
            What they found worth saying, a line each.

        Raises:
            UsageError: the first thing that is wrong.
        """
        todo, said = deque(checks), list[str]()
        while todo:
            child = self.assign(CheckTask(tuple(todo)))
            while child.task is not None:
                kind, content = child.receive() or ("death", None)
                if kind == "wrong":
                    raise UsageError(content)
                if kind == "checked":
                    todo.popleft()
                    said += content or []
                if kind == "death":
                    todo.popleft()  # it will be recorded when its cells run
                    child.death()
            self._watch.remove(child)
        return said

    def call(self, module: str, name: str, *arguments: Any) -> None:
        """`module.name(*arguments)` of this package in a child; what it raises, or its end, comes to nothing."""
        child = self.assign(CallTask(module, name, arguments))
        while child.task is not None:
            if child.receive() is None:
                child.death()
        self._watch.remove(child)

    def _retire(self, child: Child) -> None:
        self._watch.remove(child)
        if child in self._children:
            self._children.remove(child)
        child.close()
