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
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import numpy as np

from bench.data.array_like import is_number
from bench.data.csv_layout import DELIMITERS, Layout, bad_cell, find_layout, records
from bench.data.regular_file import open_regular, taken_for
from bench.errors import DataError
from bench.text import as_seen

#: Characters of the longest line and columns of the widest table that are read.
LONGEST_LINE = 1 << 24
MOST_COLUMNS = 1 << 20
#: Lines and characters (beyond the first line) that tell the layout.
SAMPLE_LINES, SAMPLE_CHARACTERS = 64, 1 << 20
#: Characters that are parsed at once.
BLOCK = 1 << 22
_ADVICE = "save it as .npy, which is read as needed"


@dataclass(frozen=True)
class Table:
    """A CSV file's content.

    Attributes:
        values: float64 (N, D).
        columns: D names, without the label column.
        labels: N texts, or None.
        notes: what a report should say about how the file was read.
        path, layout: where it came from.
        first: how many records of numbers stand above the first row (1 where the first turned out to be names).
    """

    values: np.ndarray
    columns: list[str]
    labels: list[str] | None
    notes: tuple[str, ...]
    path: Path
    layout: Layout
    first: int

    def line(self, row: int) -> int:
        """The line of the file, from 1, on which a row (from 0) starts; the file is read again."""
        with _text(open_regular(self.path)) as stream:
            lines = _lines(stream, repr(self.path.name))
            for _ in range(self.layout.skip):
                next(lines, "")
            found = records(lines, self.layout.delimiter, repr(self.path.name), self.layout.skip)
            return next(islice(found, row + self.first, None))[0]


def read_csv(path: Path, label: str | None, limit: int) -> Table:
    """Read a UTF-8 CSV file; see `csv_layout.find_layout` for what is taken as names, row names and delimiter.

    A first line of numbers is taken for names after all where its values, all different, lie outside of what is below
    them, or are years, or rise by one beside a value outside.

    Args:
        path: the file.
        label: name of the label column, or None.
        limit: most bytes that the file, and the values as float64, may take.

    Raises:
        DataError: no regular file, not UTF-8, ragged, empty, a line without end, or a value that is no number, with
            line and column.
        UsageError: no column of the name `label`.
    """
    what, label = repr(path.name), None if label is None else as_seen(label)
    with _text(open_regular(path, limit, bound="memory_limit=", advice=_ADVICE)) as stream:
        try:
            return _read(stream, path, label, limit, what)
        except UnicodeDecodeError:
            line, known = _undecodable_line(path)
            raise DataError(
                f"{what} is {known}"
                if known
                else f"{what}, line {line}: not UTF-8 text; save the file with UTF-8 encoding"
            ) from None


def _read(stream: TextIO, path: Path, label: str | None, limit: int, what: str) -> Table:
    lines = _lines(stream, what)
    head = [next(lines, "")]
    while head[-1] and len(head) < SAMPLE_LINES and sum(map(len, head[1:])) < SAMPLE_CHARACTERS:
        head.append(next(lines, ""))
    head = [line for line in head if line]
    layout = find_layout(head, label, what)
    position = None if label is None else layout.columns.index(label)
    body = _Body(layout, position, limit, what)
    body.read("".join(head[layout.skip :]), stream)
    columns = [name for index, name in enumerate(layout.columns) if index not in body.aside]
    if not columns:
        raise DataError(f"{what} has no columns beside the labels")
    if not body.rows:
        raise DataError(f"{what} has column names but no rows of numbers")
    values, notes, first = np.frombuffer(body.values, dtype=np.float64).reshape(body.rows, -1), layout.notes, 0
    if layout.heading is not None and _are_names(values):
        columns = [name for index, name in enumerate(layout.heading) if index not in body.aside]
        notes, values, first = (*notes, f"line {layout.named} read as column names"), values[1:], 1
    elif layout.heading is not None:
        notes = (*notes, f"line {layout.named} read as data, the file has no column names")
    labels = None if position is None else body.texts[first:]
    return Table(values, columns, labels, notes, path, layout, first)


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
        skipped, width = self.layout.skip, len(self.layout.columns) - len(self.aside)
        for text in _blocks(head, stream, self.what):
            if width < 1:
                return
            if not text.strip("\r\n"):
                skipped += _line_ends(text)
                continue
            table = self._parse(text)
            if table is None:
                rest = chain(io.StringIO(text, newline=""), _lines(stream, self.what))
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


def _line_ends(text: str) -> int:
    return text.count("\n") + text.count("\r") - text.count("\r\n")


def _nothing(cell: str) -> float:
    if cell.strip():
        raise ValueError
    return 0.0


def _text(stream: BinaryIO) -> TextIO:
    return io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")


def _lines(stream: TextIO, what: str) -> Iterator[str]:
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
    with np.errstate(invalid="ignore"):  # what is not finite below is refused later, with its place
        outside = (first < rest.min(0)) | (first > rest.max(0))
    whole = bool((first == np.rint(first)).all())
    rising = whole and len(first) > 2 and bool((np.diff(first) == 1).all())
    years = rising and 1800 <= first[0] and first[-1] <= 2100
    return bool(years or (rising and outside.any()) or (whole and len(rest) >= 10 and outside.all()))


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
