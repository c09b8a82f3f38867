"""A `Split` from a CSV file: numbers as they are, and what is none as `mixed_table` reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.contracts.checks import one_of
from bench.contracts.dataset import Split
from bench.data.anomalies import Marked, divide, mark
from bench.data.csv_file import Source, Wanted, read_csv
from bench.data.csv_joined import Joined, joined
from bench.data.csv_layout import HEADERS, NotNumbers
from bench.data.csv_texts import read_texts
from bench.data.labels import encode_labels
from bench.data.mixed_table import MISSING_RULES, Prepared, prepare
from bench.data.split_arrays import split_arrays
from bench.data.splitting import Rows, partition
from bench.errors import UsageError
from bench.spec.call import split_list
from bench.text import as_seen


@dataclass(frozen=True)
class Choices:
    """How the user wants a CSV file to be read.

    Attributes:
        columns, drop: the only columns that are read, or None for all; columns that are not read.
        categories: columns whose values are kinds, whatever they are.
        missing: of `MISSING_RULES`. header: of `HEADERS`. strict: whether all that is no number is refused.
    """

    columns: tuple[str, ...] | None = None
    drop: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    missing: str = "median"
    header: str = "auto"
    strict: bool = False

    @classmethod
    def of(cls, columns: Any, drop: Any, categories: Any, missing: str, header: str, strict: bool) -> Choices:
        """Choices with columns as lists or as text between commas.

        Raises:
            UsageError: a word that is none of those known, or choices that contradict each other.
        """
        one_of("missing", missing, MISSING_RULES)
        one_of("header", header, HEADERS)
        if strict and (categories is not None or missing not in ("median", "refuse")):
            raise UsageError("strict=true refuses text and missing values; leave out strict, or categories and missing")
        return cls(_names(columns), _names(drop) or (), _names(categories) or (), missing, header, strict)


def _names(value: str | Sequence[Any] | None) -> tuple[str, ...] | None:
    """Names of columns, from a list or from text between commas, with quotes around one that holds a comma."""
    if value is None:
        return None
    parts = [part.strip("'\"") for part in split_list(value)] if isinstance(value, str) else map(str, value)
    return tuple(as_seen(part) for part in parts)


def csv_split(
    file: Path, label: str | None, choices: Choices, settings: Mapping[str, Any], anomalies: Path | None = None
) -> Split:
    """The rows of a CSV file.

    Args:
        label: name of the column of labels, or None.
        settings: of `split_arrays`: `scale`, `validation`, `test`, `split_seed`, `memory_limit`, `what`, and where
            anomalies are classes of the labels `anomaly`; `contamination`.
        anomalies: another file of the same columns, whose rows are the anomalies.

    Raises:
        DataError, UsageError: as `read_csv`, `read_texts`, `prepare`, `joined` and `split_arrays`.
    """
    limit = settings["memory_limit"]
    wanted = Wanted(label, limit, choices.header, choices.columns, choices.drop)
    if not choices.categories:
        try:
            numbers = _read(read_csv, file, wanted, anomalies)
            if choices.strict or not np.isnan(numbers.values).any():
                return _split(numbers, numbers.values, numbers.columns, numbers.labels, settings)
        except NotNumbers:
            if choices.strict:
                raise
    table = _read(read_texts, file, wanted, anomalies)

    def train_rows(rows: np.ndarray) -> np.ndarray:
        own = None if table.labels is None else [table.labels[row] for row in rows]
        return _parts(table, own, rows, settings).train

    ready = prepare(table, train_rows, limit, choices.categories, choices.missing)
    labels = None if table.labels is None else [table.labels[row] for row in ready.rows]
    return _split(table, ready.values, ready.columns, labels, settings, ready)


def _read(read: Callable[[Path, Wanted], Any], file: Path, wanted: Wanted, anomalies: Path | None) -> Any:
    """The table of `file`, with the rows of `anomalies` behind its own."""
    table = read(file, wanted)
    if anomalies is None:
        return table
    try:
        other = read(anomalies, wanted)
    except NotNumbers:
        raise
    except UsageError:
        if wanted.label is None:
            raise
        other = read(anomalies, replace(wanted, label=None))  # its rows need no label: they are anomalies
    return joined(table, other)


def _marked(source: Any, rows: np.ndarray, settings: Mapping[str, Any]) -> Marked | None:
    """Which of the table's `rows` are anomalies because they come from another file."""
    if not isinstance(source, Joined):
        return None
    return source.marked(rows, settings["contamination"])


def _parts(source: Any, labels: list[str] | None, rows: np.ndarray, settings: Mapping[str, Any]) -> Rows:
    sizes = {name: settings[name] for name in ("validation", "test", "split_seed")}
    codes, names = (None, None) if labels is None else encode_labels(labels, len(rows))
    marked = _marked(source, rows, settings) or mark(codes, names, settings["anomaly"], settings["contamination"])
    return partition(len(rows), **sizes) if marked is None else divide(marked, **sizes)[0]


def _split(
    source: Source,
    values: np.ndarray,
    columns: list[str],
    labels: list[str] | None,
    settings: Mapping[str, Any],
    ready: Prepared | None = None,
) -> Split:
    rows, flags, notes = (np.arange(len(values)), [], ()) if ready is None else (ready.rows, ready.flags, ready.notes)
    named: dict[str, Any] = {"columns": columns, "row_name": lambda row: source.called(int(rows[row]))}
    if (marked := _marked(source, rows, settings)) is not None:
        named["anomaly"] = marked
    if flags and settings["scale"] == "auto":  # 0 and 1 are no pixels, whatever numbers stand beside them
        named["scale"] = "none" if len(flags) == len(columns) else "standard"
    return split_arrays(values, labels, notes=(*source.notes, *notes), flags=flags, **{**settings, **named})
