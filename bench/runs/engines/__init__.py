"""Engines run stacks and hand back results: in this process, in child processes, or on a cluster."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from bench.contracts.dataset import Split
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.runs.cells.preflight import Check
    from bench.runs.cells.task import CellResult, StackTask
    from bench.runs.cells.worker_state import Workshop
    from bench.runs.progress import Progress
    from bench.spec.run import RunOptions, RunSpec


class Engine(Protocol):
    """Runs stacks; a context manager, so that processes end with the run.

    Attributes:
        name: for the records.
        threads: torch threads per stack, or None for torch's own choice.
        alone: whether stacks have the machine to themselves, so that timings mean something.
    """

    name: str
    threads: int | None
    alone: bool

    def __enter__(self) -> Any: ...

    def __exit__(self, *exception: object) -> None: ...

    def device(self, name: str) -> str:
        """The device for the stacks that `name` ("auto", "cpu", "cuda", "cuda:N") stands for where they run."""
        ...

    def check(self, checks: Sequence[Check], workshop: Workshop) -> None:
        """Carry out `checks` (see `bench.runs.cells.preflight`); `UsageError` for the first thing that is wrong."""
        ...

    def run(
        self, tasks: Sequence[StackTask], workshop: Workshop, progress: Progress, stop: Any
    ) -> Iterator[CellResult]:
        """Yield one result per cell of every task; after `stop.requested` start no further stack."""
        ...


def make_engine(options: RunOptions, spec: RunSpec, arrays: Split | None) -> Engine:
    """The engine that the options ask for; `UsageError` for one that cannot serve this run."""
    kind, _, address = options.engine.partition("=")
    if kind == "dask":
        if importlib.util.find_spec("distributed") is None:
            raise UsageError("--engine dask needs dask.distributed; install it with: pip install 'aebench[dask]'")
        if address and options.n_jobs > 1:
            raise UsageError("--n-jobs is for one's own cluster; a running one has as many workers as were started")
        from bench.runs.engines.dask_engine import DaskEngine

        return DaskEngine(address or None, options.n_jobs, options.timeout, spec.plugins, arrays)
    if options.n_jobs == 1 and options.timeout is None:
        from bench.runs.engines.inline import InlineEngine

        return InlineEngine()
    from bench.runs.engines.process import ProcessEngine

    return ProcessEngine(options.n_jobs, options.timeout, spec.plugins, arrays)
