"""One data set of a report as data: its rows, columns, marks, and differences from the baseline."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis.catalogue import Metric, is_element
from bench.analysis.leads import Difference, Lead, collapse_reason, differences, lead_of
from bench.analysis.numbers import number, with_interval
from bench.analysis.stats import Interval, mean_intervals
from bench.store.measurements import RunData
from bench.text import printable

CONTROL = "control:"
_ROW_COLUMNS = ("variant_label", "status", "kl_weight", "decoder_variance")


@dataclass(frozen=True)
class Row:
    """A variant in one data set: its label, λ and s², how many of its cells have results, why it cannot win."""

    label: str
    kl_weight_value: float | str
    decoder_variance_value: float | str
    n_ok: int
    n_cells: int
    is_control: bool
    collapsed: str | None

    @property
    def kl_weight(self) -> str:
        """λ as tables show it."""
        return number(None if self.kl_weight_value == "" else self.kl_weight_value, 3)

    @property
    def decoder_variance(self) -> str:
        """s² as tables show it."""
        return number(None if self.decoder_variance_value == "" else self.decoder_variance_value, 3)

    @property
    def cells(self) -> str:
        """Seeds behind the row's numbers."""
        return f"{self.n_ok}" if self.n_ok == self.n_cells else f"{self.n_ok} of {self.n_cells}"


@dataclass(frozen=True)
class Cell:
    """One number of a table: text as shown, interval, seeds, mark ("best", "shared", ""), and why it is missing."""

    text: str
    mean: float
    low: float
    high: float
    n: int
    mark: str
    reason: str
    flagged: bool

    @property
    def sort_value(self) -> float | str:
        """The mean to sort by; "" where there is none."""
        return self.mean if self.n else ""


@dataclass
class Section:
    """One data set: rows × metrics, who leads, differences from the baseline. `name` is the label as stored.

    `chosen` holds the rows that validation data choose among the settings of their variant.
    """

    name: str
    label: str
    data_line: str
    rows: list[Row]
    seeds: list[int]
    metrics: dict[str, Metric]
    values: dict[str, np.ndarray]
    cells: dict[tuple[int, str], Cell]
    leads: dict[str, Lead]
    baseline: int | None
    differences: dict[int, list[Difference]]
    costs: list[dict[str, float]]
    chosen: set[int] = field(default_factory=set)

    @property
    def primary(self) -> list[Metric]:
        """Metrics of the short table: the primary ones that some variant has a number for, else the first few."""
        has = [metric for metric in self.metrics.values() if np.isfinite(self.values[metric.name]).any()]
        chosen = [metric for metric in has if metric.primary]
        return (
            chosen
            or [metric for metric in has if metric.higher_is_better is not None and not is_element(metric.name)][:6]
        )

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
    seeds = sorted(int(seed) for seed in cells["seed"].unique())
    row_of = {name: row for row, name in enumerate(variants)}
    column_of = {seed: column for column, seed in enumerate(seeds)}
    place = np.full((len(data.cells), 2), -1, dtype=np.int64)
    place[own, 0] = [row_of[name] for name in cells["variant_label"]]
    place[own, 1] = [column_of[int(seed)] for seed in cells["seed"]]
    mine = np.flatnonzero(place[data.cell, 0] >= 0)
    values, reasons, flags = _fill(data, mine, place, (len(variants), len(seeds)))
    metrics = {name: metric for name, metric in known.items() if name in values}
    by_variant = dict(iter(cells[list(_ROW_COLUMNS)].groupby("variant_label", sort=False)))
    rows = [_row(name, by_variant[name], values, index) for index, name in enumerate(variants)]
    eligible = np.array([not row.is_control and row.collapsed is None for row in rows])
    leads = {
        name: lead_of(values[name], metric.higher_is_better, eligible & ~flags[name])
        for name, metric in metrics.items()
    }
    table = {
        (row, name): _cell(interval, leads[name].marks.get(row, ""), reasons.get((row, name), ""), flags[name][row])
        for name in metrics
        for row, interval in enumerate(mean_intervals(values[name]))
    }
    split = next((text for text in cells["split"] if text != "{}"), "{}")
    section = Section(
        label,
        printable(label),
        data_line(split),
        rows,
        seeds,
        metrics,
        values,
        table,
        leads,
        None,
        {},
        _costs(cells, variants),
    )
    section.baseline = _baseline(variants, rows, spec)
    if section.baseline is not None:
        primary = {metric.name: values[metric.name] for metric in section.primary}
        directions = {name: metrics[name].higher_is_better for name in primary}
        others = [row for row in range(len(rows)) if row != section.baseline and not rows[row].is_control]
        section.differences = differences(primary, directions, section.baseline, others)
    return section


def _fill(data: RunData, mine: np.ndarray, place: np.ndarray, shape: tuple[int, int]):
    """Values (V, S) by metric, the reason of an empty row by (row, metric), and flags (V,) by metric."""
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
        flag = np.zeros(shape[0], dtype=bool)
        flag[at[data.status[group] == flagged, 0]] = True
        flags[name] = flag
        texts = data.reason[group]
        said = np.array([data.texts[code] != "" for code in np.unique(texts)])
        for code in np.unique(texts)[said]:
            for row in np.unique(at[texts == code, 0]):
                reasons.setdefault((int(row), name), printable(data.texts[code], 300))
    return values, reasons, flags


def _row(label: str, cells: pd.DataFrame, values: Mapping[str, np.ndarray], index: int) -> Row:
    means = {}
    for name in ("diversity_fit", "diversity_prior", "test_fvu"):
        if name in values and np.isfinite(values[name][index]).any():
            means[name] = float(np.nanmean(values[name][index]))
    is_control = label.startswith(CONTROL)
    return Row(
        printable(label),
        _first(cells["kl_weight"]),
        _first(cells["decoder_variance"]),
        int((cells["status"] == "ok").sum()),
        len(cells),
        is_control,
        None if is_control else collapse_reason(means),
    )


def _first(column: pd.Series) -> float | str:
    given = column.dropna()
    return float(given.iloc[0]) if len(given) else ""


def _cell(interval: Interval, mark: str, reason: str, flagged: bool) -> Cell:
    text = with_interval(interval.mean, interval.half_width) if interval.n else "n/a"
    return Cell(text, interval.mean, interval.low, interval.high, interval.n, mark, reason, bool(flagged))


def _baseline(variants: list[str], rows: list[Row], spec: Mapping[str, Any]) -> int | None:
    """The row that others are compared with: the spec's baseline, else the first variant."""
    named = spec.get("baseline")
    if named in variants:
        return variants.index(named)
    return next((index for index, row in enumerate(rows) if not row.is_control), None) if len(rows) > 1 else None


def _costs(cells: pd.DataFrame, variants: list[str]) -> list[dict[str, float]]:
    names = ["t_train", "t_eval", "samples_per_second", "n_params", "flops", "peak_rss", "peak_cuda", "steps_run"]
    table = cells.groupby("variant_label", sort=False)[names].mean()
    valid = cells.assign(ok=cells["timing_valid"] == True).groupby("variant_label", sort=False)["ok"].all()  # noqa: E712
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
