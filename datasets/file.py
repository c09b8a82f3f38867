"""One's own data from a .npy, .npz, .csv or .parquet file; nothing in a file is ever unpickled or executed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.contracts.checks import existing_file, existing_path, number_in, whole_bytes
from bench.contracts.dataset import Split
from bench.data.anomalies import MOST_CONTAMINATION, NORMAL, Marked
from bench.data.array_like import Names, as_numbers
from bench.data.counts import LOG1P, log_counts
from bench.data.csv_file import Table, Wanted
from bench.data.csv_split import TABLES, Choices, csv_split, readers
from bench.data.npy_file import Header, list_npz, open_npy, read_npz
from bench.data.split_arrays import split_arrays
from bench.data.windows import Windows, window_split
from bench.errors import DataError, UsageError, unknown_name

#: Parameters that are no part of a cell's id where they have their defaults: they came later.
LATER = (
    "columns", "drop", "categories", "missing", "header", "strict", "window", "stride", "split", "gap", "group",
    "anomaly", "anomalies", "contamination", "window_label",
)  # fmt: skip


def load(
    path: str,
    label: str | None = None,
    key: str | None = None,
    scale: str = "auto",
    validation: float = 0.16,
    test: float = 0.2,
    split_seed: int = 0,
    memory_limit: int = 2_000_000_000,
    columns: str | list | None = None,
    drop: str | list | None = None,
    categories: str | list | None = None,
    missing: str = "median",
    header: str = "auto",
    strict: bool = False,
    window: int | None = None,
    stride: int | None = None,
    split: str = "auto",
    gap: int = 0,
    group: str | None = None,
    anomaly: str | None = None,
    anomalies: str | None = None,
    contamination: float = 0.0,
    window_label: str = "all",
) -> Split:
    """Vectors (N, D) or images (N, H, W), (N, C, H, W), (N, H, W, 1 or 3), divided by a seed and scaled.

    With `window`, the rows are a series in time, and the data are sequences (N, C, T = window) of its C columns.

    Args:
        path: a .npy, .npz, .csv, .tsv or .parquet file (extra `parquet`; what is said of CSV holds for it, too). CSV:
            UTF-8, the first line names the columns; comma, semicolon, tab or |.
            A first column without a name holds row names and is left out. Text of at most 100 kinds becomes a column of
            0 and 1 for each kind of the training rows; a column with a text of its own in every row is left out.
        label: where the class labels are: a column's name (CSV), an array's key (.npz), another .npy file (.npy).
        key: which array of a .npz file holds the data; not needed where only one can.
        scale: "none", "unit" (to [0, 1]), "standard" (mean 0, variance 1), "log1p" (counts: log(1 + count),
            standardised; negative ones are refused), or "auto": pixels and shares within [0, 1] (each column that
            varies covers a tenth of it; of 64 columns and more, half of them do and the others a 256th) are kept,
            images and 8-bit pixels go to [0, 1], other tables are standardised column by column. Training rows decide;
            a column that is constant in them is 0 in every part.
        validation, test: fraction of the rows or number of rows.
        split_seed: which division into parts.
        memory_limit: bytes; a .npy file that takes more as 32-bit numbers is read from disk as needed, other files
            are refused.
        columns, drop: the only columns of a CSV that are read, or those that are not: 'a,b', or [[a,b]].
        categories: columns of a CSV whose values are kinds, though they are numbers or many.
        missing: what becomes of a CSV's missing values: "median" or "mean" of the training rows, "indicator" (median,
            and a column that marks them), "drop" (the row) or "refuse". Of a text, missing is a kind of its own.
        header: whether a CSV's first line names the columns: "yes", "no", or "auto" (a line of numbers that may be
            either is asked about).
        strict: refuse whatever is no number in a CSV.
        window: rows of each window that a series is cut into.
        stride: rows from the start of one window to the next; a window's length if None.
        split: a CSV's column that names each row's part: train, val (or validation) or test. With `window`, how a
            series is divided, so that no row is in two parts: "time" (first rows train, last rows test), "group"
            (whole groups), "random" (windows, which must not overlap), or "auto" (group where it is given).
        gap: rows left out between parts that are divided by time.
        group: the CSV's column that names each row's group (with `window`, a series of its own). Groups stay whole:
            they are what is divided, and a `split` that tears one apart is refused.
        anomaly: 'COLUMN:VALUE' or 'COLUMN:VALUE,VALUE': rows with one of these values in the column of labels (a CSV's
            column, a .npz file's array, another .npy file) are test anomalies and nothing else.
        anomalies: another file of the same type and columns, whose rows are test anomalies.
        contamination: the share of the training rows that are anomalies all the same.
        window_label: whose label a window has: that of "all" of its rows, which must agree, or of the "majority".
    """
    if existing_path("path", path).is_dir():
        raise UsageError(
            f"path={str(path)!r} is a folder; give a file, or read a folder of pictures with image-folder[path=…]"
        )
    file = existing_file("path", path)
    limit = whole_bytes("memory_limit", memory_limit)
    label, classes = _anomalous(anomaly, label)
    other = None if anomalies is None else _other(file, anomalies, anomaly)
    settings = {"scale": scale, "validation": validation, "test": test, "split_seed": split_seed}
    settings |= {"memory_limit": limit, "what": repr(file.name), "anomaly": classes, "contamination": contamination}
    suffix = file.suffix.lower()
    if window is not None:
        unused = {"anomaly": anomaly, "anomalies": anomalies, "contamination": contamination or None}
        if stray := _not_for_windows({"categories": categories} | unused, missing):
            raise UsageError(f"{stray} does not go with window=, which cuts rows of numbers; leave it out")
        how = Windows(window, stride, split, gap, validation, test, split_seed, window_label)
        choices = Choices.of(columns, drop, None, missing, header, strict)
        wanted = Wanted(group, limit, header, choices.columns, choices.drop)
        return _windows(file, suffix, how, scale, wanted, key, label)
    if (stride, gap, window_label) != (None, 0, "all"):
        raise UsageError("stride, gap and window_label say how a series is cut and divided; give window=, too")
    settings |= {"split": None if split == "auto" else split, "group": group}
    _refuse_beside_parts(settings, suffix, file, other)
    choices = Choices.of(columns, drop, categories, missing, header, strict)
    if key is not None and suffix != ".npz":
        raise UsageError(f"key={key!r} is for .npz files; {file.name!r} holds one array")
    if choices != Choices() and suffix in (".npy", ".npz"):
        raise UsageError(
            f"columns, drop, categories, missing, header and strict are for CSV files; not for {file.name!r}"
        )
    if other is not None and suffix == ".parquet":
        raise UsageError("anomalies= is for CSV, .npy and .npz files; mark the rows in a column, anomaly=COLUMN:VALUE")
    try:
        if suffix == ".npy":
            labels = None if label is None else open_npy(existing_file("label", label))
            rows = None if other is None else open_npy(other)
            return _split(open_npy(file), labels, rows, other, settings)
        if suffix == ".npz":
            rows = None if other is None else _from_npz(other, key, None, limit)[0]
            return _split(*_from_npz(file, key, label, limit), rows, other, settings)
        if suffix in TABLES:
            return csv_split(file, label, choices, settings, other)
    except OSError as error:
        raise DataError(f"{file.name!r} cannot be read: {error.strerror or error}") from None
    raise UsageError(f"{file.name!r}: files of type {suffix or 'none'} are not read; give .npy, .npz, .csv or .parquet")


def _refuse_beside_parts(settings: dict[str, Any], suffix: str, file: Path, other: Path | None) -> None:
    """Raise `UsageError` where `split` or `group` names a column and there is none, or anomalies decide the parts."""
    given = [f"{name}={settings[name]}" for name in ("split", "group") if settings[name] is not None]
    if given and suffix not in TABLES:
        raise UsageError(f"{given[0]} names a column, and {file.name!r} has none; it is for CSV and Parquet files")
    if given and (settings["anomaly"] is not None or other is not None):
        raise UsageError(f"{given[0]} does not go with anomalies, which stand outside of all parts; leave one out")


def _not_for_windows(given: dict[str, object], missing: str) -> str:
    """The first parameter that a series cut into windows has no use for, or ""."""
    found = [f"{name}={value!r}" for name, value in given.items() if value is not None]
    found += [f"missing={missing!r}"] if missing not in ("median", "refuse") else []
    return found[0] if found else ""


def _windows(
    file: Path, suffix: str, how: Windows, scale: str, wanted: Wanted, key: str | None, label: str | None
) -> Split:
    """Windows of the series in a .npy, .npz or CSV file; `wanted.label` is the column of groups."""
    if scale == LOG1P:
        raise UsageError("scale=log1p does not go with window=; take the logarithm of the series first")
    if key is not None and suffix != ".npz":
        raise UsageError(f"key={key!r} is for .npz files; {file.name!r} holds one array")
    if suffix in (".npy", ".npz") and wanted != Wanted(limit=wanted.limit):
        raise UsageError(f"columns, drop, header and group are for CSV files; not for {file.name!r}")
    names, groups = Names(what=repr(file.name)), None
    try:
        if suffix == ".npy":
            series, labels = open_npy(file), None if label is None else open_npy(existing_file("label", label))
        elif suffix == ".npz":
            series, labels = _from_npz(file, key, label, wanted.limit)
        elif suffix in TABLES:
            table, labels = _rows_in_time(file, wanted, label)
            series, groups = table.values, table.labels
            names = Names(table.columns, table.called, repr(file.name))
        else:
            known = ", ".join((".npy", ".npz", *TABLES))
            raise UsageError(f"window= cuts files of type {known}; {file.name!r} is of type {suffix or 'none'}")
        return window_split(series, how, scale, names, groups, wanted.limit, labels)
    except OSError as error:
        raise DataError(f"{file.name!r} cannot be read: {error.strerror or error}") from None


def _rows_in_time(file: Path, wanted: Wanted, label: str | None) -> tuple[Table, Sequence[str] | None]:
    """The table of a series, whose labels name groups, and the class of each row."""
    read = readers(file)[0]
    if label is None:
        return read(file, wanted), None
    if wanted.label is None:
        table = read(file, replace(wanted, label=label))
        return replace(table, labels=None), table.labels
    if label == wanted.label:  # every group is a class of its own
        table = read(file, wanted)
        return table, table.labels
    classes = read(file, replace(wanted, label=label, drop=[*wanted.drop, wanted.label])).labels
    return read(file, replace(wanted, drop=[*wanted.drop, label])), classes


def _anomalous(anomaly: str | None, label: str | None) -> tuple[str | None, str | None]:
    """The column of labels and the anomalous classes that 'COLUMN:VALUE' names."""
    if anomaly is None:
        return label, None
    column, colon, classes = anomaly.rpartition(":") if label is None else ("", "", "")
    if label is not None and anomaly.startswith(f"{label}:"):
        column, colon, classes = label, ":", anomaly.removeprefix(f"{label}:")
    if label is not None and not colon:
        raise UsageError(f"anomaly={anomaly!r} is not in the column of labels; give 'anomaly={label}:VALUE'")
    if not (column and classes):
        raise UsageError(f"anomaly={anomaly!r} is not COLUMN:VALUE; give the column and the value that marks anomalies")
    return column, classes


def _other(file: Path, anomalies: str, anomaly: str | None) -> Path:
    if anomaly is not None:
        raise UsageError("anomaly= and anomalies= both say which rows are anomalies; give one of them")
    other = existing_file("anomalies", anomalies)
    if other.suffix.lower() != file.suffix.lower():
        raise UsageError(f"anomalies={anomalies!r} is not of the type of {file.name!r}; give a {file.suffix} file")
    if other.resolve() == file.resolve():
        raise UsageError(f"anomalies={anomalies!r} is the file of the data itself; give another one")
    return other


def _split(data: Any, labels: Any, others: Any, file: Path | None, settings: dict[str, Any]) -> Split:
    """The split of arrays, with the rows `others` of `file` as anomalies where there are any."""
    settings = {name: value for name, value in settings.items() if name not in ("split", "group")}
    if settings["scale"] == LOG1P:
        if others is not None:
            raise UsageError("scale=log1p does not go with anomalies=; take the logarithm of both first")
        if data.size * 8 > settings["memory_limit"]:
            raise DataError(f"scale=log1p takes {data.size * 8} bytes, more than memory_limit; raise it")
        data = log_counts(as_numbers(data, Names(what=settings["what"])), Names(what=settings["what"]))
        settings |= {"scale": "standard", "notes": ["counts as log(1 + count)"]}
    if others is None or file is None:
        return split_arrays(data, labels, **settings)
    if others.shape[1:] != data.shape[1:]:
        raise DataError(f"{file.name!r} has rows of shape {others.shape[1:]} where the data have {data.shape[1:]}")
    if not len(others):
        raise DataError(f"{file.name!r} has no rows")
    if 4 * (data.size + others.size) > settings["memory_limit"]:
        raise DataError("data and anomalies together take more than memory_limit as 32-bit numbers; raise it")
    if labels is not None:  # a label for each row: anomalies need none, and theirs are not looked at
        labels = np.concatenate([labels, np.repeat(labels[:1], len(others))])
    share = number_in("contamination", settings["contamination"], 0.0, MOST_CONTAMINATION)
    kinds = np.repeat([NORMAL, 0], [len(data), len(others)])
    return split_arrays(
        np.concatenate([data, others]), labels, **{**settings, "anomaly": Marked(kinds, (file.stem,), share)}
    )


def _from_npz(file: Path, key: str | None, label: str | None, limit: int) -> tuple:
    """The data and label arrays of a .npz file."""
    headers = list_npz(file)
    for name in (key, label):
        if name is not None and name not in headers:
            raise unknown_name(f"array of {file.name!r}", name, headers)
    if key is None:
        key = _only_candidate(file, headers, label)
    labels = None if label is None else read_npz(file, label, headers[label], limit)
    return read_npz(file, key, headers[key], limit), labels


def _only_candidate(file: Path, headers: dict[str, Header | DataError], label: str | None) -> str:
    """The one array that can be data: not the labels, and the only one left or the only one with rows of values."""
    left = [name for name in headers if name != label]
    rows = left if len(left) == 1 else [name for name in left if len(getattr(headers[name], "shape", ())) > 1]
    if len(rows) != 1:
        listing = ", ".join(
            f"{name!r}: {header if isinstance(header, Header) else 'not readable'}" for name, header in headers.items()
        )
        raise UsageError(f"{file.name!r} holds several arrays ({listing}); choose the data with key=")
    return rows[0]
