"""A trained model on tomorrow's rows: each row's error beside those of held-out rows, and how the data have drifted."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

from bench.analysis.numbers import number, p_value, percent
from bench.analysis.stats import CONFIDENCE
from bench.contracts.dataset import Split
from bench.contracts.rows import ArraySource, blocks, restore
from bench.errors import UsageError
from bench.files import write_text
from bench.spec.registry import Registry
from bench.text import printable
from bench.trained.drift import MOST_ROWS, ColumnDrift, drift
from bench.trained.new_rows import FILE, NewRows, read_new, training_data
from bench.trained_model import TrainedModel

#: Columns that the table of drift lists, those that differ most first.
LISTED = 12
#: Share of held-out rows whose error is larger than that of an ordinary row.
RARE = 0.05


@dataclass(frozen=True)
class Evaluation:
    """What was found.

    Attributes:
        rows: that were looked at. errors: (N,) their mean squared errors per value, as `test_mse` has them.
        held_out: (n,) errors of the training's held-out rows. columns: the drift of each column.
    """

    rows: NewRows
    errors: np.ndarray
    held_out: np.ndarray
    columns: list[ColumnDrift]

    @property
    def rarity(self) -> np.ndarray:
        """(N,) the share of held-out rows whose error is at least as large as that of each row."""
        below = np.searchsorted(np.sort(self.held_out), self.errors, side="left")
        return 1 - below / len(self.held_out)


def evaluate_new(model: TrainedModel, path: str | Path) -> Evaluation:
    """The errors of a file's rows and of the held-out rows, and drift; nothing is trained and nothing is written.

    Raises:
        UsageError: the run's data were no file of rows, or are gone or changed; the file does not fit them; the variant
            has no encoder.
    """
    record = model.info
    if record["dataset"] != FILE:
        raise UsageError(
            f"the model was trained on {printable(record['dataset_label'], 60)}, and new rows are read as a file's; "
            "for other data take bench.load_model(RUN, VARIANT).score_samples(X) from Python"
        )
    split, params = training_data(record, Registry.discover())
    if not len(split.test):
        raise UsageError("the training held no rows out, so there is nothing to compare new rows with")
    rows = read_new(params, path)
    errors = model.errors(model.standardised(rows.values))  # also where the variant has a score of its own
    return Evaluation(rows, errors, model.errors(np.asarray(split.test[:])), _drift(model, split, rows))


def _drift(model: TrainedModel, split: Split, new: NewRows) -> list[ColumnDrift]:
    """The drift of each value of a row, in the model's units, in which equal numbers of a file are equal."""
    width, n = split.dimension, len(split.train)
    taken = np.unique(np.linspace(0, n - 1, min(n, MOST_ROWS)).astype(int))
    old = np.asarray(split.train[taken]).reshape(-1, width)
    now = model.standardised(new.values).reshape(-1, width)
    shift, scale = (np.broadcast_to(part, split.data_shape).reshape(width) for part in (split.shift, split.scale))
    places = np.flatnonzero(np.isinf(scale))
    raw = np.asarray(new.values, float).reshape(-1, width)
    raw = np.log1p(raw) if model.counts else raw
    constant = {int(place): float(shift[place]) for place in places}
    now[:, places] = raw[:, places]
    grouped = [place for group in new.groups.values() for place in group]
    old[:, grouped] = np.rint(restore(old, shift, scale)[:, grouped])
    now[:, grouped] = raw[:, grouped]
    names = new.columns or [f"value {place}" for place in range(width)]
    return drift(old, now, names, _ranges(split.train, width), new.groups, constant)


def _ranges(rows: np.ndarray | ArraySource, width: int) -> tuple[np.ndarray, np.ndarray]:
    low, high = np.full(width, np.inf), np.full(width, -np.inf)
    for span in blocks(tuple(rows.shape)):
        block = np.asarray(rows[span]).reshape(-1, width)
        low, high = np.minimum(low, block.min(0)), np.maximum(high, block.max(0))
    return low, high


def lines(found: Evaluation) -> list[str]:
    """What a person reads: errors of both, whether they differ, and what drifted."""
    new, old = found.errors, found.held_out
    ratio = new.mean() / old.mean() if old.mean() else np.inf
    p = float(stats.mannwhitneyu(new, old).pvalue)
    table: list[tuple[str, ...]] = [("", "rows", "mean error", "median", f"{percent(1 - RARE)} below")]
    for name, errors in (("held out in training", old), ("new rows", new)):
        table.append((name, f"{len(errors):,}", *(number(x, 4) for x in (errors.mean(), np.median(errors))),
                      number(np.quantile(errors, 1 - RARE), 4)))  # fmt: skip
    above = float((found.rarity < RARE).mean())
    said = "larger" if np.median(new) > np.median(old) else "smaller"
    differs = (
        f"{said} errors (rank test p {p_value(p)})" if p < 1 - CONFIDENCE else f"no difference shown (p {p_value(p)})"
    )
    verdict = f"{number(ratio, 3)} times the held-out error: {differs}; "
    verdict += f"{percent(above)} of the new rows err more than {percent(1 - RARE)} of the held-out rows do"
    return [*_aligned(table), verdict, *found.rows.notes, *_on_drift(found)]


def _on_drift(found: Evaluation) -> list[str]:
    drifted = sorted((one for one in found.columns if one.drifted), key=lambda one: (one.p, -abs(one.difference)))
    outside = [one for one in found.columns if one.outside and not one.drifted]
    n = len(found.columns)
    if not drifted:
        out = [
            f"drift: none shown in {n} columns (Holm-corrected tests)" + ("; beyond training lie" if outside else "")
        ]
    else:
        out = [f"drift: {len(drifted)} of {n} columns differ from the training rows (Holm-corrected tests at 5 %)"]
    table: list[tuple[str, ...]] = [("column", "difference", "p", "beyond training")]
    for one in [*drifted, *outside][:LISTED]:
        size = "–" if np.isnan(one.difference) else f"{one.difference:+.2f}" + (" sd" if one.kind == "number" else "")
        p = "–" if np.isnan(one.p) else p_value(one.p)
        table.append((printable(one.name, 40), size, p, f"{one.outside:,} rows" if one.outside else "–"))
    out += _aligned(table) if len(table) > 1 else []
    if (left := len(drifted) + len(outside) - LISTED) > 0:
        out.append(f"and {left} more columns")
    for name, kinds in found.rows.unknown.items():
        some = ", ".join(f"{printable(kind, 20)!r} ({count})" for kind, count in [*kinds.items()][:4])
        out.append(f"kinds of {printable(name, 40)!r} that no training row has: {some}" + ", …" * (len(kinds) > 4))
    return out


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of text in columns, the first flush left."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return [
        "  ".join(cell.rjust(width) if place else cell.ljust(width) for place, (cell, width) in
                  enumerate(zip(row, widths, strict=True))).rstrip()
        for row in rows
    ]  # fmt: skip


def write_errors(found: Evaluation, path: Path) -> Path:
    """A CSV file with a line for each row: its number in the file from 1, its error, and how rare that is."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("row", "error", "held_out_share_with_larger_error"))
    for row, error, rarity in zip(found.rows.rows, found.errors, found.rarity, strict=True):
        writer.writerow((int(row) + 1, repr(float(error)), f"{rarity:.6g}"))
    return write_text(path, text.getvalue())
