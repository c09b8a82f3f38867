"""Engines run stacks and hand back results: in this process, in child processes, or on a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from bench.contracts.dataset import Split
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.progress import Progress
    from bench.runner import StopRequest
    from bench.spec import RunOptions, RunSpec
    from bench.work import CellResult, StackTask
    from bench.workshop import Workshop


class Engine(Protocol):
    """Runs stacks.

    Attributes:
        name: for the records.
        threads: torch threads per stack, or None for torch's own choice.
        alone: whether stacks have the machine to themselves, so that timings mean something.
    """

    name: str
    threads: int | None
    alone: bool

    def run(
        self, tasks: Sequence[StackTask], workshop: Workshop, progress: Progress, stop: StopRequest
    ) -> Iterator[CellResult]:
        """Yield one result per cell of every task; after `stop.requested` start no further stack."""
        ...


def make_engine(options: RunOptions, spec: RunSpec, arrays: Split | None) -> Engine:
    """The engine that the options ask for; `UsageError` for an unknown one or one that cannot serve this run."""
    from bench.engines.inline import InlineEngine

    if options.engine != "local":
        raise UsageError(f"unknown engine {options.engine!r}; known: local")
    return InlineEngine()
