"""CSV files of numbers and text: each column as codes of the distinct texts that it holds, in bounded memory."""

from __future__ import annotations

import io
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TextIO

import numpy as np

from bench.data.array_like import is_number
from bench.data.csv_file import Source, Wanted, bounded_lines, first_row, opened, read_head
from bench.data.csv_layout import Layout, bad_cell, is_missing, records
from bench.errors import DataError
from bench.text import as_seen

#: Bytes that a distinct text takes beside its characters: an entry of a dictionary and the object.
_ENTRY = 160


@dataclass(frozen=True)
class Column:
    """A column's cells.

    Attributes:
        name: what it is called.
        codes: int64 (N,), which of the `texts` each cell holds.
        texts: the distinct ones, as they are seen.
        place: its position in the file, from 0.
    """

    name: str
    codes: np.ndarray
    texts: tuple[str, ...]
    place: int

    @cached_property
    def counts(self) -> np.ndarray:
        """How often each of the texts comes."""
        return np.bincount(self.codes, minlength=len(self.texts))

    @cached_property
    def numbers(self) -> np.ndarray:
        """The number that each of the texts writes, NaN for those that write none."""
        return np.array([float(text) if is_number(text) else np.nan for text in self.texts])

    @property
    def strange(self) -> list[int]:
        """Codes of texts that occur, write no number and stand for no missing one."""
        return [code for code, text in enumerate(self.texts)
                if self.counts[code] and not is_number(text) and not is_missing(text)]  # fmt: skip


@dataclass(frozen=True)
class TextTable(Source):
    """A CSV file's content: columns, without that of the labels, and N label texts or None."""

    columns: list[Column]
    labels: list[str] | None


def read_texts(path: Path, wanted: Wanted) -> TextTable:
    """Read a UTF-8 CSV file whatever its cells hold; otherwise as `csv_file.read_csv`."""
    return opened(path, wanted.limit, lambda stream: _read(stream, path, wanted))


def _read(stream: TextIO, path: Path, wanted: Wanted) -> TextTable:
    what = repr(path.name)
    layout, label, head = read_head(stream, wanted, what)
    left = layout.left_out | {label}
    places = [place for place in range(len(layout.columns)) if place not in left]
    lines = chain(io.StringIO(head, newline=""), bounded_lines(stream, what))
    codes, texts, labels = _codes(lines, layout, label, places, wanted.limit, what)
    if not len(codes[0]):
        raise DataError(f"{what} has column names but no rows")
    columns = [
        Column(layout.columns[place], np.frombuffer(own, np.int64), tuple(known), place)
        for place, own, known in zip(places, codes, texts, strict=True)
    ]
    first, note = _first_row(columns, layout, what)
    if first and layout.heading is not None:
        columns = [Column(layout.heading[c.place], c.codes[first:], c.texts, c.place) for c in columns]
    return TextTable(path, layout, (*layout.notes, *note), first, columns, None if label is None else labels[first:])


def _codes(
    lines: Iterator[str], layout: Layout, label: int | None, places: list[int], limit: int, what: str
) -> tuple[list[array], list[dict[str, int]], list[str]]:
    """Codes and texts of the columns at `places`, and the texts of the labels."""
    width, labels, taken = len(layout.columns), [], 0
    codes: list[array] = [array("q") for _ in places]
    texts: list[dict[str, int]] = [{} for _ in places]
    pairs = list(zip(places, codes, texts, strict=True))
    for line, _, record in records(lines, layout.delimiter, what, layout.skip):
        if len(record) != width:
            raise DataError(
                f"{what}, line {line}: {len(record)} values where line {layout.named} has {width}; "
                f"all lines need the same number (delimiter {layout.delimiter!r})"
            )
        if layout.empty_end and record[-1].strip():
            raise bad_cell(record, layout, label, line, what)
        for place, own, known in pairs:
            text = as_seen(record[place])
            if text not in known:
                taken += _ENTRY + len(text) * (1 if text.isascii() else 4)
            own.append(known.setdefault(text, len(known)))
        if label is not None:
            labels.append(record[label])
        if taken + 8 * len(codes[0]) * len(codes) > limit:
            raise DataError(f"{what}: values take more than memory_limit={limit} bytes; raise it or drop columns")
    return codes, texts, labels


def _first_row(columns: list[Column], layout: Layout, what: str) -> tuple[int, tuple[str, ...]]:
    """As `csv_file.first_row`; a line of numbers above a column of text is one of names."""
    if layout.heading is not None and any(column.strange for column in columns):
        return 1, (f"line {layout.named} read as column names",)
    return first_row(np.stack([column.numbers[column.codes] for column in columns], axis=1), layout, what)
