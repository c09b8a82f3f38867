"""Brings back cells whose code and data are what they once were, instead of training them again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bench.runs.fingerprints import Fingerprints
from bench.runs.resume import FINAL, History, Verdict
from bench.spec.cells import CellSpec
from bench.store.run_store import RunStore
from bench.store.versions import FOLDER, bring_back, folders, has_weights, keep_aside, version_of


def restorable(
    cells: Sequence[CellSpec], history: History, store: RunStore, fingerprints: Fingerprints
) -> dict[str, str]:
    """The earlier version of each cell that holds again, by cell_id, where its latest one does not."""
    found = {}
    for cell in cells:
        latest, code = history.latest.get(cell.cell_id), fingerprints.code_hash(cell)
        if latest is None or _holds(latest, cell, code, history, fingerprints):
            continue
        for version, record in history.earlier.get(cell.cell_id, {}).items():
            whole = cell.is_control or record["status"] != "ok" or has_weights(store.directory, cell.cell_id, version)
            if whole and record["status"] in FINAL and _holds(record, cell, code, history, fingerprints):
                found[cell.cell_id] = version
    return found


def _holds(record: Mapping[str, Any], cell: CellSpec, code: str, history: History, fingerprints: Fingerprints) -> bool:
    read = (cell.dataset, cell.variant)
    return record["code_hash"] == code and fingerprints.same_data(record.get("data_hash"), history.data_files, read)


def heal(store: RunStore, history: History) -> None:
    """Put back in place what a run that was killed while it moved files left aside of the latest versions."""
    if (store.directory / FOLDER).is_dir():
        latest = {cell: version_of(record) for cell, record in history.latest.items()}
        for cell in folders(store.directory, latest):
            bring_back(store.directory, cell, latest[cell])


def restore(store: RunStore, versions: Mapping[str, str]) -> None:
    """Put the records and files of these versions (cell_id → version) back in place; the present ones are kept."""
    if not versions:
        return
    latest: dict[str, str] = {}
    wanted: dict[str, dict[str, Any]] = {}
    for record in store.iter_records():
        cell, version = record["cell_id"], version_of(record)
        latest[cell] = version
        if versions.get(cell) == version and record["status"] in FINAL:
            wanted[cell] = record
    now = datetime.now(UTC).isoformat(timespec="seconds")
    for cell, record in wanted.items():
        keep_aside(store.directory, cell, latest[cell])
        bring_back(store.directory, cell, versions[cell])
        store.append(record | {"restored_at": now})


def about_versions(
    cells: Sequence[CellSpec],
    verdicts: Mapping[str, Verdict],
    back: Mapping[str, str],
    history: History,
    store: RunStore,
    fingerprints: Fingerprints,
) -> list[str]:
    """What a user should know of versions: cells that came back, and how to see those that make room for others."""
    lines = []
    if back:
        n = f"{len(back)} {'cell comes' if len(back) == 1 else 'cells come'}"
        lines.append(f"{n} back without training, as code and data are what they once were")
    changed = [cell for cell in cells if verdicts[cell.cell_id] is Verdict.CHANGED]
    latest = ((history.latest[cell.cell_id], cell, fingerprints.code_hash(cell)) for cell in changed)
    if any(not _holds(record, cell, code, history, fingerprints) for record, cell, code in latest):
        lines.append(f"earlier results are kept: aebench compare {store.directory}@before {store.directory}")
    return lines
