"""Rows that came after the training, read as the training rows of the data set `file` were."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.contracts.checks import existing_file
from bench.contracts.dataset import Split
from bench.data.array_like import arrange
from bench.data.csv_file import Wanted
from bench.data.csv_split import TABLES, Choices, readers, recipe_of
from bench.data.npy_file import list_npz, open_npy, read_npz
from bench.errors import DataError, UsageError, unknown_name
from bench.runs.cells.isolation import contained
from bench.spec.call import Call
from bench.spec.registry import ARRAYS, Registry
from bench.text import printable

#: The data set whose files have others like them.
FILE = "file"


@dataclass(frozen=True)
class NewRows:
    """Rows to be looked at.

    Attributes:
        values: (N, *data_shape) in the units of the training data's source.
        columns: names of a table's columns, or None.
        groups: column of text → the places of its 0s and 1s.
        rows: (N,) which of the file's rows they are, from 0; some may be left out for missing values.
        unknown: column of text → kind that no training row has → its rows.
        notes: what else to know, a line each.
    """

    values: np.ndarray
    columns: tuple[str, ...] | None
    groups: Mapping[str, list[int]]
    rows: np.ndarray
    unknown: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def training_data(record: Mapping[str, Any], registry: Registry) -> tuple[Split, dict[str, Any]]:
    """The data that a cell was trained on, read again, with the parameters of their data set.

    Raises:
        UsageError: they were arrays, are gone, or are not what they were.
    """
    if record["dataset"] == ARRAYS:
        raise UsageError("this run's data were arrays, which are not kept with it")
    call = registry.resolve("dataset", Call(record["dataset"], record["dataset_params"]))
    load = registry.load("dataset", call.name)
    with contained():
        split: Split = load(**call.params)
    known = (record.get("split") or {}).get("checksum")
    if split.checksum() != known:
        raise UsageError(
            f"the training data {printable(record['dataset_label'], 200)} are not what they were when the model was "
            "trained; put them back as they were, or run it again"
        )
    defaults = {name: one.default for name, one in inspect.signature(load).parameters.items()}
    return split, {**defaults, **call.params}


def read_new(params: Mapping[str, Any], path: str | Path) -> NewRows:
    """The rows of a file that is like the one which the data set `file` read with `params`.

    Raises:
        DataError: columns that are missing or in another order, values that training did not have; another shape.
        UsageError: no such file, of another type, or a data set that cuts a series into windows.
    """
    file, trained = existing_file("data", path), existing_file("path", params["path"])
    if params.get("window") is not None:
        raise UsageError(
            "the model was trained on windows of a series; give its windows to load_model(…).score_samples"
        )
    suffix, wanted = file.suffix.lower(), trained.suffix.lower()
    if suffix != wanted and not (suffix in TABLES and wanted in TABLES):
        raise UsageError(f"{file.name!r} is no {wanted} file as the training data; give one of that type")
    if suffix in TABLES:
        return _of_table(params, trained, file)
    rows = open_npy(file) if suffix == ".npy" else _of_npz(file, params)
    values = arrange(rows, repr(file.name))
    if not np.isfinite(values).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(values))[0])
        raise DataError(f"{file.name!r}: the value at row {place[0]}, position {place[1:]} is missing or infinite")
    return NewRows(values, None, {}, np.arange(len(values)))


def _of_npz(file: Path, params: Mapping[str, Any]) -> np.ndarray:
    headers = list_npz(file)
    key = params.get("key") or (next(iter(headers)) if len(headers) == 1 else "")
    if key not in headers:
        raise unknown_name(f"array of {file.name!r}", key, headers)
    return read_npz(file, key, headers[key], params["memory_limit"])


def _of_table(params: Mapping[str, Any], trained: Path, file: Path) -> NewRows:
    choices = Choices.of(*(params[name] for name in ("columns", "drop", "categories", "missing", "header", "strict")))
    names = ("scale", "validation", "test", "split_seed", "memory_limit", "contamination", "group")
    settings = {name: params[name] for name in names} | {"what": repr(trained.name), "anomaly": None, "anomalies": None}
    settings["split"] = None if params["split"] == "auto" else params["split"]
    label = params["label"]
    if params["anomaly"] is not None:
        column, _, classes = params["anomaly"].rpartition(":") if label is None else (label, ":", None)
        label, settings["anomaly"] = column, classes or params["anomaly"].removeprefix(f"{label}:")
    if params["anomalies"] is not None:
        settings["anomalies"] = existing_file("anomalies", params["anomalies"])
    recipe = recipe_of(trained, label, choices, settings)
    header = "auto" if file.suffix.lower() == ".parquet" else params["header"]
    table = readers(file)[1](file, Wanted(None, params["memory_limit"], header))
    applied = recipe.apply(table)
    notes = []
    if applied.filled:
        filled = ", ".join(f"{printable(name, 40)!r} ({count})" for name, count in applied.filled.items())
        notes.append(f"missing values filled as in training: {filled}")
    if lost := len(table.columns[0].codes) - len(applied.rows):
        notes.append(f"{lost} rows with missing values left out, as in training (missing=drop)")
    return NewRows(applied.values, recipe.columns, recipe.groups, applied.rows, applied.unknown, tuple(notes))
