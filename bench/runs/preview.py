"""What `aebench run -n` says of a directory: which results hold, which are stale and why, what will be skipped.

Pairs without a result are tried as the run would begin: data are loaded and models are built, none is trained to its
end, and nothing is written.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from bench.errors import BenchError, Incompatible, UsageError, one_line
from bench.runs import latent
from bench.runs.fingerprints import Fingerprints
from bench.runs.plan import listed
from bench.runs.references import differences
from bench.runs.resume import History, Verdict, judge
from bench.runs.staleness import reason
from bench.runs.versions import restorable
from bench.spec.cells import CellSpec
from bench.spec.plugin_path import folders_open
from bench.spec.registry import Registry
from bench.spec.request import ResolvedRun
from bench.spec.run import DEFAULT_DATASETS, DEFAULT_VARIANTS
from bench.spec.training import TrainSettings
from bench.spec.trial import failures, foreign
from bench.store.run_store import RunStore
from bench.text import printable

if TYPE_CHECKING:
    from bench.runs.cells.worker_state import Workshop


def preview(run: ResolvedRun, trusted: bool = True) -> list[str]:
    """Lines on the cells of `run`: results that hold, that are stale (with why), and pairs that do not go together.

    Args:
        trusted: whether plugins and networks from outside the package may be run to find that out.
    """
    return look(run, trusted).lines


def as_it_would_run(run: ResolvedRun, trusted: bool = True) -> tuple[ResolvedRun, dict[str, int]]:
    """`run` with L of each data set where it follows the data, and the values in their rows as far as they are known.

    Data that cannot be loaded have the default here; `preview` says why they cannot.
    """
    with folders_open(run.spec.plugins, here=run.spec.own_networks):
        there = (run.directory / "cells.jsonl").is_file() and not run.options.force
        history = History.read(RunStore.open(run.directory)) if there and run.spec.follows else None
        known = latent.known_values(run, history, Fingerprints.of(run.spec, run.registry))
        for label, cell in latent.first_cells(run).items():
            if label not in known and (trusted or not foreign(run.registry, "dataset", cell.dataset.name)):
                known |= _looked_up(run.registry, label, cell)
        return latent.following(run, known), known


def _looked_up(registry: Registry, label: str, cell: CellSpec) -> dict[str, int]:
    if failures(registry, [("dataset", cell.dataset)]):
        return {}
    from bench.runs.cells.isolation import contained
    from bench.runs.cells.worker_state import Workshop  # it loads torch

    with contextlib.suppress(Exception, SystemExit), contained():
        return {label: Workshop(registry).split(cell).dimension}
    return {}


class Look(NamedTuple):
    """What was seen.

    Attributes:
        lines: of `preview`. train, evaluate: the cells that will be trained, and evaluated again.
        faulty: whether the run would end with errors as it is planned, or without a result.
    """

    lines: list[str]
    train: list[CellSpec]
    evaluate: list[CellSpec]
    faulty: bool


def look(run: ResolvedRun, trusted: bool = True) -> Look:
    """As `preview`, with the cells that are left and can be run."""
    with folders_open(run.spec.plugins, here=run.spec.own_networks):
        return _look(run, trusted)


def duration(run: ResolvedRun, seen: Look, trusted: bool = True) -> list[str]:
    """A line on how long what is left of `run` will take here; none where nothing is left or nobody can know.

    Args:
        trusted: as of `preview`; nothing is timed where that takes code that may not be run.
    """
    cells = [*seen.train, *seen.evaluate]
    if run.options.engine != "local" or not cells or device_fault(run) or not (trusted or _of_package(run, cells)):
        return []
    from bench.runs.engines.local_device import local_device
    from bench.runs.engines.workers import plan_workers
    from bench.runs.minutes import expected

    spec, device = run.spec, local_device(run.spec.device)
    plan = plan_workers(run.options, cells, device=device)
    how = {"metrics": spec.evaluated, "likelihood_rows": spec.likelihood_rows, "samplers": spec.samplers}
    with folders_open(spec.plugins, here=spec.own_networks):
        found = expected(run.registry, seen.train, seen.evaluate, device, plan.workers, threads=plan.threads, **how)
    return [] if found is None else [f"{'time:':<11}{found}"]


def _of_package(run: ResolvedRun, cells: Sequence[CellSpec]) -> bool:
    """Whether all code that `cells` and their metrics need comes with this package."""
    registry, spec = run.registry, run.spec
    needed = [("metric", name) for name, _ in registry.metrics_for(spec.evaluated, spec.samplers)]
    needed += [("sampler", call.name) for call in spec.samplers] + [("dataset", cell.dataset.name) for cell in cells]
    needed += [("variant", cell.variant.name) for cell in cells if not cell.is_control]
    return not spec.own_networks and not any(foreign(registry, *one) for one in dict.fromkeys(needed))


def device_fault(run: ResolvedRun) -> str:
    """Why the device of `run`, or what its training asks of that, is not here; "" where it is."""
    from bench.runs.engines.local_device import local_device

    try:
        device = local_device(run.spec.device)
        if run.spec.train.precision == "tf32" or run.spec.train.compile:
            from bench.runs.cells.preflight import refuse_what_is_not_there

            refuse_what_is_not_there(run.spec.train, device, here=True)
    except UsageError as error:
        return str(error)
    return ""


def _look(run: ResolvedRun, trusted: bool) -> Look:
    cells, fingerprints = run.cells, Fingerprints.of(run.spec, run.registry)
    lines = differences(run) if run.against is not None else []
    fault = device_fault(run) if run.options.engine == "local" else ""
    lines += [f"cannot be run here: {fault}"] if fault else []
    verdicts, records = dict.fromkeys((cell.cell_id for cell in cells), Verdict.TRAIN), {}
    if (run.directory / "cells.jsonl").is_file():
        store = RunStore.open(run.directory)
        history = History.read(store)
        back = {} if run.options.force else restorable(cells, history, store, fingerprints)
        records = history.latest | {cell: history.earlier[cell][version] for cell, version in back.items()}
        verdicts = judge(cells, replace(history, latest=records), store, fingerprints)
        verdicts |= dict.fromkeys(back, Verdict.DONE)
        lines += _on_results(cells, verdicts, history, store, fingerprints, run.options.force)
        lines += [f"{len(back)} of them come back without training, as their code and data were before"] if back else []
    if run.options.force:
        verdicts = dict.fromkeys(verdicts, Verdict.TRAIN)
    known = [cell for cell in cells if verdicts[cell.cell_id] is Verdict.DONE]
    skipped = {_pair(cell): str(records[cell.cell_id].get("reason")) for cell in known
               if records[cell.cell_id]["status"] == "skipped"}  # fmt: skip
    lines += _each({pair: f"skipped ({why})" for pair, why in skipped.items()})
    open_cells = (cell for cell in cells if verdicts[cell.cell_id] is not Verdict.DONE and not cell.is_control)
    due = {_pair(cell): cell for cell in open_cells if not _goes_together(cell)}
    tried = [cell for cell in due.values() if trusted or not _foreign(run.registry, cell)]
    bad = misfits(run.registry, tried)
    lines += _each(bad)
    untried = [f"{variant} on {dataset}" for (variant, dataset), cell in due.items() if cell not in tried]
    lines += [f"not tried, as a file's code is not run for this: {listed(untried)}"] if untried else []
    out = {_pair(cell) for cell in due.values() if cell not in tried} | bad.keys()
    left = [cell for cell in cells if verdicts[cell.cell_id] is not Verdict.DONE and _pair(cell) not in out]
    again = [cell for cell in left if verdicts[cell.cell_id] is Verdict.EVALUATE]
    fruitless = bool(cells) and {_pair(cell) for cell in cells} <= skipped.keys() | bad.keys()
    faulty = bool(fault) or fruitless or any(not why.startswith("skipped") for why in bad.values())
    train = [cell for cell in left if cell not in again]
    return Look([printable(line, 600) for line in lines], train, again, faulty)


def _goes_together(cell: CellSpec) -> bool:
    """Whether this is a pair of the default run as it stands, so that the plan of that is there at once."""
    default = TrainSettings()
    asked, plain = ((s.network, s.recon, s.latent_dim) for s in (cell.train, default))
    return cell.variant_label in DEFAULT_VARIANTS and cell.dataset_label in DEFAULT_DATASETS and asked == plain


def _foreign(registry: Registry, cell: CellSpec) -> bool:
    """Whether a cell needs code that does not come with this package."""
    named = ":" in cell.train.network.name
    return named or any(foreign(registry, kind, getattr(cell, kind).name) for kind in ("variant", "dataset"))


def _on_results(
    cells: Sequence[CellSpec],
    verdicts: dict[str, Verdict],
    history: History,
    store: RunStore,
    fingerprints: Fingerprints,
    force: bool,
) -> list[str]:
    by = {verdict: [cell for cell in cells if verdicts[cell.cell_id] is verdict] for verdict in Verdict}
    done = len(by[Verdict.DONE])
    again = ", which --force makes anew" if force and done else ""
    lines = [f"{done} of {len(cells)} cells have results that hold{again}"]
    sources = store.sources()["code"]
    why: dict[str, list[CellSpec]] = {}
    for cell in by[Verdict.CHANGED]:
        found = reason(cell, history.latest[cell.cell_id], sources, history.data_files, fingerprints)
        why.setdefault(found, []).append(cell)
    lines += [f"stale, to be trained again: {_named(group)}, because of {text}" for text, group in why.items()]
    if again_evaluated := by[Verdict.EVALUATE]:
        lines.append(f"to be evaluated again: {_named(again_evaluated)}, as the metrics or their code changed")
    failed: dict[str, list[CellSpec]] = {}
    for cell in by[Verdict.RETRY]:
        failed.setdefault(str(history.latest[cell.cell_id].get("reason")), []).append(cell)
    return lines + [f"to be tried again: {_named(group)}, which failed: {text}" for text, group in failed.items()]


def _pair(cell: CellSpec) -> tuple[str, str]:
    return cell.variant_label, cell.dataset_label


def _named(cells: Iterable[CellSpec]) -> str:
    cells = list(cells)
    names = listed(list(dict.fromkeys(f"{cell.variant_label} on {cell.dataset_label}" for cell in cells)))
    return f"{names} ({len(cells)} {'cell' if len(cells) == 1 else 'cells'})"


def _each(found: dict[tuple[str, str], str]) -> list[str]:
    """A line per reason, with the pairs that it concerns."""
    pairs: dict[str, list[str]] = {}
    for (variant, dataset), why in found.items():
        pairs.setdefault(why, []).append(f"{variant} on {dataset}")
    return [f"will be {why}: {listed(names)}" for why, names in pairs.items()]


def misfits(registry: Registry, cells: Sequence[CellSpec]) -> dict[tuple[str, str], str]:
    """Pairs that will be skipped or fail before training, with which of the two and why."""
    if not cells:
        return {}
    from bench.runs.cells.worker_state import Workshop  # it loads torch

    wanted: list[tuple[str, Any]] = [(kind, getattr(cell, kind)) for cell in cells for kind in ("variant", "dataset")]
    wanted = list(dict.fromkeys(wanted))
    dangerous = {wanted[place]: outcome for place, outcome in failures(registry, wanted).items()}
    workshop, found = Workshop(registry), {}
    for cell in cells:
        danger = [dangerous[key] for key in (("variant", cell.variant), ("dataset", cell.dataset)) if key in dangerous]
        why = f"{danger[0][0]} ({danger[0][1]})" if danger else _misfit(workshop, cell)
        if why:
            found[_pair(cell)] = why
    return found


def _misfit(workshop: Workshop, cell: CellSpec) -> str:
    from bench.runs.cells.isolation import contained
    from bench.runs.cells.worker_state import check_fit

    try:
        with contained():
            split = workshop.split(cell)
            check_fit(cell, split)
            workshop.attached(cell, split)
    except Incompatible as error:
        return f"skipped ({error})"
    except (Exception, SystemExit) as error:
        return f"an error ({one_line(error, bare=isinstance(error, BenchError))})"
    return ""
