"""Carries out a run: plan, resume, run stacks through an engine, store every result, report.

Only this process writes. Everything a user can have wrong is found before the first file is made.
"""

from __future__ import annotations

import functools
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import torch

from bench import environment
from bench.contracts.dataset import Split
from bench.engines import Engine, make_engine
from bench.errors import BenchError, UsageError
from bench.networks import networks_named
from bench.progress import Progress
from bench.registry import Registry
from bench.report import write_report
from bench.resume import Fingerprints, Verdict, judge
from bench.spec import CellSpec, RunOptions, RunSpec
from bench.store import RunStore
from bench.work import CellResult, StackTask
from bench.workshop import Workshop, check_fit


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended.

    Attributes:
        directory: where its files are.
        n_cells: planned cells. n_failed: cells without a result. n_skipped: incompatible cells.
        n_run: cells that ran this time. interrupted: whether the user stopped it early.
    """

    directory: Path
    n_cells: int
    n_failed: int
    n_skipped: int
    n_run: int
    interrupted: bool = False


def execute(spec: RunSpec, options: RunOptions, registry: Registry, arrays: Split | None = None) -> RunOutcome:
    """Carry out `spec`, going on where an earlier call stopped, and write the report.

    Raises:
        UsageError: the request cannot be carried out as written; nothing has been written then.
    """
    spec = spec.validate(registry)
    device = resolve_device(spec.device)
    cells = spec.cells(registry)
    directory = options.directory(spec)
    workshop = Workshop(spec.plugins, arrays)
    engine = make_engine(options, spec, arrays)
    fingerprints = Fingerprints(workshop.registry, spec.metrics)
    prepare(cells, workshop, _known(directory, options.force, fingerprints, cells))
    with RunStore.create(directory, spec, plan=cells) as store:
        facts = environment.describe_environment()
        store.save_environment(facts, environment.env_hash(facts))
        provenance = {
            "run_id": directory.name,
            "env_hash": environment.env_hash(facts),
            "git_sha": (facts.get("git") or {}).get("sha"),
        }
        verdicts = {} if options.force else judge(cells, store, fingerprints)
        tasks = plan_tasks(cells, verdicts, store, spec, options, device, engine)
        keeper = functools.partial(
            keep, store=store, fingerprints=fingerprints, provenance=provenance, verdicts=verdicts
        )
        n_run, interrupted = _run_all(tasks, len(cells), workshop, engine, keeper, options.quiet)
        store.export()
        records = store.records()
    write_report(directory)
    statuses = [records[cell.cell_id]["status"] if cell.cell_id in records else "missing" for cell in cells]
    failed = sum(status not in ("ok", "skipped") for status in statuses)
    return RunOutcome(directory, len(cells), failed, statuses.count("skipped"), n_run, interrupted)


def resolve_device(name: str) -> str:
    """The device that "auto", "cpu", "cuda" or "cuda:N" stands for here; `UsageError` when it does not exist."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda"):
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if int(name.partition(":")[2] or 0) >= count:
            there = f"there {'is' if count == 1 else 'are'} {count}" if count else "torch sees none"
            raise UsageError(f"device {name!r} does not exist here ({there}); give --device cpu or auto")
    return name


def prepare(cells: Sequence[CellSpec], workshop: Workshop, known: set[str]) -> None:
    """Find what a user can have wrong in the cells that are to run: parameters, data, sizes, network.

    Plugins that fail for other reasons are left for the run, which records them.

    Raises:
        UsageError: names the first thing that is wrong.
    """
    due = [cell for cell in cells if cell.cell_id not in known]
    checked: set[Any] = set()
    for cell in due:
        settings = cell.train
        networks_named(settings.network.name, settings.network.params)
        if not cell.is_control and cell.variant not in checked:
            checked.add(cell.variant)
            _tolerant(workshop.variant, cell)
    for cell in due:
        if not cell.is_control and cell.dataset not in checked:
            checked.add(cell.dataset)
            _tolerant(lambda cell: check_fit(cell, workshop.split(cell)), cell)


def _tolerant(check, cell: CellSpec) -> None:
    try:
        check(cell)
    except UsageError:
        raise
    except BenchError:
        return  # recorded with its reason when the cell runs


def _known(directory: Path, force: bool, fingerprints: Fingerprints, cells: Sequence[CellSpec]) -> set[str]:
    """Cells that an earlier call left a valid result for, so that their data need not even be loaded."""
    if force or not (directory / "cells.jsonl").is_file():
        return set()
    verdicts = judge(cells, RunStore.open(directory), fingerprints)
    return {cell_id for cell_id, verdict in verdicts.items() if verdict is Verdict.DONE}


def plan_tasks(
    cells: Sequence[CellSpec],
    verdicts: dict[str, Verdict],
    store: RunStore,
    spec: RunSpec,
    options: RunOptions,
    device: str,
    engine: Engine,
) -> list[StackTask]:
    """The stacks that are still to run, in order."""
    tasks = []
    together = {} if options.force else seeds_together(store, cells)
    for stack_id, group in groupby(cells, key=lambda cell: cell.stack_id):
        missing = [cell for cell in group if verdicts.get(cell.cell_id) is not Verdict.DONE]
        for seeds, due in _by_group(missing, together.get(stack_id, [])):
            again = [cell.cell_id for cell in due if verdicts.get(cell.cell_id) is Verdict.EVALUATE]
            tasks.append(
                StackTask(
                    cells=tuple(due),
                    plugins=tuple(spec.plugins),
                    metrics=spec.metrics,
                    device=device,
                    threads=engine.threads,
                    engine=engine.name,
                    alone=engine.alone,
                    together=seeds,
                    weights={cell_id: str(store.checkpoint_path(cell_id)) for cell_id in again},
                )
            )
    return tasks


def seeds_together(store: RunStore, cells: Sequence[CellSpec]) -> dict[str, list[tuple[int, ...]]]:
    """stack_id → groups of seeds that have trained in one stack so far."""
    planned = {cell.stack_id for cell in cells}
    groups: dict[str, list[tuple[int, ...]]] = {}
    for record in store.iter_records():
        seeds = tuple(record.get("stack_seeds") or ())
        if record["stack_id"] in planned and len(seeds) > 1 and seeds not in groups.setdefault(record["stack_id"], []):
            groups[record["stack_id"]].append(seeds)
    return groups


def _by_group(
    cells: Sequence[CellSpec], groups: Sequence[tuple[int, ...]]
) -> list[tuple[tuple[int, ...], list[CellSpec]]]:
    """`cells` of one stack by the group that their seed trained in before; those without one train together."""
    found: dict[tuple[int, ...], list[CellSpec]] = {}
    for cell in cells:
        found.setdefault(next((group for group in groups if cell.seed in group), ()), []).append(cell)
    return [(group or tuple(cell.seed for cell in due), due) for group, due in found.items()]


def _run_all(
    tasks: Sequence[StackTask],
    n_cells: int,
    workshop: Workshop,
    engine: Engine,
    keeper: Callable[[CellResult], None],
    quiet: bool,
) -> tuple[int, bool]:
    """Run the tasks and keep every result; returns the number of results and whether the user stopped the run."""
    n_due = sum(len(task.cells) for task in tasks)
    count = 0
    stop = StopRequest()
    with Progress(n_due, quiet) as progress, stop.listening(progress):
        if n_due < n_cells and not quiet:
            progress.note(f"{n_cells - n_due} of {n_cells} cells have results already; {n_due} to do")
        for result in engine.run(tasks, workshop, progress, stop):
            keeper(result)
            progress.done(1, result.record["status"])
            count += 1
    return count, stop.requested


def keep(result: CellResult, store: RunStore, fingerprints: Fingerprints, provenance: dict, verdicts: dict) -> None:
    """Store one result: weights and arrays first, then the record that says they are there."""
    record = result.record
    cell_id = record["cell_id"]
    if result.tensors is not None:
        store.save_checkpoint(cell_id, result.tensors, result.meta)
    if result.arrays:
        evaluated_again = verdicts.get(cell_id) is Verdict.EVALUATE
        history = store.load_arrays(cell_id, "history_") if evaluated_again else {}
        store.save_arrays(cell_id, {**history, **result.arrays})
    if verdicts.get(cell_id) is Verdict.EVALUATE and record["status"] == "ok":
        record = fingerprints.carry_over(store, record)
    store.append({**record, **provenance, **fingerprints.of_record(record)})


class StopRequest:
    """Ctrl-C: once finishes what runs and reports, twice stops at once (results so far are kept)."""

    def __init__(self) -> None:
        self.requested = False

    def listening(self, progress: Progress):
        """A context in which SIGINT sets `requested` the first time and raises KeyboardInterrupt the second."""
        return _Listening(self, progress)


class _Listening:
    def __init__(self, stop: StopRequest, progress: Progress) -> None:
        self._stop, self._progress = stop, progress
        self._previous: Any = None

    def __enter__(self) -> None:
        try:
            self._previous = signal.signal(signal.SIGINT, self._handle)
        except ValueError:  # not the main thread: the caller's own handling applies
            self._previous = None

    def __exit__(self, *_: object) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)

    def _handle(self, *_: object) -> None:
        if self._stop.requested:
            raise KeyboardInterrupt
        self._stop.requested = True
        self._progress.note("stopping after what runs now; press Ctrl-C again to stop at once")
