"""One data set of a report as data: its rows, columns, marks, and differences from the baseline."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis.catalogue import Metric, is_element
from bench.analysis.design import Design, design_of
from bench.analysis.eligibility import CONTROL, barred, collapse_reason, is_baseline, prior_collapse_reason, unfit
from bench.analysis.grids import Grid, grids_of
from bench.analysis.leads import Difference, Lead, differences, lead_in
from bench.analysis.numbers import number, with_interval
from bench.analysis.pairs import Column, Family
from bench.analysis.selection import selected
from bench.analysis.stats import Interval
from bench.spec.sweep import split_label
from bench.store.measurements import RunData
from bench.text import printable

_ROW_COLUMNS = ("variant", "variant_label", "status", "kl_weight", "decoder_variance")
#: Why a variant that lost seeds does not compete.
TOO_FEW = "too few seeds in common with the others"


@dataclass(frozen=True)
class Row:
    """A variant in one data set: its label, λ and s², how many of its cells have results, why it cannot win.

    `collapsed` bars it from every mark, `prior_collapsed` from those of metrics of the prior's samples.
    """

    label: str
    kl_weight_value: float | Any
    decoder_variance_value: float | Any
    n_ok: int
    n_cells: int
    is_control: bool
    collapsed: str | None
    prior_collapsed: str | None = None

    @property
    def kl_weight(self) -> str:
        """λ as tables show it."""
        return number(None if self.kl_weight_value == "" else self.kl_weight_value, 3)

    @property
    def decoder_variance(self) -> str:
        """s² as tables show it."""
        return number(None if self.decoder_variance_value == "" else self.decoder_variance_value, 3)

    @property
    def role(self) -> str:
        """What tables call a row that is no autoencoder; "" for a variant."""
        return ("no autoencoder" if is_baseline(self.label) else "control") if self.is_control else ""

    @property
    def cells(self) -> str:
        """Seeds behind the row's numbers."""
        return f"{self.n_ok}" if self.n_ok == self.n_cells else f"{self.n_ok} of {self.n_cells}"


@dataclass(frozen=True)
class Cell:
    """One number of a table: text as shown, interval, seeds, mark ("best", "shared", ""), why it is missing, and why
    its row does not compete in this metric ("" where it does)."""

    text: str
    mean: float
    low: float
    high: float
    n: int
    mark: str
    reason: str
    flagged: bool
    barred: str = ""

    @property
    def sort_value(self) -> float | str:
        """The mean to sort by; "" where there is none."""
        return self.mean if self.n else ""


@dataclass
class Section:
    """One data set: rows × metrics, who leads, differences from the baseline. `name` is the label as stored, `design`
    says what the columns of `values` are.

    `grids` holds the settings of variants that have several, `barred` why a row does not compete in a metric (whatever
    its numbers are), `unfit` why a row's own numbers show nobody to be better, `tests` how many tests the headline's
    family has.
    """

    name: str
    label: str
    data_line: str
    rows: list[Row]
    design: Design
    metrics: dict[str, Metric]
    values: dict[str, np.ndarray]
    cells: dict[tuple[int, str], Cell]
    leads: dict[str, Lead]
    baseline: int | None
    differences: dict[int, list[Difference]]
    costs: list[dict[str, float]]
    grids: list[Grid] = field(default_factory=list)
    barred: dict[tuple[int, str], str] = field(default_factory=dict)
    unfit: dict[tuple[int, str], str] = field(default_factory=dict)
    tests: int = 0

    @cached_property
    def chosen(self) -> set[int]:
        """Rows that validation data choose among the settings of their variant."""
        return {grid.chosen.index for grid in self.grids if grid.chosen is not None}

    def place_of(self, label: str) -> int | None:
        """The row that a variant's label means; see the function of that name."""
        labels = [row.label for row in self.rows]
        return place_of(label, labels, self.grids)

    @property
    def primary(self) -> list[Metric]:
        """Metrics of the short table."""
        return _headline(self.metrics, self.values)

    def families(self) -> dict[str, list[Metric]]:
        """Metrics by family; entries of vectors stand together under "family: name"."""
        out: dict[str, list[Metric]] = {}
        for metric in self.metrics.values():
            key = f"{metric.family}: {metric.name.partition('[')[0]}" if is_element(metric.name) else metric.family
            out.setdefault(key, []).append(metric)
        return out


def section_of(data: RunData, label: str, known: Mapping[str, Metric], spec: Mapping[str, Any]) -> Section:
    """The data set `label` of a run, with the metrics of `known` that have values."""
    own = np.flatnonzero((data.cells["dataset_label"] == label).to_numpy())
    cells = data.cells.iloc[own]
    variants = list(dict.fromkeys(cells["variant_label"]))
    design = design_of(cells)
    place = _places(data, own, variants, design)
    mine = np.flatnonzero(place[data.cell, 0] >= 0)
    values, reasons, flags = _fill(data, mine, place, (len(variants), len(design.seeds)))
    metrics = {name: metric for name, metric in known.items() if name in values}
    by_variant = dict(iter(cells[list(_ROW_COLUMNS)].groupby("variant_label", sort=False)))
    rows = [_row(name, by_variant[name], values, reasons, index, design.repeats) for index, name in enumerate(variants)]
    names = [str(by_variant[name]["variant"].iloc[0]) for name in variants]
    grids = grids_of(printable(label), rows, names, values, metrics, selected(spec), design)
    unchosen = {row: why for grid in grids for row, why in grid.unchosen().items()}
    spoiled = unfit(rows, metrics, values, reasons, flags)
    section = Section(
        label,
        printable(label),
        data_line(next((text for text in cells["split"] if text != "{}"), "{}")),
        rows,
        design,
        metrics,
        values,
        {},
        {},
        _baseline(rows, spec, grids),
        {},
        _costs(cells, variants),
        grids,
        barred(rows, metrics, values, spoiled, unchosen),
        spoiled,
    )
    unmarked = section.barred | _judge(section)
    for name in metrics:
        for row, interval in enumerate(design.intervals(values[name])):
            key, mark = (row, name), section.leads[name].marks.get(row, "")
            flagged = bool(flags[name][row].any())
            section.cells[key] = _cell(interval, mark, reasons.get(key, ""), flagged, unmarked.get(key, ""))
    return section


def _places(data: RunData, own: np.ndarray, variants: list[str], design: Design) -> np.ndarray:
    """Row and column of every cell of a run in the tables of one data set, (cells, 2); -1 for cells of others."""
    row_of = {name: row for row, name in enumerate(variants)}
    column_of = {pair: n for n, pair in enumerate(zip(design.splits.tolist(), design.seeds.tolist(), strict=True))}
    cells = data.cells.iloc[own]
    place = np.full((len(data.cells), 2), -1, dtype=np.int64)
    place[own, 0] = [row_of[name] for name in cells["variant_label"]]
    pairs = zip(cells["split_number"].astype(int), cells["seed"].astype(int), strict=True)
    place[own, 1] = [column_of[pair] for pair in pairs]
    return place


def _judge(section: Section) -> dict[tuple[int, str], str]:
    """Fills in leads and differences, the headline's columns as one family; returns who is left out or noisy."""
    rows = range(len(section.rows))
    columns = {
        name: Column(
            section.values[name],
            metric.higher_is_better,
            np.array([(row, name) not in section.barred for row in rows]),
            metric.scale,
            section.design,
        )
        for name, metric in section.metrics.items()
    }
    base = section.baseline
    others = [row for row in rows if row != base and not section.rows[row].is_control]
    headline = {metric.name: columns[metric.name] for metric in section.primary}
    family = Family(headline, base, others)
    section.tests = family.size
    if base is not None:
        section.differences = differences(headline, family, base, others)
    out: dict[tuple[int, str], str] = {}
    for name, column in columns.items():
        lead = lead_in(name, column, family if name in headline else Family({name: column}))
        section.leads[name] = lead
        out |= {(row, name): TOO_FEW for row in lead.left_out}
        out |= {(row, name): f"too noisy to judge: {why}" for row, why in lead.noisy.items()}
    return out


def _headline(metrics: Mapping[str, Metric], values: Mapping[str, np.ndarray]) -> list[Metric]:
    """Metrics of the short table: the primary ones that some variant has a number for, else the first few."""
    has = [metric for metric in metrics.values() if np.isfinite(values[metric.name]).any()]
    directed = [metric for metric in has if metric.higher_is_better is not None and not is_element(metric.name)]
    return [metric for metric in has if metric.primary] or directed[:6]


def _fill(data: RunData, mine: np.ndarray, place: np.ndarray, shape: tuple[int, int]):
    """Values (V, S) by metric, the reason of an empty row by (row, metric), and flags (V, S) by metric."""
    values: dict[str, np.ndarray] = {}
    reasons: dict[tuple[int, str], str] = {}
    flags: dict[str, np.ndarray] = {}
    flagged = data.texts.index("flagged") if "flagged" in data.texts else -1
    order = mine[np.argsort(data.metric[mine], kind="stable")]
    bounds = np.flatnonzero(np.diff(data.metric[order])) + 1
    for group in np.split(order, bounds):
        if len(group) == 0:
            continue
        name = data.metrics[data.metric[group[0]]].name
        at = place[data.cell[group]]
        table = np.full(shape, np.nan)
        table[at[:, 0], at[:, 1]] = data.value[group]
        values[name] = table
        flags[name] = np.zeros(shape, dtype=bool)
        flags[name][at[:, 0], at[:, 1]] = data.status[group] == flagged
        texts = data.reason[group]
        said = np.array([data.texts[code] != "" for code in np.unique(texts)])
        for code in np.unique(texts)[said]:
            for row in np.unique(at[texts == code, 0]):
                reasons.setdefault((int(row), name), printable(data.texts[code], 300))
    return values, reasons, flags


def _row(
    label: str,
    cells: pd.DataFrame,
    values: Mapping[str, np.ndarray],
    reasons: Mapping[tuple[int, str], str],
    index: int,
    repeats: str,
) -> Row:
    own = {name: table[index] for name, table in values.items()}
    is_control = label.startswith(CONTROL)
    return Row(
        printable(label),
        _first(cells["kl_weight"]),
        _first(cells["decoder_variance"]),
        int((cells["status"] == "ok").sum()),
        len(cells),
        is_control,
        None if is_control else collapse_reason(own, reasons.get((index, "collapsed"), ""), repeats),
        None if is_control or "collapsed" in own else prior_collapse_reason(own),
    )


def _first(column: pd.Series) -> float | str:
    given = column.dropna()
    return float(given.iloc[0]) if len(given) else ""


def _cell(interval: Interval, mark: str, reason: str, flagged: bool, why: str) -> Cell:
    text = with_interval(interval.mean, interval.half_width) if interval.n else "n/a"
    ends = (interval.mean, interval.low, interval.high)
    return Cell(text, *ends, interval.n, mark, reason, bool(flagged), why if interval.n else "")


def _baseline(rows: list[Row], spec: Mapping[str, Any], grids: Sequence[Grid]) -> int | None:
    """The row that others are compared with: the spec's baseline, else the first variant; of a sweep as `place_of`."""
    labels, named = [row.label for row in rows], spec.get("baseline")
    place = place_of(printable(named), labels, grids) if isinstance(named, str) else None
    first = next((split_label(row.label)[0] for row in rows if not row.is_control), None) if len(rows) > 1 else None
    return place if place is not None or first is None else place_of(first, labels, grids)


def place_of(label: str, labels: Sequence[str], grids: Sequence[Grid]) -> int | None:
    """The row that a variant's label means: its own or, of a sweep, the one that validation chose, else the first."""
    if label in labels:
        return labels.index(label)
    own = [place for place, other in enumerate(labels) if split_label(other)[0] == label]
    chosen = {grid.chosen.index for grid in grids if grid.chosen is not None}
    return next((place for place in own if place in chosen), own[0] if own else None)


def over_data_sets(section: Section) -> Section:
    """`section` with the chosen setting of a sweep under its variant's name, which it has over data sets."""
    names = {grid.chosen.index: grid.variant for grid in section.grids if grid.chosen is not None}
    rows = [
        replace(row, label=names[place]) if place in names and is_setting(row) else row
        for place, row in enumerate(section.rows)
    ]
    return replace(section, rows=rows)


def is_setting(row: Row) -> bool:
    """Whether a row is one of several settings of the training."""
    return bool(split_label(row.label)[1])


def _costs(cells: pd.DataFrame, variants: list[str]) -> list[dict[str, float]]:
    names = ["t_train", "t_eval", "samples_per_second", "n_params", "flops", "peak_rss", "peak_cuda", "steps_run"]
    table = cells.groupby("variant_label", sort=False)[names].mean()
    valid = cells.assign(ok=cells["timing_valid"] == True).groupby("variant_label", sort=False)["ok"].all()  # noqa: E712
    timed = cells["timing_valid"].notna().groupby(cells["variant_label"], sort=False).any()
    valid = valid.astype(float).where(timed, np.nan)
    return [{**table.loc[name].to_dict(), "timing_valid": float(valid.loc[name])} for name in variants]


def data_line(split_json: str) -> str:
    """One data set on one line: description, sizes, shape, checksum."""
    split = json.loads(split_json)
    if not split:
        return "not known (no cell got as far as its data)"
    shape = split.get("data_shape")
    shape_text = "×".join(str(n) for n in shape) if isinstance(shape, list) else "?"
    description = printable(split.get("description") or "", 800)
    parts = [description, split_text(split_json) + " rows", f"shape {shape_text}", f"checksum {split.get('checksum')}"]
    return printable(", ".join(part for part in parts if part))


def split_text(split_json: str) -> str:
    """A split on one line for tables, e.g. "1,078 train / 359 validation / 360 test"."""
    split = json.loads(split_json)
    counts = [(split.get(f"n_{part}"), part) for part in ("train", "validation", "test")]
    return " / ".join(f"{n:,} {part}" for n, part in counts if isinstance(n, int))
