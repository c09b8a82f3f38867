"""CSV files of numbers with an optional label column; errors count lines and columns as an editor shows them.

Blocks of lines are parsed by `numpy.loadtxt`, which gives the doubles that Python gives, and refuses what is ragged or
no number. pandas is not used: its parser fills short lines, joins `"1"2` to 12, ends a value at a zero byte, and its
exact rounding is an option that is going away. What loadtxt refuses (quotes, or a value that is none) is read record
by record, which costs more time, no memory, and names the place.
"""

from __future__ import annotations

import codecs
import io
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import numpy as np

from bench.data.array_like import NAMED_COLUMNS, is_number
from bench.data.csv_layout import DELIMITERS, Layout, bad_cell, find_layout, records
from bench.data.regular_file import open_regular, taken_for
from bench.errors import DataError, UsageError, unknown_name
from bench.text import as_seen, printable

#: Characters of the longest line and columns of the widest table that are read.
LONGEST_LINE = 1 << 24
MOST_COLUMNS = 1 << 20
#: Lines and characters (beyond the first line) that tell the layout.
SAMPLE_LINES, SAMPLE_CHARACTERS = 64, 1 << 20
#: Characters that are parsed at once.
BLOCK = 1 << 22
_ADVICE = "save it as .npy, which is read as needed"


@dataclass(frozen=True)
class Source:
    """Where a table came from.

    Attributes:
        path, layout: the file and what its records are made of.
        notes: what a report should say about how it was read.
        first: how many records stand above the first row (1 where the first turned out to be names).
    """

    path: Path
    layout: Layout
    notes: tuple[str, ...]
    first: int

    def record(self, row: int) -> tuple[int, list[str]]:
        """The line of the file, from 1, on which a row (from 0) starts, and its cells; the file is read again."""
        with _text(open_regular(self.path)) as stream:
            lines = bounded_lines(stream, repr(self.path.name))
            for _ in range(self.layout.skip):
                next(lines, "")
            found = records(lines, self.layout.delimiter, repr(self.path.name), self.layout.skip)
            line, _, cells = next(islice(found, row + self.first, None))
            return line, cells

    def line(self, row: int) -> int:
        """The line of the file, from 1, on which a row (from 0) starts; the file is read again."""
        return self.record(row)[0]

    def called(self, row: int) -> str:
        """What messages call a row."""
        return f"line {self.line(row)}"


@dataclass(frozen=True)
class Table(Source):
    """A CSV file's content.

    Attributes:
        values: float64 (N, D).
        columns: D names, without the label column.
        labels: N texts, or None.
    """

    values: np.ndarray
    columns: list[str]
    labels: list[str] | None


@dataclass(frozen=True)
class Wanted:
    """What is read of a CSV file.

    Attributes:
        label: name of the label column, or None.
        limit: most bytes that the file, and the values as float64, may take.
        header: of `HEADERS`, what the first line is.
        columns, drop: the only columns that are read, or None for all; columns that are not read.
    """

    label: str | None = None
    limit: int = 1 << 62
    header: str = "auto"
    columns: Sequence[str] | None = None
    drop: Sequence[str] = ()

    def left_out(self, layout: Layout) -> Layout:
        """`layout` without the columns that are not wanted; `UsageError` for a name that none has."""
        known = {name: place for place, name in enumerate(layout.columns) if place not in layout.left_out}
        given = {place: name for name, place in known.items() if name != self.label}
        for name in (*(self.columns or ()), *self.drop):
            if name not in given.values():
                raise unknown_name("column", name, given.values())
        unwanted = {place for place, name in given.items()
                    if name in self.drop or (self.columns is not None and name not in self.columns)}  # fmt: skip
        if not unwanted:
            return layout
        left = sorted(unwanted)
        note = f"left out as asked: {listed([layout.columns[place] for place in left])}"
        return replace(layout, left_out=layout.left_out | unwanted, notes=(*layout.notes, note))


def read_csv(path: Path, wanted: Wanted) -> Table:
    """Read a UTF-8 CSV file of numbers; see `csv_layout.find_layout` for what is taken as names, row names, delimiter.

    A first line of numbers is taken for names after all where its values, all different, lie outside of what is below
    them, or are years, or rise by one beside a value outside. Where it may be either, the user has to say.

    Raises:
        NotNumbers: a value that is no number, with line and column.
        DataError: no regular file, not UTF-8, ragged, empty, a line without end.
        UsageError: no column of the name `label`; a first line of numbers that may be names.
    """
    return opened(path, wanted.limit, lambda stream: _read(stream, path, wanted))


def opened(path: Path, limit: int, read: Callable[[TextIO], Any]) -> Any:
    """What `read` makes of the text of a file; `DataError` for one that is not UTF-8 or larger than `limit` bytes."""
    what = repr(path.name)
    with _text(open_regular(path, limit, bound="memory_limit=", advice=_ADVICE)) as stream:
        try:
            return read(stream)
        except UnicodeDecodeError:
            line, known = _undecodable_line(path)
            raise DataError(
                f"{what} is {known}"
                if known
                else f"{what}, line {line}: not UTF-8 text; save the file with UTF-8 encoding"
            ) from None


def read_head(stream: TextIO, wanted: Wanted, what: str) -> tuple[Layout, int | None, str]:
    """The layout of a file, the position of its labels, and what was read of its records to find out."""
    lines = bounded_lines(stream, what)
    head = [next(lines, "")]
    while head[-1] and len(head) < SAMPLE_LINES and sum(map(len, head[1:])) < SAMPLE_CHARACTERS:
        head.append(next(lines, ""))
    head = [line for line in head if line]
    label = None if wanted.label is None else as_seen(wanted.label)
    layout = wanted.left_out(find_layout(head, label, what, wanted.header))
    if len(layout.left_out) + (label is not None) == len(layout.columns):
        raise DataError(f"{what} has no columns beside the labels" + " that are read" * (label is None))
    return layout, None if label is None else layout.columns.index(label), "".join(head[layout.skip :])


def _read(stream: TextIO, path: Path, wanted: Wanted) -> Table:
    what = repr(path.name)
    layout, position, head = read_head(stream, wanted, what)
    body = _Body(layout, position, wanted.limit, what)
    body.read(head, stream)
    if not body.rows:
        raise DataError(f"{what} has column names but no rows of numbers")
    columns = [name for index, name in enumerate(layout.columns) if index not in body.aside]
    values = np.frombuffer(body.values, dtype=np.float64).reshape(body.rows, -1)
    first, note = first_row(values, layout, what)
    if first:
        columns = [name for index, name in enumerate(layout.heading or ()) if index not in body.aside]
    labels = None if position is None else body.texts[first:]
    return Table(path, layout, (*layout.notes, *note), first, values[first:], columns, labels)


def first_row(values: np.ndarray, layout: Layout, what: str) -> tuple[int, tuple[str, ...]]:
    """How many of the rows of numbers (N, D), NaN where none is, are names (0 or 1), with a note on that.

    Raises:
        UsageError: the first may be names or data.
    """
    if layout.heading is None:
        return 0, ()
    if _are_names(values):
        return 1, (f"line {layout.named} read as column names",)
    if _may_be_names(values):
        shown = printable(", ".join(layout.heading), 60)
        raise UsageError(
            f"{what}: line {layout.named} consists of numbers ({shown}), which may name the columns or be the first "
            "row; say header=yes for names or header=no for data"
        )
    return 0, (f"line {layout.named} read as data, the file has no column names",)


class _Body:
    """What is read of the records of data: `values` row by row, and the `texts` of the label column."""

    def __init__(self, layout: Layout, label: int | None, limit: int, what: str):
        self.layout, self.label, self.limit, self.what = layout, label, limit, what
        self.aside = layout.left_out | ({label} if label is not None else set())
        self.values, self.rows = array("d"), 0
        self.texts: list[str] = []
        self.codes: dict[str, int] = {}

    def read(self, head: str, stream: TextIO) -> None:
        """All records of `head` and of what follows in `stream`."""
        skipped = self.layout.skip
        for text in _blocks(head, stream, self.what):
            if not text.strip("\r\n"):
                skipped += _line_ends(text)
                continue
            table = self._parse(text)
            if table is None:
                rest = chain(io.StringIO(text, newline=""), bounded_lines(stream, self.what))
                return self._read_records(records(rest, self.layout.delimiter, self.what, skipped))
            skipped += _line_ends(text)
            if self.label is not None:
                known = list(self.codes)
                self.texts += [known[int(code)] for code in table[:, self.label]]
            self.values.frombytes(np.delete(table, sorted(self.aside), axis=1).tobytes())
            self._count(len(table))

    def _parse(self, text: str) -> np.ndarray | None:
        """A block's values, with codes in the place of labels; None where it needs to be read with more care."""
        if '"' in text:
            return None
        converters: dict[int | str, Callable[[str], Any]] = dict.fromkeys(self.layout.left_out, lambda cell: 0.0)
        last = len(self.layout.columns) - 1
        if self.layout.empty_end:
            converters[last] = _nothing
        if self.label is not None:
            converters[self.label] = lambda cell: self.codes.setdefault(cell.lstrip(" "), len(self.codes))
        try:
            table = np.loadtxt(
                io.StringIO(text, newline=""),
                delimiter=self.layout.delimiter,
                comments=None,
                converters=converters or None,
                ndmin=2,
                encoding=None,
            )
        except (ValueError, OverflowError, UnicodeError):
            return None
        return table if table.shape[1] == last + 1 else None

    def _read_records(self, found: Iterable[tuple[int, int, list[str]]]) -> None:
        layout, width, aside = self.layout, len(self.layout.columns), sorted(self.aside, reverse=True)
        for line, _, record in found:
            if len(record) != width:
                raise DataError(
                    f"{self.what}, line {line}: {len(record)} values where line {layout.named} has {width}; "
                    f"all lines need the same number (delimiter {layout.delimiter!r})"
                )
            if self.label is not None:
                self.texts.append(record[self.label])
            cells = [*record] if aside else record
            for index in aside:
                del cells[index]
            try:
                self.values.extend(map(float, cells))
            except ValueError:
                raise bad_cell(record, layout, self.label, line, self.what) from None
            plain = "".join(cells)  # float() also reads 1_0 and digits of other scripts
            if not plain.isascii() or "_" in plain or (layout.empty_end and record[-1].strip()):
                if not all(map(is_number, cells)) or (layout.empty_end and record[-1].strip()):
                    raise bad_cell(record, layout, self.label, line, self.what)
            self._count(1)

    def _count(self, rows: int) -> None:
        self.rows += rows
        if len(self.values) * 8 > self.limit:
            raise DataError(f"{self.what}: values take more than memory_limit={self.limit} bytes; {_ADVICE}")


def listed(names: Sequence[str]) -> str:
    """Quoted names of columns, of many the first."""
    more = f" and {len(names) - NAMED_COLUMNS} more" if len(names) > NAMED_COLUMNS else ""
    return ", ".join(repr(printable(name, 40)) for name in names[:NAMED_COLUMNS]) + more


def _line_ends(text: str) -> int:
    return text.count("\n") + text.count("\r") - text.count("\r\n")


def _nothing(cell: str) -> float:
    if cell.strip():
        raise ValueError
    return 0.0


def _text(stream: BinaryIO) -> TextIO:
    return io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")


def bounded_lines(stream: TextIO, what: str) -> Iterator[str]:
    """Lines, none of them longer or of more columns than any table has."""
    while line := stream.readline(LONGEST_LINE + 1):
        _require_bounded(line, what)
        yield line


def _blocks(head: str, stream: TextIO, what: str) -> Iterator[str]:
    """Whole lines, about `BLOCK` characters at a time."""
    if head:
        yield head
    while text := stream.read(BLOCK):
        text += stream.readline(LONGEST_LINE + 1)
        _require_bounded(text[max(text.rfind("\n", 0, -1), text.rfind("\r", 0, -1)) + 1 :], what)
        yield text


def _require_bounded(line: str, what: str) -> None:
    if len(line) > LONGEST_LINE or (len(line) > MOST_COLUMNS and max(map(line.count, DELIMITERS)) >= MOST_COLUMNS):
        raise DataError(
            f"{what} has a line of more than {LONGEST_LINE} characters or {MOST_COLUMNS} columns; write one row a "
            f"line, or {_ADVICE}"
        )


def _are_names(values: np.ndarray) -> bool:
    """Whether the first of the rows of numbers is like a line of names that are numbers, such as years."""
    first, rest = values[0], values[1:]
    if len(first) < 2 or not len(rest) or not np.isfinite(first).all() or len(set(first.tolist())) < len(first):
        return False
    outside = _outside(values)
    whole = bool((first == np.rint(first)).all())
    rising = whole and len(first) > 2 and bool((np.diff(first) == 1).all())
    years = rising and 1800 <= first[0] and first[-1] <= 2100
    return bool(years or (rising and outside.any()) or (whole and len(rest) >= 10 and outside.all()))


def _may_be_names(values: np.ndarray) -> bool:
    """Whether the first of the rows of numbers could be names: whole numbers that rise, or some of another size."""
    first = values[0]
    if len(first) < 2 or not np.isfinite(first).all() or (first != np.rint(first)).any():
        return False
    return bool((np.diff(first) > 0).all() or (len(set(first.tolist())) == len(first) and _outside(values).any()))


def _outside(values: np.ndarray) -> np.ndarray:
    """Of which columns the first value lies outside of what is below it; what is missing there says nothing."""
    first, rest = values[0], values[1:]
    with np.errstate(invalid="ignore"):  # what is not finite below is refused later, with its place
        low, high = (np.fmin.reduce(rest), np.fmax.reduce(rest)) if len(rest) else (first, first)
        return (first < low) | (first > high)


def _undecodable_line(path: Path) -> tuple[int, str | None]:
    """The number of the first line, from 1, that is not UTF-8, and words for what the file is where it is no text."""
    decoder, line = codecs.getincrementaldecoder("utf-8")(), 1
    with open_regular(path) as stream:
        known = taken_for(stream.peek(64))
        while chunk := stream.read(1 << 20):
            try:
                line += decoder.decode(chunk).count("\n")
            except UnicodeDecodeError as error:
                return line + error.object[: error.start].count(b"\n"), known
    return line, known
