"""Compares two runs cell by cell: quality by paired tests over seeds, speed apart, each with a mark and a reason.

Cells are matched by id, that is by what was asked, or with `across_settings` by variant, data set, split and seed. A
stack (variant × data set) is paired by seed (over several splits as `bench.analysis.design` says) and tested on the
metric's scale; Holm's adjustment is over all quality tests of one comparison, without rows that are equal to the bit.
Marks: `+` better, `-` worse, `~` the same (identical, or the interval of the difference lies within ± the metric's
smallest effect of interest), `?` inconclusive, `x` not comparable, with the reason. The same rule stands behind the
marks of a report (`bench.analysis.pairs.side`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from bench.analysis.catalogue import Metric, catalogue
from bench.analysis.changes import Change, Tested, judge, measure
from bench.analysis.design import Design, overlap_of
from bench.analysis.one_name import chosen_names, shared_names
from bench.analysis.speeds import Speed, different_machines
from bench.analysis.stats import (
    mean_interval,
)
from bench.errors import UsageError, unknown_name
from bench.store.measurements import MetricInfo, RunData
from bench.store.run_store import RunStore
from bench.text import printable


@dataclass
class Comparison:
    """Everything that was compared.

    Attributes:
        speed_reason: why speeds are not compared, or None.
        lost: cells with a result in BASE and none in NEW, as text. notes: what a reader must know.
    """

    base: str
    new: str
    changes: list[Change]
    speeds: list[Speed]
    speed_reason: str | None
    lost: list[str]
    notes: list[str] = field(default_factory=list)

    def speed_ratio(self, what: str = "training") -> tuple[float, float, float]:
        """Geometric mean of NEW / BASE over stacks, with its 95 % t interval (NaN for a single stack)."""
        ratios = [speed.ratio for speed in self.speeds if speed.what == what and speed.ratio > 0]
        interval = mean_interval(np.log(ratios) if ratios else [])
        return math.exp(interval.mean), math.exp(interval.low), math.exp(interval.high)


def compare(
    base: Path | str,
    new: Path | str,
    metrics: Sequence[str] | None = None,
    across_machines: bool = False,
    extra: Sequence[str] = (),
    across_settings: bool = False,
) -> Comparison:
    """Compares the run in `new` with that in `base`.

    Args:
        metrics: names to compare; None for the primary metrics, or all with a direction where none is primary.
        across_machines: compare speeds even of different hardware.
        extra: metrics that are compared in any case.
        across_settings: match cells by variant, data set, split and seed, whatever else differs; the notes name it. Of
            a sweep beside a run without one, the setting that validation chose is the variant.

    Raises:
        UsageError: not a run, no common cell, or a metric that neither run has.
    """
    stores = [RunStore.open(path) for path in (base, new)]
    runs = [store.data() for store in stores]
    known = {info.name: info for run in reversed(runs) for info in run.metrics}
    plugins = [path for store in stores for path in _plugins(store.spec)]
    stored = {name: said for store in stores for name, said in store.load_metrics().items()}
    listed = catalogue(list(known.values()), stored, list(dict.fromkeys(plugins)))
    _check_names(known, [*(metrics or ()), *extra])
    chosen = _primary(listed) if metrics is None else metrics
    names = list(dict.fromkeys([*chosen, *extra]))
    runs = list(shared_names(*runs))
    about: list[str] = []
    for mine, its in ((0, 1), (1, 0)) if across_settings else ():
        runs[mine], said = chosen_names(runs[mine], runs[its], listed, stores[mine].spec)
        about += [f"{('BASE', 'NEW')[mine]}: {line}" for line in said]
    sides = [_Side(run, names, across_settings) for run in runs]
    if not set(sides[0].cells) & set(sides[1].cells):
        other = "variants, data sets or seeds differ"
        if not across_settings:
            other += ", or training settings; --across-settings compares what has the same name all the same"
        raise UsageError(f"{printable(base)} and {printable(new)} have no cell in common: {other}")
    labels = list(dict.fromkeys([*sides[0].stacks, *sides[1].stacks]))
    changes = [change for label in labels for change in _stack_changes(label, sides[0], sides[1], names, listed)]
    judge(changes, {name: bool(info.higher_is_better) for name, info in known.items()})
    speed_reason = None if across_machines else different_machines(stores, runs)
    speeds = [] if speed_reason else _speeds(labels, *sides)
    notes = [f"BASE: {note}" for note in runs[0].notes] + [f"NEW: {note}" for note in runs[1].notes] + about
    notes += settings_that_differ(stores[0].spec, stores[1].spec) if across_settings else []
    hashes = [_metric_hashes(store) for store in stores]
    if hashes[0] and hashes[1] and hashes[0] != hashes[1]:
        notes.append("the code of the metrics differs between the runs, so differences may come from the measurement")
    lost = _lost(sides[0], sides[1], across_settings)
    return Comparison(printable(base), printable(new), [c for c, _ in changes], speeds, speed_reason, lost, notes)


def settings_that_differ(base: Mapping, new: Mapping) -> list[str]:
    """One line that names every setting in which two specs differ, with both values; none where they agree."""
    specs = [{str(key).replace("_", "-"): value for key, value in spec.items()} for spec in (base, new)]
    keys = [key for key in dict.fromkeys([*specs[0], *specs[1]]) if key not in ("name", "plugins", "device")]
    parts = [
        f"{printable(key)} {_shown(specs[0].get(key))} → {_shown(specs[1].get(key))}"
        for key in keys
        if specs[0].get(key) != specs[1].get(key)
    ]
    return [f"settings differ: {'; '.join(parts)}"] if parts else []


def _shown(value: object) -> str:
    if isinstance(value, list):
        return printable(", ".join(map(str, value)), 80)
    return "–" if value is None else printable(value, 80)


def _plugins(spec: Mapping) -> list[str]:
    return [str(path) for path in spec.get("plugins") or [] if isinstance(path, str)]


def directed_metrics(run: Path | str) -> list[str]:
    """Names of all metrics of a run that have a direction."""
    return [info.name for info in RunStore.open(run).data().metrics if info.higher_is_better is not None]


def _check_names(known: Mapping[str, MetricInfo], names: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            raise unknown_name("metric", name, known)
        if known[name].higher_is_better is None:
            raise UsageError(f"metric {name} has no direction, so that no change of it is better or worse")


def _primary(listed: Mapping[str, Metric]) -> list[str]:
    directed = [metric for metric in listed.values() if metric.higher_is_better is not None]
    return [metric.name for metric in directed if metric.primary] or [metric.name for metric in directed]


class _Side:
    """One run, by stack: cells by what matches them, and each chosen metric's value by cell."""

    def __init__(self, data: RunData, names: Sequence[str], by_name: bool):
        rows = data.cells.to_dict("records")
        keys = [_name_of(row) if by_name else row["cell_id"] for row in rows]
        self.cells = dict(zip(keys, rows, strict=True))
        self.repeats = {(row["split_number"], row["seed"]) for row in rows}
        self.stacks: dict[tuple[str, str], list[str]] = {}
        for key, row in self.cells.items():
            if not row["variant_label"].startswith("control:"):
                label = (printable(row["dataset_label"]), printable(row["variant_label"]))
                self.stacks.setdefault(label, []).append(key)
        self.values: dict[str, dict[str, float]] = {name: {} for name in names}
        self.reasons: dict[tuple[str, str], str] = {}
        for position, info in enumerate(data.metrics):
            if info.name not in self.values:
                continue
            for row in np.flatnonzero(data.metric == position):
                key = keys[data.cell[row]]
                self.values[info.name][key] = float(data.value[row])
                if data.texts[data.reason[row]]:
                    self.reasons[key, info.name] = printable(data.texts[data.reason[row]], 200)

    def has(self, name: str, key: str) -> bool:
        """Whether a cell has a number of a metric."""
        return math.isfinite(self.values[name].get(key, math.nan))


def _name_of(row: Mapping) -> str:
    return "\0".join((row["dataset_label"], row["variant_label"], str(row["split_number"]), str(row["seed"])))


def _stack_changes(label, base: _Side, new: _Side, names, listed) -> list[tuple[Change, Tested | None]]:
    """One change per metric, with what is tested where there is something to test."""
    dataset, variant = label
    common = [key for key in new.stacks.get(label, []) if key in base.cells]
    shared, lost = _shared_reason(label, base, new, common)
    out: list[tuple[Change, Tested | None]] = []
    for name in names:
        if shared == "" and not any(side.has(name, key) for side in (base, new) for key in common):
            continue  # it applies to neither
        change = Change(variant, dataset, name, reason=shared, lost=shared if lost else "")
        metric = listed[name]
        pairs = [(base.values[name].get(key, np.nan), new.values[name].get(key, np.nan)) for key in common]
        table = np.array(pairs, dtype=float).reshape(-1, 2)
        whole = np.isfinite(table).all(1)
        if not shared:
            gone = int((np.isfinite(table[:, 0]) & ~whole).sum())
            change.lost = f"{gone} of {len(table)} values are gone: {_why(name, common, new)}" if gone else ""
            change.reason = _other_reason(metric, common, base, new, whole)
        out.append((change, None))
        if not change.reason:
            design = _design([new.cells[key] for key, has in zip(common, whole, strict=True) if has])
            tested = measure(change, table[whole], bool(metric.higher_is_better), metric.scale, design)
            out[-1] = (change, tested)
    return out


def _design(cells: Sequence[Mapping]) -> Design:
    """The design of `cells` in their own order."""
    seeds, splits = (np.array([cell[name] for cell in cells], dtype=np.int64) for name in ("seed", "split_number"))
    design = Design(seeds, splits)
    if not design.is_crossed:
        return design
    return replace(design, overlap=max(overlap_of(text) for text in {cell["split"] for cell in cells}))


def _shared_reason(label, base: _Side, new: _Side, common: Sequence[str]) -> tuple[str, bool]:
    """Why a whole stack cannot be compared, or "", and whether NEW lacks what BASE has."""
    if label not in new.stacks:
        return "only in BASE", True
    if label not in base.stacks:
        return "only in NEW", False
    if not common:
        return "no cell in common (other settings or seeds)", True
    for side_, name in ((base, "BASE"), (new, "NEW")):
        if all(side_.cells[key]["status"] != "ok" for key in common):
            row = side_.cells[common[0]]
            why = printable(row["reason"] or row["error"] or "", 120)
            return f"no result in {name}: {row['status']}, {why}", name == "NEW"
    both = [(base.cells[key], new.cells[key]) for key in common]
    checksums = [[_checksum(row["split"]) for row in pair] for pair in both if all(r["status"] == "ok" for r in pair)]
    return ("the data differ (checksum)", True) if any(old != now for old, now in checksums) else ("", False)


def _other_reason(metric: Metric, common: Sequence[str], base: _Side, new: _Side, whole: np.ndarray) -> str:
    """Why one metric of a stack cannot be compared, or ""."""
    if not whole.any():
        for side_, which in ((base, "BASE"), (new, "NEW")):
            if not any(side_.has(metric.name, key) for key in common):
                return f"no value in {which}: {_why(metric.name, common, side_)}"
        return "no seed has a value in both runs"
    before, after = ([side_.cells[key]["decoder_variance"] for key in common] for side_ in (base, new))
    if "likelihood" in metric.needs and not np.allclose(before, after, rtol=1e-9, atol=0, equal_nan=True):
        return "the decoder variances s² differ, so likelihoods are not compared"
    return ""


def _why(name: str, common: Sequence[str], side_: _Side) -> str:
    return next((side_.reasons[key, name] for key in common if (key, name) in side_.reasons), "not measured")


def _checksum(split: str) -> str:
    return str(json.loads(split).get("checksum"))


def _speeds(labels, base: _Side, new: _Side) -> list[Speed]:
    """Seconds per seed of training and evaluation, over the cells that both runs have results and valid timings for."""
    speeds = []
    for label in labels:
        common = [i for i in new.stacks.get(label, []) if i in base.cells]
        rows = [(base.cells[i], new.cells[i]) for i in common]
        rows = [(b, n) for b, n in rows if b["timing_valid"] is True and n["timing_valid"] is True]
        for what, key in (("training", "t_train"), ("evaluation", "t_eval")):
            pairs = [(b[key], n[key]) for b, n in rows if b[key] > 0 and n[key] > 0]
            if pairs:
                means = np.mean(pairs, axis=0)
                speeds.append(Speed(label[1], label[0], what, float(means[0]), float(means[1])))
    return speeds


def _lost(base: _Side, new: _Side, across_settings: bool) -> list[str]:
    """Cells with a result in BASE and none in NEW. Across settings, seeds that NEW never planned are not missed."""
    lost = []
    for key, row in base.cells.items():
        other = new.cells.get(key)
        if row["status"] != "ok" or (other is not None and other["status"] == "ok"):
            continue
        if other is None and across_settings and (row["split_number"], row["seed"]) not in new.repeats:
            continue
        split = f"split {row['split_number']}, " if row["split_number"] else ""
        name = printable(f"{row['variant_label']} on {row['dataset_label']}, {split}seed {row['seed']}")
        why = "" if other is None else printable(other["reason"] or other["error"] or "", 160)
        lost.append(f"{name}: {'gone' if other is None else other['status']}{', ' + why if why else ''}")
    return lost


def _metric_hashes(store: RunStore) -> set[str]:
    return {record["metrics_hash"] for record in store.iter_records() if record["metrics_hash"]}
