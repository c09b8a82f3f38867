"""The engine of `--engine dask`: stacks as tasks of a dask.distributed cluster, one's own or one that runs already.

Only this process writes. A stack is submitted under a key of its own, so that nothing runs twice; as many are under way
as the cluster has threads, so that Ctrl-C leaves no queue behind.
"""

from __future__ import annotations

import contextlib
import hashlib
import pickle
import queue
import secrets
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import Any

import torch

from bench.contracts.dataset import Split
from bench.cores import usable_cores
from bench.errors import BenchError, UsageError, one_line
from bench.runs.cells.cell_records import base_record, failure_record
from bench.runs.cells.task import CellResult, Check, StackTask, label_of
from bench.runs.engines.child_main import CheckTask
from bench.runs.engines.code_versions import code_facts
from bench.runs.engines.dask_client import check_workers, connected
from bench.runs.engines.dask_worker import Job, end_run, run_job
from bench.runs.engines.shared_arrays import pack
from bench.runs.progress import Progress, duration
from bench.spec.run import RunOptions, RunSpec

#: Seconds without any worker after which the stacks that are left are given up.
WORKERLESS_LIMIT = 300.0
#: Seconds after which the driver looks whether the user wants to stop and whether there are workers.
PATIENCE = 0.5
#: Seconds without a scheduler after which a run ends.
SCHEDULERLESS_LIMIT = 5.0
#: How often a stack is submitted again after it was lost with its workers, by itself, before it is given up.
RETRIES = 1


@dataclass
class _Submitted:
    """A stack on the cluster, and how often it was lost before."""

    task: StackTask
    future: Any
    lost: int


class DaskEngine:
    """Runs stacks on a dask.distributed cluster, each in a child process of a worker.

    Args:
        address: of a scheduler or its scheduler file; None starts a cluster inside this process.
        options: workers of one's own cluster, threads of each, seconds of wall-clock time that a stack may take.
        spec: device and `--plugins` paths, which must mean the same files on every worker.
        arrays: arrays given to `bench.run`, or None; sent to the workers once.
    """

    name = "dask"
    workers = None
    device = "cpu"

    def __init__(self, address: str | None, options: RunOptions, spec: RunSpec, arrays: Split | None) -> None:
        cores = usable_cores()
        self._n_jobs = cores if isinstance(options.n_jobs, str) else options.n_jobs  # the word is "auto"
        self.threads = options.threads or (max(1, cores // self._n_jobs) if address is None else 1)
        self._address, self._timeout, self._asked = address, options.timeout, spec.device
        self.plan = f"a cluster × {self.threads} thread{'' if self.threads == 1 else 's'} for each stack"
        self._plugins, self._arrays = tuple(spec.plugins), arrays
        self._run = secrets.token_hex(8)
        self._facts = code_facts(self._plugins)
        self._submitted: dict[str, _Submitted] = {}
        self._ended: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._opened = contextlib.ExitStack()
        self._client: Any = None
        self._data: Any = None
        self._gpus = 0

    def __enter__(self) -> DaskEngine:
        """Connect; `UsageError` for no scheduler, no worker, or a worker with other code."""
        with contextlib.ExitStack() as opening:
            self._client = opening.enter_context(connected(self._address, self._n_jobs))
            opening.callback(self._end_children)
            try:
                self._gpus = check_workers(self._client, self._plugins, self._facts)
            except OSError as error:
                raise UsageError(f"the dask scheduler stopped answering: {one_line(error)}") from error
            self.device = self._device(self._asked)
            if self._arrays is not None:
                with pack(self._arrays) as packed:
                    self._data = self._client.scatter(packed.contents(), broadcast=True, hash=False)
            self._opened = opening.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._is_connected:
            with contextlib.suppress(Exception):
                self._client.cancel([one.future for one in self._submitted.values()])
        self._opened.close()

    @property
    def _is_connected(self) -> bool:
        return self._client is not None and self._client.status == "running"

    def _end_children(self) -> None:
        with contextlib.suppress(Exception):
            if self._is_connected:
                self._client.run(end_run, self._run, on_error="ignore")

    def _device(self, name: str) -> str:
        """The device of the stacks: "auto" is a GPU where workers declare the resource `GPU`, and else the CPU."""
        if name == "auto":
            return "cuda" if self._gpus else "cpu"
        if name.startswith("cuda") and not any(self._client.run(torch.cuda.is_available).values()):
            raise UsageError(f"device {name!r}: no worker has a GPU that torch sees; give --device cpu or auto")
        return name

    def check(self, checks: Sequence[Check]) -> list[str]:
        """Carry out `checks` on a worker: what they found worth saying; `UsageError` for the first that fails."""
        if not checks:
            return []
        try:
            found = pickle.loads(self._submit_job(CheckTask(tuple(checks)), "checks", "cpu").result())
        except UsageError:
            raise
        except Exception:  # the worker was lost: what is wrong will be recorded when the cells run
            return []
        if isinstance(found, str):
            raise UsageError(found)
        return found

    def run(self, tasks: Sequence[StackTask], progress: Progress, stop: Any) -> Generator[CellResult, None, None]:
        """One result per cell; a stack that was lost with its workers is tried again by itself, at the end."""
        todo, alone = deque(tasks), deque[StackTask]()
        since = heard = time.monotonic()
        while self._submitted or ((todo or alone) and not stop.requested):
            threads = self._threads()
            if threads is None:
                if time.monotonic() - heard > SCHEDULERLESS_LIMIT:
                    progress.note("the dask scheduler does not answer any more; what is done is stored")
                    return
                time.sleep(PATIENCE)
                continue
            heard = time.monotonic()
            since = time.monotonic() if threads else since
            while todo and not stop.requested and len(self._submitted) < self._slots(todo[0], threads):
                self._submit(todo.popleft(), 0, progress)
            if alone and not todo and not self._submitted and not stop.requested:
                self._submit(alone.popleft(), 1, progress)
            try:
                one = self._submitted.pop(self._ended.get(timeout=PATIENCE))
            except queue.Empty:
                if time.monotonic() - since > WORKERLESS_LIMIT:
                    left = [*(one.task for one in self._submitted.values()), *todo, *alone]
                    yield from _killed(left, f"the cluster had no worker for {duration(WORKERLESS_LIMIT)}")
                    return
                progress.still_there()
                continue
            yield from self._outcome(one, alone)

    def _threads(self) -> int | None:
        """The threads of all workers; None where the scheduler does not answer."""
        try:
            return sum(self._client.nthreads().values()) if self._is_connected else None
        except Exception:  # what a connection that breaks raises is many things
            return None

    def _slots(self, task: StackTask, threads: int) -> int:
        """How many stacks like `task` the cluster can run at a time."""
        return self._gpus if task.device.startswith("cuda") and self._gpus else threads

    def _submit(self, task: StackTask, lost: int, progress: Progress) -> None:
        progress.stack(label_of(task.cells), len(task.cells), 0)
        future = self._submit_job(task, f"{task.cells[0].stack_id}-{lost}", task.device)
        self._submitted[future.key] = _Submitted(task, future, lost)
        future.add_done_callback(lambda ended: self._ended.put(ended.key))

    def _submit_job(self, task: StackTask | CheckTask, name: str, device: str) -> Any:
        job = Job(self._run, task, self._facts, self._plugins, self.threads, self._timeout)
        content = pickle.dumps(job)
        mark = hashlib.sha256(content).hexdigest()[:16]
        resources = {"GPU": 1} if device.startswith("cuda") and self._gpus else None
        key = f"aebench-{name}-{mark}"
        return self._client.submit(run_job, content, self._data, key=key, resources=resources, pure=False)

    def _outcome(self, one: _Submitted, alone: deque[StackTask]) -> Iterator[CellResult]:
        from distributed import KilledWorker

        try:
            results = pickle.loads(one.future.result())
        except (KilledWorker, CancelledError) as error:
            cut_off = isinstance(error, CancelledError) and not self._is_connected  # the scheduler's end, not its own
            if one.lost < RETRIES or cut_off:
                alone.append(one.task)
                return
            reason = "its worker died, or was lost, each time that it ran"
            yield from _killed([one.task], reason)
        except Exception as error:  # a worker that cannot run it: other code, no such plugin
            told = {"reason": str(error)} if isinstance(error, BenchError) else {}
            for cell in one.task.cells:
                yield CellResult(failure_record(one.task, cell, error) | told)
        else:
            yield from results


def _killed(tasks: Iterable[StackTask], reason: str) -> Iterator[CellResult]:
    for task in tasks:
        for cell in task.cells:
            yield CellResult(base_record(task, cell) | {"status": "killed", "reason": reason})
