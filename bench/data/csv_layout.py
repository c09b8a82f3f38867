"""How a CSV file is laid out, told by its first lines: what divides its values, what names them, what is no data."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bench.data.array_like import is_number
from bench.errors import DataError, unknown_name
from bench.spec.call import format_value
from bench.text import as_seen

DELIMITERS = ",;\t|"
#: What a file's first line is: names where it looks like such, names, or data.
HEADERS = ("auto", "yes", "no")
#: What pandas and spreadsheets call the column of row numbers that they wrote without a name.
_ROW_NAMES = re.compile(r"(Unnamed: 0(\.\d+)*)?")
#: A number in any spelling that people write, with decimal commas and thousands.
_ROUGHLY = re.compile(r"\s*[+-]?(\d[\d.,' ]*|[.,]\d+)([eE][+-]?\d+)?\s*", re.ASCII)
_SEP_LINE = re.compile(r'"?sep=(.)"?\s*')


@dataclass(frozen=True)
class Layout:
    """What every record of a file is made of.

    Attributes:
        delimiter: between its cells.
        columns: a name for each cell, "" for those that are left out.
        left_out: positions that hold no data: row names, and what follows a delimiter at the end of each line.
        empty_end: whether the last of these is empty in each record.
        heading: the cells of a first line of numbers, which may be names (see `csv_file`), or None.
        named: the line of the file that decides how many cells a record has.
        skip: lines of the file before the first record of data.
        notes: what a report should say.
    """

    delimiter: str
    columns: list[str]
    left_out: frozenset[int]
    empty_end: bool
    heading: list[str] | None
    named: int
    skip: int
    notes: tuple[str, ...]


def find_layout(lines: Sequence[str], label: str | None, what: str, header: str = "auto") -> Layout:
    """The layout of a file that begins with `lines`.

    The delimiter is the one of comma, semicolon, tab and | that divides the lines most evenly into numbers, unless a
    line `sep=…` says it. Lines that begin with # are passed over, but for one that names the columns of numbers below
    it (`numpy.savetxt`). A first line of numbers only is data (columns are then called column1, column2, …), unless it
    counts 0, 1, 2, … or 1, 2, 3, …, is the only one in quotes, or has the name `label`; `header`, of `HEADERS`, says it
    otherwise. A first column without a name holds row names (R, pandas) and is left out.

    Raises:
        DataError: empty, not CSV, a column without a name, two of one name, values where names are expected, numbers
            that only spaces divide, or with decimal commas in a file without names.
        UsageError: no column of the name `label`.
    """
    lines = [lines[0].lstrip("\ufeff"), *lines[1:]] if lines else []
    said = _SEP_LINE.fullmatch(lines[0]) if lines else None
    skip, comments = int(said is not None), []
    while skip < len(lines) and lines[skip].startswith("#"):
        comments.append(lines[skip].lstrip("#").strip())
        skip += 1
    delimiter = said[1] if said else max(DELIMITERS, key=lambda mark: _fit(lines[skip:], mark))
    sample = _sample(lines[skip:], delimiter, what, skip)
    if not sample:
        raise DataError(f"{what} is empty; expected a line of column names and lines of numbers")
    if said is None:
        _refuse_spaces(sample, what)
    notes = [f"{len(comments)} line{'s' * (len(comments) > 1)} of comments (#) passed over"] if comments else []
    (start, end, first), rows = sample[0], [cells for _, _, cells in sample[1:]]
    first = [as_seen(cell) for cell in first]
    empty_end = _ends_empty(first, rows)
    width = len(rows[0]) if empty_end and rows else len(first)
    first = first[: width - 1] if empty_end else first
    heading = None
    if header == "no":
        columns, end = _numbered(first), start - 1
    elif all(_ROUGHLY.fullmatch(cell) for cell in first):
        columns = [as_seen(cell) for cell in comments[-1].split(delimiter)] if comments else []
        if len(columns) == len(first) and not all(map(is_number, columns)):
            end = start - 1
        elif header == "yes" or _counts(first) or label in first or _only_quoted(lines, start):
            columns = first
            notes.append(f"line {start} read as column names")
        else:
            heading, end = first, start - 1
            columns = _numbered(first)
    elif not empty_end and _names_rows(first, rows):
        columns = ["", *first]
    else:
        if header == "auto":
            _refuse_data(first, rows, start, what)
        columns = first
    left_out = _row_names(columns, label, start, notes)
    _check_names(columns, left_out, start, what)
    known = [name for place, name in enumerate(columns) if place not in left_out]
    if label is not None and label not in known:
        raise unknown_name("label column", label, known)
    if empty_end:
        left_out.add(len(columns))
        columns = [*columns, ""]
    layout = Layout(delimiter, columns, frozenset(left_out), empty_end, heading, start, end, tuple(notes))
    if heading and _with_commas(heading, rows):
        raise bad_cell(heading, layout, None, start, what)
    return layout


def records(lines: Iterable[str], delimiter: str, what: str, skipped: int = 0) -> Iterator[tuple[int, int, list[str]]]:
    """Records that are not blank, with the lines of the file on which each starts and ends.

    Raises:
        DataError: a quote that is never closed or closed within a value, or a value of more than 128 kB.
    """
    latest = [""]
    reader = _reader(_remembered(lines, latest), delimiter, strict=True)
    while True:
        line = skipped + reader.line_num + 1
        try:
            record = next(reader, None)
        except csv.Error as error:
            raise DataError(
                f"{what}, line {line}: not readable as CSV ({error}); values are divided by comma, semicolon, tab "
                "or |, and a quote within quotes is written twice"
            ) from None
        if record is None:
            return
        if record and not (record == [""] and latest[0].isspace()):
            yield line, skipped + reader.line_num, record


def _reader(lines: Iterable[str], delimiter: str, strict: bool = False) -> Any:
    """Records of CSV; the space that many write after a delimiter is no part of a value, so a quote may follow it."""
    return csv.reader(lines, delimiter=delimiter, strict=strict, skipinitialspace=delimiter != " ")


def _remembered(lines: Iterable[str], latest: list[str]) -> Iterator[str]:
    """The same `lines`, of which `latest` holds the one that was given last."""
    for latest[0] in lines:
        yield latest[0]


class NotNumbers(DataError):
    """A table holds something else than numbers."""


def bad_cell(record: Sequence[str], layout: Layout, label: int | None, line: int, what: str) -> NotNumbers:
    """The error for the first cell of a record that is no number; it names the cause and the remedy."""
    cells = [cell.strip() for index, cell in enumerate(record) if index not in layout.left_out | {label}]
    words = [cell for cell in cells if cell and cell.lower() not in MISSING]
    if words and not any(re.match(r"\W*\d", cell) for cell in words):
        listed = ", ".join(words)[:60]
        return NotNumbers(
            f"{what}, line {line}: {listed!r} where a row of numbers is expected; remove the line (one line of names "
            "is read, without titles or units), or encode what it says as numbers"
        )
    for index, cell in enumerate(record):
        place = f"{what}, line {line}, column {index + 1}"
        if layout.empty_end and index == len(layout.columns) - 1 and cell.strip():
            return NotNumbers(f"{place}: {cell[:40]!r} stands where all other lines end with {layout.delimiter!r}")
        if index in layout.left_out or index == label or is_number(cell):
            continue
        place += f" ({layout.columns[index]!r})"
        if is_missing(cell):
            return NotNumbers(f"{place}: the value is missing ({cell!r}); fill it in or remove the line")
        return NotNumbers(f"{place}: {cell[:40]!r} {reason_of(cell.strip(), layout, index)}")
    raise AssertionError("every cell is a number")


#: What stands, in small letters, for a number that is missing.
MISSING = ("na", "n/a", "<na>", "#n/a", "nan", "nat", "null", "none", "?", "-", ".", "missing")


def is_missing(cell: str) -> bool:
    """Whether a cell of a column of numbers stands for one that is missing."""
    return not cell.strip() or cell.strip().lower() in MISSING


def reason_of(cell: str, layout: Layout, index: int) -> str:
    """Why a cell of column `index` is no number, and what to write instead."""
    if re.fullmatch(r"[^\d.]*[$€£¥%‰].*|.*[$€£¥%‰]", cell):
        return "has a sign of currency or percent; write the number alone"
    if re.fullmatch(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?", cell, re.ASCII):
        grouped = cell.count(",") > 1 or "." in cell or layout.delimiter == ","
        if grouped:
            return f"has commas between thousands; write {cell.replace(',', '')}"
        return (
            f"has a comma that may be a decimal comma or stand between thousands; write {cell.replace(',', '.')} or "
            f"{cell.replace(',', '')}"
        )
    if re.fullmatch(r"[+-]?(\d{1,3}([. ']\d{3})+|\d*),\d+([eE][+-]?\d+)?", cell, re.ASCII):
        return "has a decimal comma; write decimal points"
    if re.fullmatch(r"[+-]?\d{1,3}([. '\u00a0\u202f]\d{3})+([.,]\d*)?", cell, re.ASCII):
        return "has marks between thousands; write the digits alone"
    try:
        float(cell)
    except ValueError:
        if len(layout.columns) == 1 and len(cell.split()) > 1 and all(map(is_number, cell.split())):
            return "holds several numbers; separate them by comma, semicolon, tab or |"
        name = layout.columns[index]
        return (
            "is not a number; remove the column, encode it as numbers, or make it the label "
            f"(label={format_value(name)})"
        )
    return "is not a number here: only the digits 0 to 9 without _ between them are read"


def _sample(lines: Sequence[str], delimiter: str, what: str, skipped: int) -> list[tuple[int, int, list[str]]]:
    """Records of the first lines; what is not CSV further down is left for the reader of the body to name."""
    found: list[tuple[int, int, list[str]]] = []
    try:
        found.extend(records(lines, delimiter, what, skipped))
    except DataError:
        if not found:
            raise
    return found


def _fit(lines: Sequence[str], delimiter: str) -> tuple[float, float, int]:
    """How well `delimiter` divides: the share of lines of one length times that of cells like numbers; both; length."""
    try:
        rows = [row for row in _reader(lines, delimiter) if row]
    except csv.Error:
        rows = []
    if not rows:
        return 0.0, 0.0, 0
    width, same = Counter(map(len, rows)).most_common(1)[0]
    if width < 2:
        return 0.0, 0.0, 0
    cells = [cell for row in rows[1:] or rows for cell in row]
    numbers = sum(_ROUGHLY.fullmatch(cell) is not None for cell in cells)
    return same * numbers / (len(rows) * len(cells)), same / len(rows), width


def _ends_empty(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether each line ends with a delimiter, the one of names perhaps without."""
    if not rows or len(rows[0]) < 2:
        return False
    fits = len(first) == len(rows[0]) - 1 or (len(first) == len(rows[0]) and not first[-1])
    return fits and all(len(row) == len(rows[0]) and not row[-1].strip() for row in rows)


def _names_rows(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether each row begins with a name of its own above which there is nothing, as R's write.table makes it."""
    own = {row[0] for row in rows if len(row) == len(first) + 1}
    return bool(rows) and len(own) == len(rows)


def _numbered(first: Sequence[str]) -> list[str]:
    return [f"column{index}" for index in range(1, len(first) + 1)]


def _counts(first: Sequence[str]) -> bool:
    """Whether a line counts 0, 1, 2, … or 1, 2, 3, …, as pandas names columns."""
    return len(first) > 1 and any(first == [str(start + n) for n in range(len(first))] for start in (0, 1))


def _only_quoted(lines: Sequence[str], line: int) -> bool:
    return '"' in lines[line - 1] and len(lines) > line and not any('"' in other for other in lines[line:])


def _refuse_spaces(sample: Sequence[tuple[int, int, list[str]]], what: str) -> None:
    """Lines that only spaces divide, each into as many numbers, below a line of as many names or none."""
    rows = [cells[0].split() for _, _, cells in sample if len(cells) == 1]
    if len(rows) < len(sample) or len(rows[0]) < 2 or len({*map(len, rows)}) > 1:
        return
    first = 0 if all(map(is_number, rows[0])) else 1
    if rows[first:] and all(is_number(cell) for row in rows[first:] for cell in row):
        line, _, cells = sample[first]
        raise NotNumbers(
            f"{what}, line {line}: {cells[0].strip()[:60]!r} holds several numbers; separate them by comma, semicolon, "
            "tab or |, not by spaces (numpy.savetxt does it with delimiter=',')"
        )


def _with_commas(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether a first line is numbers of which one has a comma, as the one below it has: data, and no names."""
    below = rows[0] if rows else ()
    return any(
        "," in cell and "," in other and _ROUGHLY.fullmatch(other) for cell, other in zip(first, below, strict=False)
    )


def _refuse_data(first: Sequence[str], rows: Sequence[Sequence[str]], line: int, what: str) -> None:
    """A first line that is like those below it, with numbers and a text that comes again, is no line of names."""
    texts = [index for index, cell in enumerate(first) if not is_number(cell)]
    again = all(first[index] in {row[index].strip() for row in rows if len(row) > index} for index in texts)
    if rows and len(texts) < len(first) and again:
        raise DataError(
            f"{what}, line {line}: {', '.join(first)[:60]!r} are values like those below, where column names are "
            "expected; write a line of names above it, or say header=no (or header=yes, if they are names)"
        )


def _row_names(columns: Sequence[str], label: str | None, line: int, notes: list[str]) -> set[int]:
    """Positions of leading columns that only name or number the rows."""
    found: set[int] = set()
    for index, column in enumerate(columns[:-1]):
        if not _ROW_NAMES.fullmatch(column) or column == label:
            break
        found.add(index)
        called = f"({column!r})" if column else "(without a name)"
        notes.append(f"column {index + 1} {called} read as row names and left out")
    return found


def _check_names(columns: Sequence[str], left_out: set[int], line: int, what: str) -> None:
    seen = set()
    for index, column in enumerate(columns):
        if index in left_out:
            continue
        if not column:
            raise DataError(f"{what}, line {line}: column {index + 1} has no name")
        if column in seen:
            raise DataError(f"{what}, line {line}: two columns are called {column!r}; rename one")
        seen.add(column)
