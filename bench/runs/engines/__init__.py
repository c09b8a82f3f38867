"""Engines run stacks and hand back results: in this process, in child processes, or on a cluster."""

from __future__ import annotations

import importlib.util
from collections.abc import Collection, Generator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from bench.contracts.dataset import Split
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.runs.cells.task import CellResult, Check, StackTask
    from bench.runs.progress import Progress
    from bench.spec.request import ResolvedRun


class Engine(Protocol):
    """Runs stacks; a context manager, so that processes end with the run.

    Attributes:
        name: for the records.
        plan: who does the work, in words.
        device: of the stacks ("cpu", "cuda", "cuda:N"), known once it is entered.
        threads: torch threads per stack, or None for torch's own choice.
        workers: stacks at a time, or None where that is not known.
    """

    name: str
    plan: str
    device: str

    @property
    def threads(self) -> int | None: ...

    @property
    def workers(self) -> int | None: ...

    def __enter__(self) -> Any: ...

    def __exit__(self, *exception: object) -> None: ...

    def check(self, checks: Sequence[Check]) -> list[str]:
        """Carry out `checks` (see `bench.runs.cells.preflight`): lines to say; `UsageError` for the first wrong."""
        ...

    def run(self, tasks: Sequence[StackTask], progress: Progress, stop: Any) -> Generator[CellResult, None, None]:
        """Yield one result per cell of every task; after `stop.requested` start no further stack."""
        ...


class LocalEngine(Engine, Protocol):
    """One whose stacks run on this machine; its name is "local"."""

    def alone(self, module: str, name: str, *arguments: Any) -> None:
        """`module.name(*arguments)` of this package where stacks run, while none does."""
        ...


def make_engine(run: ResolvedRun, arrays: Split | None = None, done: Collection[str] = ()) -> Engine:
    """The engine that a run's options ask for; `UsageError` for one that cannot serve it.

    Args:
        arrays: given to `bench.run`, or None. done: ids of the cells that have results.
    """
    options, spec = run.options, run.spec
    kind, _, address = options.engine.partition("=")
    if kind == "dask":
        return _dask(run, arrays, done, address)
    from bench.runs.engines.local_device import local_device
    from bench.runs.engines.workers import plan_workers

    device = local_device(spec.device)
    plan = plan_workers(options, run.cells, done, device)
    if plan.inline:
        from bench.runs.engines.inline import InlineEngine

        return InlineEngine(plan, device, run.registry, arrays)
    from bench.runs.engines.process import ProcessEngine

    return ProcessEngine(plan, device, options.timeout, spec.plugins, run.registry, arrays)


def _dask(run: ResolvedRun, arrays: Split | None, done: Collection[str], address: str) -> Engine:
    if importlib.util.find_spec("distributed") is None:
        raise UsageError("--engine dask needs dask.distributed; install it with: pip install 'aebench[dask]'")
    if not address:
        from bench.runs.engines.workers import plan_workers

        plan_workers(run.options, run.cells, done)  # it refuses more workers than this machine's memory holds
    elif run.options.n_jobs not in ("auto", 1):
        raise UsageError("--n-jobs is for one's own cluster; a running one has as many workers as were started")
    from bench.runs.engines.dask_engine import DaskEngine

    return DaskEngine(address or None, run.options, run.spec, arrays)
