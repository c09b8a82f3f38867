"""A run beside reference results: what its report shows are its own cells and, below them, those of the reference."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.errors import UsageError
from bench.store.frames import joined, without_cells
from bench.store.measurements import RunData
from bench.store.references import Reference, read_reference
from bench.store.run_store import RunStore
from bench.text import printable
from bench.untrusted import read_json

#: The folder of a run with the files of the reference that it was run against, and what the run knows of it.
FOLDER, HERE = "against", "here.json"
#: Timings and what depends on the machine: not compared, so not shown of rows that were not run here.
_OF_THE_MACHINE = ("t_train", "t_eval", "peak_rss", "peak_cuda", "samples_per_second")
_LISTED = 6


@dataclass(frozen=True)
class Shown:
    """What a report shows: all cells, the spec that its tables follow, the environments of others, and what to know."""

    data: RunData
    spec: dict[str, Any]
    environments: dict[str, Any]
    notes: list[str]
    metrics: dict[str, Any] = field(default_factory=dict)


def shown(store: RunStore) -> Shown:
    """The cells of a run, and those of the reference in its folder where there is one that may stand beside them."""
    own = store.data()
    if not (store.directory / FOLDER / HERE).is_file() or store.of_table:
        return Shown(own, store.spec, {}, [])
    if FOLDER not in own.kept:  # a run writes its tables and then its report
        own.kept[FOLDER] = _beside(store, own)
    return own.kept[FOLDER]


def _beside(store: RunStore, own: RunData) -> Shown:
    try:
        reference = read_reference(store.directory / FOLDER)
        labels, told = _here(store)
    except UsageError as error:
        return Shown(own, store.spec, {}, [f"the reference results are left out: {error}"])
    data, notes = _relabelled(reference, labels), told
    data, dropped = _comparable(own, data)
    notes = [*_which(own, data, reference), *dropped, *notes]
    base = reference.spec.get("baseline") or next(iter(data.cells["variant_label"]), None)
    spec = store.spec if store.spec.get("baseline") or base is None else {**store.spec, "baseline": base}
    return Shown(joined(own, data), spec, reference.environments, notes, reference.metrics)


def _here(store: RunStore) -> tuple[dict[str, str], list[str]]:
    """What this run calls the reference's data sets, and what it found out about the two."""
    said = read_json(store.directory / FOLDER / HERE)
    labels, notes = said.get("labels"), said.get("notes")
    if isinstance(labels, dict) and isinstance(notes, list):
        if all(isinstance(text, str) for text in [*labels.values(), *notes]):
            return labels, [printable(note, 400) for note in notes]
    raise UsageError(f"{FOLDER}/{HERE} is damaged; run the same command again to write it anew")


def _relabelled(reference: Reference, labels: dict[str, str]) -> RunData:
    """The reference's data with the run's names of data sets, without timings."""
    data = reference.data
    cells = data.cells.assign(dataset_label=[labels.get(label, label) for label in data.cells["dataset_label"]])
    cells = cells.assign(**dict.fromkeys(_OF_THE_MACHINE, np.nan))
    cells["timing_valid"] = np.full(len(cells), None, dtype=object)
    return RunData(cells, data.metrics, data.cell, data.metric, data.value, data.error, data.status, data.reason,
                   data.texts)  # fmt: skip


def _comparable(own: RunData, data: RunData) -> tuple[RunData, list[str]]:
    """The reference's cells without those that this run has itself, and those of other data than the run's."""
    cells, notes = data.cells, []
    here = _names(own)
    rows = list(zip(cells["dataset_label"], cells["variant_label"], strict=True))
    again = np.array([row in here for row in rows], dtype=bool)
    if again.any():
        names = list(dict.fromkeys(variant for (_, variant), twice in zip(rows, again, strict=True) if twice))
        notes.append(printable(f"{_some(names)} stood in the reference too and was run here anew; these are its rows"))
    ours, theirs = _checksums(own), _checksums(data)
    other = {key for key in ours.keys() & theirs.keys() if ours[key] != theirs[key]}
    keys = list(zip(cells["dataset_label"], cells["split_number"], strict=True))
    for label in dict.fromkeys(label for label, _ in sorted(other)):
        notes.append(printable(f"the reference's rows on {label} are left out: they were measured on other data"))
    return without_cells(data, again | np.array([key in other for key in keys], dtype=bool)), notes


def _names(data: RunData) -> set[tuple[str, str]]:
    return set(zip(data.cells["dataset_label"], data.cells["variant_label"], strict=True))


def _checksums(data: RunData) -> dict[tuple[str, int], set[str]]:
    """The checksums of the data by (label, split number), where cells tell them."""
    found: dict[tuple[str, int], set[str]] = {}
    names = ("dataset_label", "split_number", "split")
    for label, number, text in data.cells[list(names)].drop_duplicates().itertuples(index=False):
        if checksum := json.loads(text).get("checksum"):
            found.setdefault((label, number), set()).add(str(checksum))
    return found


def _which(own: RunData, data: RunData, reference: Reference) -> list[str]:
    """Which rows were run here and which were not."""
    ours, theirs = (list(dict.fromkeys(part.cells["variant_label"])) for part in (own, data))
    without = int((data.cells["status"] != "ok").sum())
    lost = f", {without} of whose {len(data.cells):,} cells have no result" if without else ""
    return [
        printable(f"run here: {_some(ours)}"),
        printable(
            f"not run here but taken from the reference results {reference.name}: {_some(theirs)}{lost}; "
            "seeds are paired as in one run, speed is not compared, so their timings are empty"
        ),
    ]


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
