"""A `Split` from a CSV or Parquet file: numbers as they are, and what is none as `mixed_table` reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.contracts.checks import one_of
from bench.contracts.dataset import Split
from bench.data.anomalies import Marked, divide, mark
from bench.data.array_like import Names
from bench.data.counts import LOG1P, log_counts
from bench.data.csv_file import Wanted, read_csv
from bench.data.csv_joined import Joined, joined
from bench.data.csv_layout import HEADERS, NotNumbers
from bench.data.csv_texts import TextTable, read_texts
from bench.data.given_parts import Given, given_parts, split_of, taken_out
from bench.data.labels import encode_labels
from bench.data.mixed_table import MISSING_RULES, Prepared, prepare
from bench.data.parquet_file import read_parquet, read_parquet_texts
from bench.data.recipe import Recipe
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


#: What a report says of a table with text: its squared errors are of both.
APART = "test_mse is over numbers and kinds together (kinds_accuracy and numbers_mse have them apart)"
#: Files that hold a table.
TABLES = (".csv", ".tsv", ".parquet")


def readers(file: Path) -> tuple[Callable[[Path, Wanted], Any], Callable[[Path, Wanted], TextTable]]:
    """What reads a file of numbers (or raises `NotNumbers`), and what reads it whatever it holds."""
    return (read_parquet, read_parquet_texts) if file.suffix.lower() == ".parquet" else (read_csv, read_texts)


@dataclass(frozen=True)
class _Values:
    """A table as numbers, before it is divided and scaled.

    Attributes:
        source: the table. values, columns: (N, D) and D names.
        labels: N texts or None. ready: what was decided where not all are numbers.
        given: the parts that the table names itself.
    """

    source: Any
    values: np.ndarray
    columns: list[str]
    labels: list[str] | None
    ready: Prepared | None = None
    given: Given | None = None

    @property
    def rows(self) -> np.ndarray:
        """(N,) which of the table's rows they are."""
        return np.arange(len(self.values)) if self.ready is None else self.ready.rows


def csv_split(
    file: Path, label: str | None, choices: Choices, settings: Mapping[str, Any], anomalies: Path | None = None
) -> Split:
    """The rows of a CSV or Parquet file.

    Args:
        label: name of the column of labels, or None.
        settings: of `split_arrays`: `scale` (also "log1p"), `validation`, `test`, `split_seed`, `memory_limit`, `what`,
            and where anomalies are classes of the labels `anomaly`; `contamination`; `split` and `group`, columns that
            name each row's part and group, or None.
        anomalies: another file of the same columns, whose rows are the anomalies.

    Raises:
        DataError, UsageError: as `read_csv`, `read_texts`, `prepare`, `given_parts`, `joined` and `split_arrays`.
    """
    return _split(_values(file, label, choices, settings, anomalies), settings)


def recipe_of(file: Path, label: str | None, choices: Choices, settings: Mapping[str, Any]) -> Recipe:
    """How the training rows of a file decided that its rows become numbers; arguments as `csv_split`.

    Raises:
        DataError, UsageError: as `csv_split`.
    """
    found = _values(file, label, choices, settings, settings.get("anomalies"))
    if found.ready is not None:
        return found.ready.recipe
    from sklearn.impute import SimpleImputer

    train = found.values[_parts(found.source, found.labels, found.rows, settings, found.given).train]
    fill = SimpleImputer(strategy="mean" if choices.missing == "mean" else "median").fit(train)
    rule = "refuse" if choices.strict else choices.missing
    names = tuple(found.columns)
    return Recipe(names, names, {}, fill, names, missing=rule)


def _values(
    file: Path, label: str | None, choices: Choices, settings: Mapping[str, Any], anomalies: Path | None
) -> _Values:
    limit, numbers_of, texts_of = settings["memory_limit"], *readers(file)
    own = [settings.get("split"), settings.get("group")]
    columns = choices.columns if choices.columns is None else (*choices.columns, *filter(None, own))
    wanted = Wanted(label, limit, choices.header, columns, choices.drop)
    if not choices.categories and own == [None, None]:
        try:
            numbers = _read(numbers_of, file, wanted, anomalies)
            if choices.strict or not np.isnan(numbers.values).any():
                return _Values(numbers, numbers.values, numbers.columns, numbers.labels)
        except NotNumbers:
            if choices.strict:
                raise
    table, (part, group) = taken_out(_read(texts_of, file, wanted, anomalies), own)
    given = given_parts(table, part, group, settings)

    def train_rows(rows: np.ndarray) -> np.ndarray:
        labels = None if table.labels is None else [table.labels[row] for row in rows]
        return _parts(table, labels, rows, settings, given).train

    rule = "refuse" if choices.strict else choices.missing
    ready = prepare(table, train_rows, limit, choices.categories, rule)
    if choices.strict and ready.flags:
        raise NotNumbers(f"{file.name!r}: {ready.columns[ready.flags[0]]!r} is made of text, which strict=true refuses")
    labels = None if table.labels is None else [table.labels[row] for row in ready.rows]
    return _Values(table, ready.values, ready.columns, labels, ready, given)


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


def _parts(
    source: Any, labels: list[str] | None, rows: np.ndarray, settings: Mapping[str, Any], given: Given | None
) -> Rows:
    if given is not None:
        return given.rows(rows)
    sizes = {name: settings[name] for name in ("validation", "test", "split_seed")}
    codes, names = (None, None) if labels is None else encode_labels(labels, len(rows))
    marked = _marked(source, rows, settings) or mark(codes, names, settings["anomaly"], settings["contamination"])
    return partition(len(rows), **sizes) if marked is None else divide(marked, **sizes)[0]


def _split(found: _Values, settings: Mapping[str, Any]) -> Split:
    source, rows, ready = found.source, found.rows, found.ready
    flags, notes = ([], ()) if ready is None else (ready.flags, ready.notes)
    notes, scale, values = (*source.notes, *notes), settings["scale"], found.values
    names = Names(found.columns, lambda row: source.called(int(rows[row])), settings["what"])
    if scale == LOG1P:
        if flags:
            raise UsageError(
                f"scale=log1p is for tables of counts alone, and {found.columns[flags[0]]!r} is no count; leave such "
                "columns out with drop=, or take another scale"
            )
        values, scale, notes = log_counts(values, names), "standard", ("counts as log(1 + count)", *notes)
    if flags and scale == "auto":  # 0 and 1 are no pixels, whatever numbers stand beside them
        scale = "none" if len(flags) == len(found.columns) else "standard"
    groups = {} if ready is None else ready.recipe.groups
    split = _divided(found, values, names, scale, flags, (*notes, APART) if groups else notes, settings)
    return replace(split, truth={"kinds": groups, "flags": list(flags)}) if groups else split


def _divided(
    found: _Values, values: np.ndarray, names: Names, scale: str, flags: Sequence[int], notes: Sequence[str],
    settings: Mapping[str, Any],
) -> Split:  # fmt: skip
    source, rows = found.source, found.rows
    if found.given is not None:
        parts, notes = found.given.rows(rows), (found.given.words, *notes)
        return split_of(values, found.labels, parts, names, scale, flags, notes, settings["memory_limit"])
    named: dict[str, Any] = {"columns": found.columns, "row_name": names.row, "scale": scale}
    if (marked := _marked(source, rows, settings)) is not None:
        named["anomaly"] = marked
    own = {key: value for key, value in settings.items() if key not in ("split", "group")}
    return split_arrays(values, found.labels, notes=notes, flags=flags, **{**own, **named})
