"""What runs on a worker of a cluster: a stack in a child process of the worker, within its time and memory.

The child contains what a plugin does; the worker itself stays responsive and alive. Children are kept warm for the next
stack of the same run, and end with it, with the worker, or when nothing came for a while.
"""

from __future__ import annotations

import contextlib
import functools
import pickle
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bench.errors import UsageError
from bench.memory import available_memory
from bench.runs.cells.task import CellResult, StackTask
from bench.runs.engines.child_main import CheckTask
from bench.runs.engines.code_versions import code_facts, differences
from bench.runs.engines.limits import SHARE
from bench.runs.engines.process_pool import Crew
from bench.runs.engines.shared_arrays import PackedSplit

#: Seconds after which children that nobody used are ended.
IDLE = 60.0
#: Seconds between two looks whether somebody still waits for the result.
_LOOK_EVERY = 1.0


@dataclass(frozen=True)
class Job:
    """A task for a worker.

    Attributes:
        run: random text that names the driver's run.
        task: the stack, or what to check.
        facts: of the driver's code, see `bench.runs.engines.code_versions`.
        plugins: `--plugins` paths.
        threads: torch threads per child.
        timeout: seconds that the task may take, or None.
    """

    run: str
    task: StackTask | CheckTask
    facts: dict[str, str]
    plugins: tuple[str, ...]
    threads: int
    timeout: float | None


class CodeMismatch(UsageError):
    """A worker runs other code than the driver."""


def run_job(content: bytes, data: tuple[bytes, list[tuple[int, int]], bytes] | None = None) -> bytes:
    """Carry out a pickled `Job` on a worker; the pickled list of results, or for checks what is wrong (None: nothing).

    Args:
        data: index, places and bytes of packed arrays, or None.

    Raises:
        CodeMismatch: this worker's code is not the driver's.
    """
    from distributed import get_worker

    job: Job = pickle.loads(content)
    worker = get_worker()
    if wrong := differences(job.facts, _facts_of(job.run, job.plugins)):
        raise CodeMismatch(f"worker {worker.address} runs other code than the driver: {wrong}")
    key = worker.get_current_task()

    def wanted() -> bool:
        task = worker.state.tasks.get(key)
        return task is not None and task.state != "cancelled"

    limit = worker.memory_manager.memory_limit
    share = SHARE * (limit or available_memory()) / worker.state.nthreads
    with _crew(job, int(share), data) as crew:
        if isinstance(job.task, CheckTask):
            try:
                return pickle.dumps(crew.check(job.task.checks))
            except UsageError as error:
                return pickle.dumps(str(error))
        return pickle.dumps(_results(crew, job.task, wanted))


@functools.lru_cache(maxsize=8)
def _facts_of(run: str, plugins: tuple[str, ...]) -> dict[str, str]:
    """The facts when this worker first met the run; its children have read the same files since."""
    return code_facts(plugins)


def _results(crew: Crew, task: StackTask, wanted: Callable[[], bool]) -> list[CellResult]:
    child = crew.assign(task)
    results: list[CellResult] = []
    while child.task is not None:
        if child.connection.poll(_LOOK_EVERY):
            results += crew.hear(child, lambda done, steps: None)
        elif not wanted():
            child.end("killed", "nobody waits for its results any more")
    return results


def end_run(run: str) -> None:
    """End the children of a driver's run on this worker."""
    with _LOCK:
        for key in [key for key, held in _CREWS.items() if key[0] == run and held.users == 0]:
            _CREWS.pop(key).close()


@dataclass
class _Held:
    """A crew, how many threads use it, and the timer that ends it when none does."""

    crew: Crew
    file: Any = None
    users: int = 0
    timer: threading.Timer | None = field(default=None)

    def close(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
        self.crew.__exit__()
        if self.file is not None:
            self.file.close()


_CREWS: dict[tuple, _Held] = {}
_LOCK = threading.Lock()


@contextlib.contextmanager
def _crew(job: Job, ceiling: int, data: Any):
    key = (job.run, job.plugins, job.threads, job.timeout)
    with _LOCK:
        if key not in _CREWS:
            packed = None if data is None else _unpacked(*data)
            crew = Crew(
                job.plugins, packed, job.threads, job.timeout, ceiling, f"{SHARE:.0%} of a worker's memory per thread"
            )
            _CREWS[key] = _Held(crew.__enter__(), packed and packed.file)
        held = _CREWS[key]
        held.users += 1
        if held.timer is not None:
            held.timer.cancel()
    try:
        yield held.crew
    finally:
        with _LOCK:
            held.users -= 1
            if held.users == 0:
                held.timer = threading.Timer(IDLE, end_run, [job.run])
                held.timer.daemon = True
                held.timer.start()


def _unpacked(index: bytes, places: list[tuple[int, int]], content: bytes) -> PackedSplit:
    file = tempfile.TemporaryFile(prefix="aebench-")
    file.write(content)
    file.flush()
    return PackedSplit(index, places, file)
