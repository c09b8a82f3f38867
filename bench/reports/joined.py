"""The report of several runs together: all their cells side by side, where nothing contradicts itself."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.errors import UsageError
from bench.reports import FORMATS
from bench.reports.of_table import report_data
from bench.spec.training import SETTINGS
from bench.store.frames import joined, without_cells
from bench.store.measurements import RunData
from bench.store.run_store import RunStore
from bench.text import printable

#: What makes a metric's numbers comparable.
_DEFINES = ("unit", "higher_is_better", "range", "formula")
_NAME = ("dataset_label", "split_number", "variant_label", "seed")


def report_joined(
    runs: Sequence[Path | str],
    out: Path | str,
    formats: Sequence[str] = FORMATS,
    plugins: Sequence[str | Path] = (),
) -> list[Path]:
    """Write the report of the cells of several runs into a folder of its own, and return what was written.

    A cell that several runs hold with the same numbers stands once. Baseline and criterion are those of the first run.
    Figures of examples need one run's arrays and are not drawn.

    Args:
        runs: their directories. out: a folder that is new, empty, or holds an earlier report of a table.
        formats: of `bench.reports.ALL_FORMATS`. plugins: files or folders with the runs' own metrics.

    Raises:
        UsageError: no run; a cell, data set or metric that is not the same in two of them. Nothing has been written
            then.
    """
    stores = [RunStore.open(run) for run in runs]
    for store in stores:
        if not len(store.data().cells):
            raise UsageError(f"{printable(store.directory)} holds no finished cell yet; run aebench run first")
    first, *others = stores
    data, spec, notes = first.data(), dict(first.spec), [f"cells of {len(runs)} runs put together"]
    for store in others:
        _refuse_other_metrics(first, store)
        data = joined(data, _new(data, store.data(), store.directory))
        notes += _other_settings(first, store)
    asked = [path for store in stores for path in store.spec.get("plugins") or [] if isinstance(path, str)]
    kept = {name: spec[name] for name in ("baseline", "select") if spec.get(name)}
    data.notes[:0] = notes
    return report_data(data, out, kept | {"plugins": [*dict.fromkeys(asked)]}, formats, plugins)


def _refuse_other_metrics(first: RunStore, second: RunStore) -> None:
    ours, theirs = first.load_metrics(), second.load_metrics()
    for name in ours.keys() & theirs.keys():
        for key in _DEFINES:
            one, other = ours[name].get(key), theirs[name].get(key)
            if one != other:
                raise UsageError(
                    f"{printable(name, 60)} is defined differently in {printable(first.directory)} and "
                    f"{printable(second.directory)}: its {key.replace('_', ' ')} is {printable(one, 60)} and "
                    f"{printable(other, 60)}; runs of one definition can be joined"
                )


def _new(data: RunData, more: RunData, where: Path) -> RunData:
    """The cells of `more` that are not in `data` already; what both have must be equal."""
    there, here = _cells(data), _cells(more)
    _refuse_other_data(data, more, where)
    again = [name for name in here if name in there]
    for name in again:
        if _content(data, there[name]) != _content(more, here[name]):
            cell = f"{name[2]} on {name[0]} with seed {name[3]}"
            raise UsageError(
                f"{printable(cell)} is in {printable(where)} and in a run before it with other results; leave one out"
            )
    drop = np.zeros(len(more.cells), dtype=bool)
    drop[[here[name] for name in again]] = True
    return without_cells(more, drop)


def _cells(data: RunData) -> dict[tuple[Any, ...], int]:
    rows = zip(*(data.cells[name].tolist() for name in _NAME), strict=True)
    return {name: place for place, name in enumerate(rows)}


def _content(data: RunData, place: int) -> dict[str, str]:
    """The numbers of a cell by metric, as exact texts."""
    rows = np.flatnonzero(data.cell == place)
    found = {data.metrics[data.metric[row]].name: repr(float(data.value[row])) for row in rows}
    return found | {"": str(data.cells["status"].iloc[place])}


def _refuse_other_data(data: RunData, more: RunData, where: Path) -> None:
    ours, theirs = _checksums(data), _checksums(more)
    for key in ours.keys() & theirs.keys():
        if ours[key] != theirs[key]:
            raise UsageError(
                f"{printable(key[0])} is other data in {printable(where)} than in the runs before it (checksum "
                f"{theirs[key]}, not {ours[key]}); runs on the same data can be joined"
            )


def _checksums(data: RunData) -> dict[tuple[str, int], str]:
    """The checksum of the data by (label, split number), where cells tell it."""
    names = ["dataset_label", "split_number", "split"]
    rows = data.cells[names].drop_duplicates().itertuples(index=False)
    told = ((label, number, json.loads(text).get("checksum")) for label, number, text in rows)
    return {(label, int(number)): str(checksum) for label, number, checksum in told if checksum}


def _other_settings(first: RunStore, second: RunStore) -> list[str]:
    """Notes on settings of the training in which two runs differ: labels do not tell."""

    def said(spec: Mapping[str, Any], name: str) -> Any:
        return spec.get(name, spec.get(name.replace("_", "-")))

    names = [name for name in SETTINGS if said(first.spec, name) != said(second.spec, name)]
    return [
        printable(
            f"{second.directory.name} was trained with {name.replace('_', '-')} {said(second.spec, name)}, "
            f"{first.directory.name} with {said(first.spec, name)}"
        )
        for name in names
    ]
