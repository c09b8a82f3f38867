"""Carries out a run: plan, resume, run stacks through an engine, store every result, report.

Only this process writes. Everything a user can have wrong is found before the first file is made.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from bench.analysis.catalogue import declarations
from bench.contracts.dataset import Split
from bench.errors import Terminated
from bench.files import refuse_impossible, refuse_unwritable
from bench.reports import report_run
from bench.reports.stamp import findings_of_current
from bench.runs import latent, references
from bench.runs.cells import training_state
from bench.runs.cells.task import StackTask, label_of
from bench.runs.engines import Engine, LocalEngine, make_engine
from bench.runs.fingerprints import Fingerprints
from bench.runs.interrupt import StopRequest
from bench.runs.plan import checks_for, notes, plan_tasks
from bench.runs.progress import Progress
from bench.runs.result_writer import Keeper
from bench.runs.resume import History, Verdict, judge
from bench.runs.staleness import reason
from bench.runs.versions import about_versions, heal, restorable, restore
from bench.spec.cells import CellSpec
from bench.spec.plugin_path import folders_open
from bench.spec.request import ResolvedRun
from bench.spec.run import RunSpec
from bench.spec.training import TrainSettings
from bench.store.event_files import EventLog, need_tensorboard
from bench.store.hypotheses import declare
from bench.store.lock import refuse_second_writer
from bench.store.run_store import RunStore
from bench.streams import Lasting
from bench.text import printable


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended.

    Attributes:
        store: its files, open for reading.
        n_cells: planned cells. n_failed: cells without a result. n_skipped: incompatible cells.
        n_run: cells that ran this time. interrupted: whether the user stopped it early.
        findings: what to take, data set by data set, and what else the report says first.
        n_incomplete: cells with a result that a metric of theirs failed on.
        n_outdated: cells whose earlier result stands, because doing them again failed.
    """

    store: RunStore
    n_cells: int
    n_failed: int
    n_skipped: int
    n_run: int
    interrupted: bool = False
    findings: tuple[str, ...] = ()
    n_incomplete: int = 0
    n_outdated: int = 0

    @property
    def directory(self) -> Path:
        """Where its files are."""
        return self.store.directory


def execute(run: ResolvedRun, arrays: Split | None = None) -> RunOutcome:
    """Carry out `run`, going on where an earlier call stopped, and write the report.

    Raises:
        UsageError: the request cannot be carried out as written; nothing has been written then.
    """
    with (
        StopRequest(run.options.max_minutes) as stop,
        folders_open(run.spec.plugins, here=run.spec.own_networks),
    ):
        return _execute(run, arrays, stop)


def _execute(run: ResolvedRun, arrays: Split | None, stop: StopRequest) -> RunOutcome:
    spec, options, registry, directory = run.spec, run.options, run.registry, run.directory
    if options.tensorboard:
        need_tensorboard()
    refuse_impossible(directory)
    refuse_unwritable(directory)
    refuse_second_writer(directory)
    beside = references.differences(run) if run.against is not None else []
    fingerprints = Fingerprints.of(spec, registry)
    _refuse_samplers(run)
    history = _history(directory, options.force)
    values = latent.known_values(run, history, fingerprints, arrays)
    run = latent.following(run, values)
    known = _done(directory, history, fingerprints, run.cells)
    with make_engine(run, arrays, known) as engine:
        _refuse_what_is_not_there(spec, engine)
        values |= latent.values_by_look(run, values, engine)
        run = latent.following(run, values)
        cells = run.cells
        said = latent.said(values) + engine.check(checks_for(cells, known, references.checksums(run)))
        with RunStore.create(directory, spec, plan=cells) as store:
            references.keep(run, directory, beside)
            store.save_metrics(declarations(registry, spec.evaluated, spec.samplers))
            history = History.read(store, history)
            heal(store, history)
            back = {} if options.force else restorable(cells, history, store, fingerprints)
            restore(store, back)
            history = History.read(store, history)
            declare(directory, spec.hypotheses, sum(record["status"] == "ok" for record in history.latest.values()))
            events = EventLog(store) if options.tensorboard else None
            heard = {} if events is None else {"kept": events.write}
            keeper = Keeper(store, fingerprints, cells, history, options.force, threads=engine.threads, **heard)
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
                metrics=spec.evaluated,
                likelihood_rows=spec.likelihood_rows,
                samplers=spec.samplers,
                device=engine.device,
                threads=engine.threads,
                workers=engine.workers,
                engine=engine.name,
                progress=training_state.open_place(directory),
            )
            why = functools.partial(_why, history, store.sources()["code"], fingerprints)
            news = beside + ([] if options.quiet else said)
            news += history.notes + notes(cells, keeper.verdicts, store.previous_spec, store.spec, why)
            news += about_versions(cells, keeper.verdicts, back, history, store, fingerprints)
            n_run, interrupted = _run_all(tasks, len(cells), engine, keeper, options.quiet, news, stop)
            stop.hold()
            store.check_presence()
            training_state.tidy(directory, keeper.unfinished())
            findings = None if n_run else findings_of_current(directory)
            if findings is None:
                _export(store)
            if n_run and not stop.requested and engine.name == "local":
                measure_core(cast(LocalEngine, engine), directory, cells[0].train, store.data().data_shapes())
    if findings is None:
        store.check_presence()
        if not options.quiet:
            _say("drawing the report …")
        findings = report_run(store)
    there = keeper.on_disk()
    if gone := len(keeper.statuses) - len(there):
        _say(_GONE.format(gone, printable(directory)))
    statuses = Counter(there.get(cell.cell_id, "missing") for cell in cells)
    failed = len(cells) - statuses["ok"] - statuses["skipped"]
    counts = (len(cells), failed, statuses["skipped"], n_run)
    incomplete, outdated = (len(ids & there.keys()) for ids in (keeper.incomplete, keeper.outdated))
    return RunOutcome(store, *counts, interrupted, tuple(findings), incomplete, outdated)


def _refuse_samplers(run: ResolvedRun) -> None:
    """Raise a `BenchError` for a sampler that cannot be built, before anything is trained for it."""
    if run.spec.samplers:
        from bench.runs.cells.preflight import refuse_samplers  # it loads torch

        refuse_samplers(run.registry, run.spec.samplers)


def _say(line: str) -> None:
    """A line on standard error, where there is one."""
    stream = Lasting(sys.stderr)
    stream.write(line + "\n")
    stream.flush()


#: Said where what this process stored is not in the folder when it ends.
_GONE = (
    "{} of the cells' results, or their files, are no longer in {}, where they were stored: something else removed or "
    "changed them; the same command again makes them anew"
)


def _why(history: History, sources: Mapping[str, Any], fingerprints: Fingerprints, cell: CellSpec) -> str:
    """What changed since the latest record of a cell."""
    return reason(cell, history.latest[cell.cell_id], sources, history.data_files, fingerprints)


def _export(store: RunStore) -> None:
    from bench.reports.csv_tables import export  # it loads what takes a second

    export(store)


def measure_core(
    engine: LocalEngine, directory: Path, settings: TrainSettings, shapes: Iterable[tuple[int, ...]]
) -> None:
    """Time the sampling-and-loss core at the run's sizes, where its stacks have run and while none does."""
    engine.alone("bench.throughput.of_run", "measure_run", directory, settings, sorted(shapes), engine.device)


def _refuse_what_is_not_there(spec: RunSpec, engine: Engine) -> None:
    if spec.train.compile or spec.train.precision == "tf32":
        from bench.runs.cells.preflight import refuse_what_is_not_there

        refuse_what_is_not_there(spec.train, engine.device, here=engine.name == "local")


def _history(directory: Path, force: bool) -> History | None:
    """The history of the directory, where there is one that counts."""
    there = not force and (directory / "cells.jsonl").is_file()
    return History.read(RunStore.open(directory)) if there else None


def _done(directory: Path, history: History | None, fingerprints: Fingerprints, cells: Sequence[CellSpec]) -> set[str]:
    """The cells with a valid result, so that their data need not even be loaded."""
    if history is None:
        return set()
    store = RunStore.open(directory)
    verdicts = judge(cells, history, store, fingerprints)
    back = restorable(cells, history, store, fingerprints)
    return back.keys() | {cell_id for cell_id, verdict in verdicts.items() if verdict is Verdict.DONE}


def _run_all(
    tasks: Sequence[StackTask],
    n_cells: int,
    engine: Engine,
    keeper: Keeper,
    quiet: bool,
    news: Sequence[str],
    stop: StopRequest,
) -> tuple[int, bool]:
    """Run the tasks and keep every result; returns the number of results and whether the user stopped the run."""
    n_due = sum(len(task.cells) for task in tasks)
    labels = {cell.cell_id: label_of(task.cells) for task in tasks for cell in task.cells}
    count, skipped = 0, set()
    with Progress(n_due, quiet) as progress, stop.listening(progress):
        if tasks and not quiet:
            progress.note(engine.plan)
        if n_due < n_cells and not quiet:
            progress.note(f"{n_cells - n_due} of {n_cells} cells have results already; {n_due} to do")
        for line in news:
            progress.note(line)
        with contextlib.closing(engine.run(tasks, progress, stop)) as results:
            for result in results:
                with stop.undisturbed():
                    record = keeper.keep(result)
                if result.note:
                    progress.note(result.note)
                label = f"{record['variant_label']} on {record['dataset_label']}"
                if record["status"] == "skipped" and label not in skipped and not quiet:  # its seeds share the reason
                    skipped.add(label)
                    progress.note(f"skipped: {label}: {record['reason']}")
                progress.done(1, record["status"], labels[record["cell_id"]])
                count += 1
                if stop.ended_by:
                    raise Terminated(stop.ended_by)
        if left := (n_due - count if stop.out_of_time else 0):
            progress.note(f"the minutes are over: {left} of {n_due} cells were not begun; the same command does them")
    return count, stop.asked or (stop.out_of_time and count < n_due)
