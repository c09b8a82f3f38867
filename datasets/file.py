"""One's own data from a .npy, .npz or .csv file; nothing in a file is ever unpickled or executed."""

from __future__ import annotations

from pathlib import Path

from bench.contracts.checks import existing_file, existing_path, whole_bytes
from bench.contracts.dataset import Split
from bench.data.array_like import Names
from bench.data.csv_file import Wanted, read_csv
from bench.data.csv_split import Choices, csv_split
from bench.data.npy_file import Header, list_npz, open_npy, read_npz
from bench.data.split_arrays import split_arrays
from bench.data.windows import Windows, window_split
from bench.errors import DataError, UsageError, unknown_name

#: Parameters that are no part of a cell's id where they have their defaults: they came later.
LATER = (
    "columns", "drop", "categories", "missing", "header", "strict", "window", "stride", "split", "gap", "group",
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
) -> Split:
    """Vectors (N, D) or images (N, H, W), (N, C, H, W), (N, H, W, 1 or 3), divided by a seed and scaled.

    With `window`, the rows are a series in time, and the data are sequences (N, C, T = window) of its C columns.

    Args:
        path: a .npy, .npz, .csv or .tsv file. CSV: UTF-8, the first line names the columns; comma, semicolon, tab or |.
            A first column without a name holds row names and is left out. Text of at most 100 kinds becomes a column of
            0 and 1 for each kind of the training rows; a column with a text of its own in every row is left out.
        label: where the class labels are: a column's name (CSV), an array's key (.npz), another .npy file (.npy).
        key: which array of a .npz file holds the data; not needed where only one can.
        scale: "none", "unit" (to [0, 1]), "standard" (mean 0, variance 1), or "auto": pixels and
            shares within [0, 1] (each column that varies covers a tenth of it; of 64 columns and more, half of them do
            and the others a 256th) are kept, images and 8-bit pixels go to [0, 1], other tables are standardised column
            by column. Training rows decide; a column that is constant in them is 0 in every part.
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
        split: how a series is divided, so that no row is in two parts: "time" (first rows train, last rows test),
            "group" (whole groups), "random" (windows, which must not overlap), or "auto" (group where it is given).
        gap: rows left out between parts that are divided by time.
        group: the CSV's column that names each row's group, a series of its own.
    """
    if existing_path("path", path).is_dir():
        raise UsageError(
            f"path={str(path)!r} is a folder; give a file, or read a folder of pictures with image-folder[path=…]"
        )
    file = existing_file("path", path)
    limit = whole_bytes("memory_limit", memory_limit)
    settings = {"scale": scale, "validation": validation, "test": test, "split_seed": split_seed}
    settings |= {"memory_limit": limit, "what": repr(file.name)}
    suffix = file.suffix.lower()
    if window is not None:
        if stray := _not_for_windows(label, key, categories, missing):
            raise UsageError(f"{stray} does not go with window=, which cuts rows of numbers; leave it out")
        how = Windows(window, stride, split, gap, validation, test, split_seed)
        choices = Choices.of(columns, drop, None, missing, header, strict)
        wanted = Wanted(group, limit, header, choices.columns, choices.drop)
        return _windows(file, suffix, how, scale, wanted)
    if (stride, split, gap, group) != (None, "auto", 0, None):
        raise UsageError("stride, split, gap and group say how a series is cut and divided; give window=, too")
    choices = Choices.of(columns, drop, categories, missing, header, strict)
    if key is not None and suffix != ".npz":
        raise UsageError(f"key={key!r} is for .npz files; {file.name!r} holds one array")
    if choices != Choices() and suffix in (".npy", ".npz"):
        raise UsageError(
            f"columns, drop, categories, missing, header and strict are for CSV files; not for {file.name!r}"
        )
    try:
        if suffix == ".npy":
            labels = None if label is None else open_npy(existing_file("label", label))
            return split_arrays(open_npy(file), labels, **settings)
        if suffix == ".npz":
            return split_arrays(*_from_npz(file, key, label, limit), **settings)
        if suffix in (".csv", ".tsv"):
            return csv_split(file, label, choices, settings)
    except OSError as error:
        raise DataError(f"{file.name!r} cannot be read: {error.strerror or error}") from None
    raise UsageError(f"{file.name!r}: files of type {suffix or 'none'} are not read; give .npy, .npz or .csv")


def _not_for_windows(label: object, key: object, categories: object, missing: str) -> str:
    """The first parameter that a series cut into windows has no use for, or ""."""
    given = {"label": label, "key": key, "categories": categories}
    found = [f"{name}={value!r}" for name, value in given.items() if value is not None]
    found += [f"missing={missing!r}"] if missing not in ("median", "refuse") else []
    return found[0] if found else ""


def _windows(file: Path, suffix: str, how: Windows, scale: str, wanted: Wanted) -> Split:
    """Windows of the series in a .npy or CSV file; `wanted.label` is the column of groups."""
    try:
        if suffix == ".npy":
            if wanted != Wanted(limit=wanted.limit):
                raise UsageError(f"columns, drop, header and group are for CSV files; not for {file.name!r}")
            return window_split(open_npy(file), how, scale, Names(what=repr(file.name)), None, wanted.limit)
        if suffix in (".csv", ".tsv"):
            table = read_csv(file, wanted)
            names = Names(table.columns, lambda row: f"line {table.line(row)}", repr(file.name))
            return window_split(table.values, how, scale, names, table.labels, wanted.limit)
    except OSError as error:
        raise DataError(f"{file.name!r} cannot be read: {error.strerror or error}") from None
    raise UsageError(f"window= cuts .npy and .csv files; {file.name!r} is of type {suffix or 'none'}")


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
