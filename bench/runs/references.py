"""Reference results from a finished run, and a run beside them: what must agree before anything is trained."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.analysis.catalogue import declarations
from bench.analysis.selection import selected
from bench.errors import BenchError, UsageError
from bench.files import write_bytes, write_text
from bench.provenance.code import EVALUATION_ROOTS, plugin_code, suite_code
from bench.reports.beside import FOLDER, HERE
from bench.reports.csv_tables import write_results
from bench.runs.fingerprints import Fingerprints
from bench.runs.plan import listed
from bench.spec.against import dataset_labels
from bench.spec.registry import ARRAYS, Registry
from bench.spec.request import ResolvedRun
from bench.spec.run import RunSpec
from bench.store.references import DESCRIPTION, RESULTS, problems, write_files
from bench.store.run_store import RunStore
from bench.text import printable

#: What makes two declarations of a value two definitions of it; wording and marks do not.
_DEFINES = ("unit", "higher_is_better", "formula", "range", "vector")
#: States of a cell that are results and not accidents.
_FINAL = ("ok", "skipped", "diverged")


def write_reference(run: Path | str, output: Path | str) -> list[Path]:
    """Write a finished run as reference results into the folder `output`, named after it; returns the two files.

    Raises:
        UsageError: cells that have not run, failed, or are damaged; data that nobody else can have; several versions of
            the code of the metrics; a folder with something else in it.
    """
    store, directory = RunStore.open(run), Path(output)
    records = _finished(store)
    hashes = sorted({record["metrics_hash"] for record in records if record["metrics_hash"]})
    if len(hashes) != 1:
        raise UsageError(
            f"the cells of {printable(run, 200)} were measured by {len(hashes)} versions of the metrics; run it again, "
            "which measures anew what is out of date"
        )
    if directory.is_dir() and (others := {path.name for path in directory.iterdir()} - {DESCRIPTION, RESULTS}):
        raise UsageError(f"{printable(directory, 200)} holds {printable(min(others), 80)}; give a folder of its own")
    facts = {(record["dataset_label"], record["split_number"] or 0): record["split"] for record in records if
             record["split"].get("checksum")}  # fmt: skip
    code: dict[str, set[str]] = {}
    for record in records:
        code.setdefault(record["variant_label"], set()).add(record["code_hash"] or "")
    said = {
        "name": directory.absolute().name,
        "spec": {key: value for key, value in store.spec.items() if key not in ("plugins", "device")},
        "environments": store.environments(),
        "data": [{**split, "dataset_label": label, "split_number": n} for (label, n), split in sorted(facts.items())],
        "code": {label: sorted(found) for label, found in code.items()},
        "metrics": store.load_metrics(),
        "metrics_hash": hashes[0],
        "evaluation": _evaluation(store.spec, hashes[0]),
    }
    with tempfile.TemporaryDirectory() as folder:
        table = write_results(store.data(), Path(folder) / "results.csv", selected(store.spec)).read_bytes()
    files = write_files(directory, said, table)
    for problem in problems(directory):
        raise UsageError(f"{printable(run, 200)} makes no reference results: {problem}")
    return files


def _finished(store: RunStore) -> list[dict[str, Any]]:
    """The records of all planned cells.

    Raises:
        UsageError: some are not there, not believed, or no results.
    """
    records, plan = store.records(), store.load_plan()
    where = printable(store.directory, 200)
    if store.damage.lines:
        raise UsageError(f"{where} is damaged ({store.damage}); run it again, which makes anew what is lost")
    if plan is None or not plan:
        raise UsageError(f"{where} has no plan.json, which says what belongs to it; run it again, which writes it")
    missing = [cell for cell in plan if cell["cell_id"] not in records]
    if missing:
        raise UsageError(f"{where} is not finished: {len(missing)} of {len(plan)} cells have not run; run it again")
    found = [records[cell["cell_id"]] for cell in plan]
    failed = [_called(record) for record in found if record["status"] not in _FINAL]
    if failed:
        raise UsageError(f"{where} is not finished: {listed(failed)} failed; run it again, or leave them out of it")
    incomplete = [_called(record) for record in found if "failed" in {m["status"] for m in record["metrics"].values()}]
    if incomplete:
        raise UsageError(f"{where} is not finished: a metric failed of {listed(incomplete)}; run it again")
    if any(record["dataset"] == ARRAYS for record in found):
        raise UsageError(f"the data of {where} were arrays, which nobody else has; run on a data set that has a name")
    return found


def _called(record: Mapping[str, Any]) -> str:
    return printable(f"{record['variant_label']} on {record['dataset_label']} with seed {record['seed']}", 200)


def _evaluation(stored: Mapping[str, Any], metrics_hash: str) -> dict[str, str]:
    """The files of the code that measures → digest of each, where it is still the code that measured; else {}."""
    try:
        registry = Registry.discover([path for path in stored.get("plugins") or [] if isinstance(path, str)])
        spec = RunSpec.from_dict(stored).validate(registry)
        if Fingerprints.of(spec, registry).metrics_hash != metrics_hash:
            return {}
        return _measuring_files(registry, spec)
    except BenchError:  # a spec of earlier times, or plugins that have gone
        return {}


def _measuring_files(registry: Registry, spec: RunSpec) -> dict[str, str]:
    parts = [suite_code(EVALUATION_ROOTS)]
    parts += [plugin_code(registry, "metric", name) for name, _ in registry.metrics_for(spec.evaluated, spec.samplers)]
    parts += [plugin_code(registry, "sampler", call.name) for call in spec.samplers]
    return {name: digest for part in parts for name, digest in part.files}


def differences(run: ResolvedRun) -> list[str]:
    """What a reader must know of the metrics of a run and its reference, a line each; [] where they are the same.

    Raises:
        UsageError: a value is defined differently in the two, so that its numbers cannot be compared.
    """
    reference = run.against
    assert reference is not None
    ours, theirs = declarations(run.registry, run.spec.evaluated, run.spec.samplers), reference.metrics
    for name in sorted(ours.keys() & theirs.keys()):
        for key in _DEFINES:
            if ours[name].get(key) != theirs[name].get(key):
                there, here = (printable(repr(said[name].get(key)), 120) for said in (theirs, ours))
                raise UsageError(
                    f"{name} is defined differently in {reference.name}: its {key.replace('_', ' ')} is {there} there "
                    f"and {here} here; its numbers cannot be compared, so use the version of aebench that made the "
                    "reference, or make the reference anew"
                )
    lines = []
    for known, others, where in ((ours, theirs, reference.name), (theirs, ours, "this run")):
        if gone := sorted(known.keys() - others.keys()):
            lines.append(f"{where} has no {listed(gone)}")
    fingerprints = Fingerprints.of(run.spec, run.registry)
    if fingerprints.metrics_hash != reference.metrics_hash:
        now = _measuring_files(run.registry, run.spec)
        before = reference.evaluation
        names = sorted(name for name in {*now, *before} if now.get(name) != before.get(name)) if before else []
        which = f" ({listed(names)})" if names else ""
        lines.append(
            f"the code of the metrics{which} has changed since {reference.name} was measured, so differences may come "
            "from the measurement"
        )
    return lines


def checksums(run: ResolvedRun) -> dict[tuple[str, int], str]:
    """The checksum that each data set of the run must have, by label and split number; {} without a reference."""
    if run.against is None:
        return {}
    own = dataset_labels(run.against, run.spec, run.registry)
    return {(own[label], number): facts["checksum"] for (label, number), facts in run.against.data_facts.items()}


def keep(run: ResolvedRun, directory: Path, notes: Sequence[str]) -> None:
    """Put the reference's files into the run's folder, from which its report is made; a run without one has none."""
    folder = directory / FOLDER
    if run.against is None:
        for name in (HERE, DESCRIPTION, RESULTS):
            (folder / name).unlink(missing_ok=True)
        return
    for name in (DESCRIPTION, RESULTS):
        content = (run.against.directory / name).read_bytes()
        if not (folder / name).is_file() or (folder / name).read_bytes() != content:
            write_bytes(folder / name, content)
    said = {"labels": dataset_labels(run.against, run.spec, run.registry), "notes": list(notes)}
    write_text(folder / HERE, json.dumps(said, sort_keys=True) + "\n")
