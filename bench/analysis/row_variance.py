"""What other test rows would change: a bootstrap over held-out rows beside the interval over seeds (and splits).

Seeds and rows are two sources of variance. An interval over seeds holds the test rows fixed, so that with 360 of them a
lead can be sure over seeds and still be an accident of these rows. Here the models are held fixed and rows are drawn
again: of each row's error, averaged over seeds, and paired between variants, because all are measured on the same
rows. Over several splits it is the rows and models of the first that are taken: what other rows change is then already
part of the interval, and this is its share.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bench.analysis.numbers import number, signed
from bench.analysis.sections import Section
from bench.analysis.stats import CONFIDENCE

METRIC = "test_mse"
DRAWS = 1000
#: Numbers drawn at a time.
_BLOCK = 2**22
#: Variants that the table shows.
MOST = 20
COLUMNS = ("Variant", METRIC, "± seeds", "± test rows", "Behind the best", "± seeds", "± test rows")
NOTE = (
    "Seeds and test rows: ± seeds is the 95 % t interval over training again on these test rows; ± test rows the 95 % "
    "bootstrap interval over other test rows for these very models. A lead that is smaller than either may be an "
    "accident of it. Neither speaks of another division of the data."
)
COLUMNS_OVER_SPLITS = (
    "Variant", METRIC, "± splits × seeds", "sd of splits", "sd of seeds", "± test rows", "Behind the best",
    "± splits × seeds", "± test rows",
)  # fmt: skip
NOTE_OVER_SPLITS = (
    "Splits, seeds and test rows: ± splits × seeds is the 95 % t interval over other random divisions of the data and "
    "training again on each (splits' means over seeds, widened for the rows that splits share and for what seeds have "
    "in common over splits); sd of splits is the spread of those means, sd of seeds that of training again on one "
    "split; ± test rows the 95 % bootstrap interval over other test rows for the very models of the first split, which "
    "is already part of the spread of splits."
)


@dataclass(frozen=True)
class RowVariance:
    """Half-widths over test rows, (variants,) each, beside what they belong to.

    Attributes:
        labels: of the variants with errors of rows, the best first. n: test rows.
        means, halves: of each variant. behind, behind_halves: its difference from the best.
        texts: the table's rows under `columns`. note: what they mean.
    """

    labels: list[str]
    n: int
    means: np.ndarray
    halves: np.ndarray
    behind: np.ndarray
    behind_halves: np.ndarray
    texts: list[tuple[str, ...]]
    columns: tuple[str, ...] = COLUMNS
    note: str = NOTE


def row_intervals(errors: np.ndarray, rng: np.random.Generator, draws: int = DRAWS) -> np.ndarray:
    """Half-widths of the bootstrap intervals of the mean of every row of (K, N), the same draws for all: (K,)."""
    n = errors.shape[1]
    block = max(1, _BLOCK // max(n, 1))
    means = []
    for start in range(0, draws, block):
        counts = rng.multinomial(n, np.full(n, 1 / n), size=min(block, draws - start))
        means.append(counts @ errors.T / n)  # (block, K)
    low, high = np.quantile(np.concatenate(means), [0.5 - CONFIDENCE / 2, 0.5 + CONFIDENCE / 2], axis=0)
    return (high - low) / 2


def over_test_rows(
    section: Section, cells: pd.DataFrame, errors_of: Callable[[str], np.ndarray | None]
) -> RowVariance | None:
    """The test rows' share of the variance of `METRIC`; None where errors of rows are not stored or nobody leads.

    Args:
        errors_of: cell id → squared error per dimension of each test row (N,), the same rows for all, or None.
    """
    lead = section.leads.get(METRIC)
    if lead is None or lead.leader is None:
        return None
    own = cells[((cells["dataset_label"] == section.name) & (cells["status"] == "ok")).to_numpy()]
    own = own[(own["split_number"] == own["split_number"].min()).to_numpy()]
    order = [lead.leader, *(row for row in range(len(section.rows)) if row != lead.leader)][:MOST]
    names = list(dict.fromkeys(cells[(cells["dataset_label"] == section.name).to_numpy()]["variant_label"]))
    tables = {row: _mean_errors(own[(own["variant_label"] == names[row]).to_numpy()], errors_of) for row in order}
    best = tables[lead.leader]
    if best is None or len(best) < 2:
        return None
    whole = {row: table for row, table in tables.items() if table is not None and len(table) == len(best)}
    rows, errors = list(whole), np.stack(list(whole.values()))
    behind = errors - best
    halves = row_intervals(np.concatenate([errors, behind]), np.random.default_rng(0))
    first, second = halves[: len(rows)], halves[len(rows) :]
    texts = [_texts(section, row, lead.leader, first[k], second[k]) for k, row in enumerate(rows)]
    labels = [section.rows[row].label for row in rows]
    said = (COLUMNS_OVER_SPLITS, NOTE_OVER_SPLITS) if section.design.is_crossed else (COLUMNS, NOTE)
    return RowVariance(labels, len(best), errors.mean(1), first, behind.mean(1), second, texts, *said)


def _mean_errors(cells: pd.DataFrame, errors_of: Callable[[str], np.ndarray | None]) -> np.ndarray | None:
    """Each row's error, mean over the seeds that have them, (N,)."""
    found = [errors for cell_id in cells["cell_id"] if (errors := errors_of(cell_id)) is not None]
    found = [errors.astype(np.float64) for errors in found if errors.ndim == 1 and errors.shape == found[0].shape]
    return np.mean(found, axis=0) if found else None


def _texts(section: Section, row: int, leader: int, half: float, behind_half: float) -> tuple[str, ...]:
    cell, design, values = section.cells[row, METRIC], section.design, section.values[METRIC]
    spreads = map(_half, design.spreads(values[row])) if design.is_crossed else ()
    own = (section.rows[row].label, number(cell.mean), _half(cell.high - cell.mean), *spreads, _half(half))
    if row == leader:
        return *own, "", "", ""
    interval = design.interval(values[row] - values[leader])
    said = signed(interval.mean, interval.half_width).partition(" ± ")[0]
    return *own, said, _half(interval.half_width), _half(behind_half)


def _half(half: float) -> str:
    return number(half, 2)
