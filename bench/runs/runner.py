"""Carries out a run: plan, resume, run stacks through an engine, store every result, report.

Only this process writes. Everything a user can have wrong is found before the first file is made.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.contracts.dataset import Split
from bench.errors import Terminated
from bench.reports import report_run
from bench.reports.csv_tables import export
from bench.runs.cells import training_state
from bench.runs.cells.preflight import checks_for, refuse_what_is_not_there
from bench.runs.cells.task import StackTask
from bench.runs.cells.worker_state import Workshop
from bench.runs.engines import Engine, make_engine
from bench.runs.fingerprints import Fingerprints
from bench.runs.interrupt import StopRequest
from bench.runs.plan import notes, plan_tasks
from bench.runs.progress import Progress
from bench.runs.result_writer import Keeper
from bench.runs.resume import History, Verdict, judge
from bench.spec.registry import Registry
from bench.spec.run import CellSpec, RunOptions, RunSpec
from bench.store.event_files import EventLog, need_tensorboard
from bench.store.lock import refuse_second_writer
from bench.store.run_store import RunStore
from bench.throughput.of_run import measure_run as measure_core


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended.

    Attributes:
        directory: where its files are.
        n_cells: planned cells. n_failed: cells without a result. n_skipped: incompatible cells.
        n_run: cells that ran this time. interrupted: whether the user stopped it early.
        findings: who wins most, a line for each data set.
    """

    directory: Path
    n_cells: int
    n_failed: int
    n_skipped: int
    n_run: int
    interrupted: bool = False
    findings: tuple[str, ...] = ()


def execute(spec: RunSpec, options: RunOptions, registry: Registry, arrays: Split | None = None) -> RunOutcome:
    """Carry out `spec`, going on where an earlier call stopped, and write the report.

    Raises:
        UsageError: the request cannot be carried out as written; nothing has been written then.
    """
    with StopRequest() as stop:
        return _execute(spec, options, registry, arrays, stop)


def _execute(
    spec: RunSpec, options: RunOptions, registry: Registry, arrays: Split | None, stop: StopRequest
) -> RunOutcome:
    if options.tensorboard:
        need_tensorboard()
    spec = spec.validate(registry)
    cells = spec.cells(registry)
    directory = options.directory(spec)
    refuse_second_writer(directory)
    workshop = Workshop(spec.plugins, arrays)
    fingerprints = Fingerprints(workshop.registry, spec.metrics)
    history, known = _known(directory, options.force, fingerprints, cells)
    with make_engine(options, spec, arrays) as engine:
        device = engine.device(spec.device)
        refuse_what_is_not_there(spec.train, device, here=engine.name == "local")
        engine.check(checks_for(cells, known), workshop)
        with RunStore.create(directory, spec, plan=cells) as store:
            history = History.read(store, history)
            events = EventLog(store) if options.tensorboard else None
            heard = {} if events is None else {"kept": events.write}
            keeper = Keeper(store, fingerprints, cells, history, options.force, **heard)
            if events is not None:
                events.catch_up(key for key, verdict in keeper.verdicts.items() if verdict is Verdict.DONE)
            if options.force:
                training_state.tidy(directory)
            tasks = plan_tasks(
                cells,
                keeper.verdicts,
                {} if options.force else history.groups,
                store,
                fingerprints,
                plugins=tuple(spec.plugins),
                metrics=spec.metrics,
                device=device,
                threads=engine.threads,
                engine=engine.name,
                alone=engine.alone,
                progress=training_state.open_place(directory),
            )
            news = notes(cells, keeper.verdicts, store.previous_spec, store.spec)
            n_run, interrupted = _run_all(tasks, len(cells), workshop, engine, keeper, options.quiet, news, stop)
            stop.hold()
            training_state.tidy(directory, keeper.unfinished())
            export(store)
            if n_run and not stop.requested and engine.name == "local":
                measure_core(directory, spec.train, store.iter_records(), device)
    findings = report_run(directory)
    statuses = Counter(keeper.statuses.get(cell.cell_id, "missing") for cell in cells)
    failed = len(cells) - statuses["ok"] - statuses["skipped"]
    return RunOutcome(directory, len(cells), failed, statuses["skipped"], n_run, interrupted, tuple(findings))


def _known(
    directory: Path, force: bool, fingerprints: Fingerprints, cells: Sequence[CellSpec]
) -> tuple[History | None, set[str]]:
    """The history of the directory, and the cells with a valid result, so that their data need not even be loaded."""
    if force or not (directory / "cells.jsonl").is_file():
        return None, set()
    store = RunStore.open(directory)
    history = History.read(store)
    verdicts = judge(cells, history.latest, store, fingerprints)
    return history, {cell_id for cell_id, verdict in verdicts.items() if verdict is Verdict.DONE}


def _run_all(
    tasks: Sequence[StackTask],
    n_cells: int,
    workshop: Workshop,
    engine: Engine,
    keeper: Keeper,
    quiet: bool,
    news: Sequence[str],
    stop: StopRequest,
) -> tuple[int, bool]:
    """Run the tasks and keep every result; returns the number of results and whether the user stopped the run."""
    n_due = sum(len(task.cells) for task in tasks)
    count, skipped = 0, set()
    with Progress(n_due, quiet) as progress, stop.listening(progress):
        if n_due < n_cells and not quiet:
            progress.note(f"{n_cells - n_due} of {n_cells} cells have results already; {n_due} to do")
        for line in news:
            progress.note(line)
        with contextlib.closing(engine.run(tasks, workshop, progress, stop)) as results:
            for result in results:
                with stop.undisturbed():
                    record = keeper.keep(result)
                label = f"{record['variant_label']} on {record['dataset_label']}"
                if record["status"] == "skipped" and label not in skipped and not quiet:  # its seeds share the reason
                    skipped.add(label)
                    progress.note(f"skipped: {label}: {record['reason']}")
                progress.done(1, record["status"], label)
                count += 1
                if stop.ended_by:
                    raise Terminated(stop.ended_by)
    return count, stop.requested
