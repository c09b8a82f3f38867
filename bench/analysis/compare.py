"""Compares two runs cell by cell: quality by paired tests over seeds, speed apart, each with a mark and a reason.

Cells are matched by id, that is by what was asked. A stack (variant × data set) is paired by seed; Holm's adjustment is
over all quality tests of one comparison. Marks: `+` better, `-` worse, `~` the same (the interval of the difference
lies within ± `SAME` of BASE, or the values are identical), `?` inconclusive, `x` not comparable, with the reason.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bench.analysis.catalogue import catalogue
from bench.analysis.stats import CONFIDENCE, holm, mean_interval, paired_p, seeds_to_separate
from bench.errors import UsageError, unknown_name
from bench.store.measurements import MetricInfo, RunData
from bench.store.run_store import RunStore
from bench.text import printable

#: A difference whose interval lies within this share of BASE is no difference worth a mark.
SAME = 0.005
MARKS = {"+": "better", "-": "worse", "~": "same", "?": "inconclusive", "x": "not comparable"}


@dataclass
class Change:
    """One metric of one stack in both runs.

    Attributes:
        mark: of `MARKS`. reason: why it cannot be compared, or what would decide it.
        base, new: means over common seeds. difference, half: NEW - BASE with the half-width of its t interval.
        relative: the difference as a share of |BASE|. p: Holm-adjusted over the comparison; n: common seeds.
        worse_by: how much worse NEW is, as a share of |BASE| (negative when it is better).
    """

    variant: str
    dataset: str
    metric: str
    mark: str = "x"
    reason: str = ""
    base: float = np.nan
    new: float = np.nan
    difference: float = np.nan
    half: float = np.nan
    relative: float = np.nan
    p: float = np.nan
    n: int = 0
    worse_by: float = np.nan


@dataclass
class Speed:
    """Training or evaluation time of one stack in both runs, in seconds per seed; ratio NEW / BASE."""

    variant: str
    dataset: str
    what: str
    base: float
    new: float

    @property
    def ratio(self) -> float:
        """NEW / BASE: above 1 is slower."""
        return self.new / self.base if self.base > 0 else math.nan


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
) -> Comparison:
    """Compares the run in `new` with that in `base`.

    Args:
        metrics: names to compare; None for the primary metrics, or all with a direction where none is primary.
        across_machines: compare speeds even of different hardware.
        extra: metrics that are compared in any case.

    Raises:
        UsageError: not a run, no common cell, or a metric that neither run has.
    """
    stores = [RunStore.open(path) for path in (base, new)]
    runs = [store.data() for store in stores]
    ids = [set(run.cells["cell_id"]) for run in runs]
    if not ids[0] & ids[1]:
        raise UsageError(
            f"{printable(base)} and {printable(new)} have no cell in common: variants, data sets, seeds or training "
            "settings differ; run both with the same settings"
        )
    known = {info.name: info for run in reversed(runs) for info in run.metrics}
    _check_names(known, [*(metrics or ()), *extra])
    chosen = _primary(known, stores) if metrics is None else metrics
    names = list(dict.fromkeys([*chosen, *extra]))
    sides = [_Side(run, names) for run in runs]
    labels = list(dict.fromkeys([*sides[0].stacks, *sides[1].stacks]))
    changes = [change for label in labels for change in _stack_changes(label, *sides, names, known)]
    directions = {name: bool(info.higher_is_better) for name, info in known.items()}
    judge(changes, directions)
    speed_reason = None if across_machines else _different_machines(stores, runs)
    speeds = [] if speed_reason else _speeds(labels, *sides)
    notes = [f"BASE: {note}" for note in runs[0].notes] + [f"NEW: {note}" for note in runs[1].notes]
    hashes = [_metric_hashes(store) for store in stores]
    if hashes[0] and hashes[1] and hashes[0] != hashes[1]:
        notes.append("the code of the metrics differs between the runs, so differences may come from the measurement")
    return Comparison(
        printable(base), printable(new), [c for c, _ in changes], speeds, speed_reason, _lost(*sides), notes
    )


def directed_metrics(run: Path | str) -> list[str]:
    """Names of all metrics of a run that have a direction."""
    return [info.name for info in RunStore.open(run).data().metrics if info.higher_is_better is not None]


def _check_names(known: Mapping[str, MetricInfo], names: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            raise unknown_name("metric", name, known)
        if known[name].higher_is_better is None:
            raise UsageError(f"metric {name} has no direction, so that no change of it is better or worse")


def _primary(known: Mapping[str, MetricInfo], stores: Sequence[RunStore]) -> list[str]:
    plugins = [str(path) for store in stores for path in store.spec.get("plugins") or [] if isinstance(path, str)]
    stored = {name: said for store in stores for name, said in store.load_metrics().items()}
    listed = catalogue(list(known.values()), stored, list(dict.fromkeys(plugins))).values()
    directed = [metric for metric in listed if metric.higher_is_better is not None]
    return [metric.name for metric in directed if metric.primary] or [metric.name for metric in directed]


class _Side:
    """One run, by stack: cells by id, and each chosen metric's value by cell."""

    def __init__(self, data: RunData, names: Sequence[str]):
        cells = data.cells
        self.cells = {row["cell_id"]: row for row in cells.to_dict("records")}
        self.stacks: dict[tuple[str, str], list[str]] = {}
        for cell_id, row in self.cells.items():
            if not row["variant_label"].startswith("control:"):
                key = (printable(row["dataset_label"]), printable(row["variant_label"]))
                self.stacks.setdefault(key, []).append(cell_id)
        ids = cells["cell_id"].to_numpy()
        self.values: dict[str, dict[str, float]] = {name: {} for name in names}
        self.reasons: dict[tuple[str, str], str] = {}
        for position, info in enumerate(data.metrics):
            if info.name not in self.values:
                continue
            rows = np.flatnonzero(data.metric == position)
            for row in rows:
                cell_id = ids[data.cell[row]]
                self.values[info.name][cell_id] = float(data.value[row])
                if data.texts[data.reason[row]]:
                    self.reasons[cell_id, info.name] = printable(data.texts[data.reason[row]], 200)


def _stack_changes(label, base: _Side, new: _Side, names, known) -> list[tuple[Change, np.ndarray | None]]:
    """One change per metric, with the paired differences where there are any."""
    dataset, variant = label
    common = [cell_id for cell_id in new.stacks.get(label, []) if cell_id in base.cells]
    shared = _shared_reason(label, base, new, common)
    out = []
    for name in names:
        if shared == "" and not any(_measured(side, name, common) for side in (base, new)):
            continue  # it applies to neither
        change = Change(variant, dataset, name)
        out.append((change, None))
        if shared:
            change.reason = shared
            continue
        pairs = [(base.values[name].get(i, np.nan), new.values[name].get(i, np.nan)) for i in common]
        table = np.array(pairs, dtype=float).reshape(-1, 2)
        table = table[np.isfinite(table).all(1)]
        if len(table) == 0:
            change.reason = _missing_reason(name, common, base, new)
            continue
        out[-1] = (change, measure(change, table, bool(known[name].higher_is_better)))
    return out


def measure(change: Change, pairs: np.ndarray, higher_is_better: bool) -> np.ndarray:
    """Fills a change's numbers in from (BASE, NEW) pairs (n, 2), and returns the differences (n,)."""
    differences = pairs[:, 1] - pairs[:, 0]
    interval = mean_interval(differences)
    change.base, change.new = (float(mean) for mean in pairs.mean(0))
    change.difference, change.half, change.n = interval.mean, interval.half_width, interval.n
    change.relative = interval.mean / abs(change.base) if change.base else math.nan
    change.worse_by = -change.relative if higher_is_better else change.relative
    return differences


def _shared_reason(label, base: _Side, new: _Side, common: Sequence[str]) -> str:
    """Why a whole stack cannot be compared, or ""."""
    if label not in new.stacks:
        return "only in BASE"
    if label not in base.stacks:
        return "only in NEW"
    if not common:
        return "no cell in common (other settings or seeds)"
    for side, name in ((base, "BASE"), (new, "NEW")):
        if all(side.cells[i]["status"] != "ok" for i in common):
            row = side.cells[common[0]]
            return f"no result in {name}: {row['status']}, {printable(row['reason'] or row['error'] or '', 120)}"
    checksums = [
        {_checksum(side.cells[i]["split"]) for i in common if side.cells[i]["status"] == "ok"} for side in (base, new)
    ]
    return "the data differ (checksum)" if checksums[0] != checksums[1] else ""


def _checksum(split: str) -> str:
    return str(json.loads(split).get("checksum"))


def _measured(side: _Side, name: str, cells: Sequence[str]) -> bool:
    return any(math.isfinite(side.values[name].get(i, math.nan)) for i in cells)


def _missing_reason(name: str, common: Sequence[str], base: _Side, new: _Side) -> str:
    for side, which in ((base, "BASE"), (new, "NEW")):
        if not _measured(side, name, common):
            why = next((side.reasons[i, name] for i in common if (i, name) in side.reasons), "not measured")
            return f"no value in {which}: {why}"
    return "no seed has a value in both runs"


def judge(changes: Sequence[tuple[Change, np.ndarray | None]], directions: Mapping[str, bool]) -> None:
    """Marks every change that has differences (n,), with Holm over all of them; `directions`: higher is better."""
    tested = [(change, d) for change, d in changes if d is not None]
    adjusted = holm([paired_p(d) for _, d in tested])
    for (change, d), p in zip(tested, adjusted, strict=True):
        change.p = float(p)
        change.mark, change.reason = _mark(change, d, directions[change.metric])


def _mark(change: Change, d: np.ndarray, higher_is_better: bool) -> tuple[str, str]:
    if not d.any():
        return "~", "identical"
    if len(d) < 2:
        return "x", "one common seed gives no interval"
    if max(abs(change.difference - change.half), abs(change.difference + change.half)) <= SAME * abs(change.base):
        return "~", ""
    if change.p < 1 - CONFIDENCE:
        return ("+" if (change.difference > 0) == higher_is_better else "-"), ""
    more = seeds_to_separate(change.difference, float(d.std(ddof=1)))
    return "?", f"about {more} seeds would decide" if more and len(d) < more <= 1000 else ""


def _different_machines(stores: Sequence[RunStore], runs: Sequence[RunData]) -> str | None:
    """Why speeds of these runs cannot be compared, or None."""
    facts = []
    for store, run in zip(stores, runs, strict=True):
        known = store.environments()
        used = [known.get(key, {}) for key in run.cells["env_hash"].dropna().unique()]
        hardware = {tuple(str(e.get(k)) for k in ("cpu", "cpu_count", "accelerator")) for e in used}
        cells = run.cells[run.cells["status"] == "ok"]
        columns = (cells[name] for name in ("device", "num_threads", "workers"))
        setting = {tuple(map(str, row)) for row in zip(*columns, strict=True)}
        facts.append((hardware, setting, bool((cells["timing_valid"] == True).any())))  # noqa: E712
    (base_hardware, base_setting, base_valid), (new_hardware, new_setting, new_valid) = facts
    if not base_hardware or base_hardware != new_hardware:
        return "the runs come from different machines; give --across-machines to compare their speeds all the same"
    if base_setting != new_setting:
        return "devices, threads or workers differ; give --across-machines to compare their speeds all the same"
    if not (base_valid and new_valid):
        return "timings are not valid on a cluster or where other work kept the machine busy; run both on an idle one"
    return None


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


def _lost(base: _Side, new: _Side) -> list[str]:
    lost = []
    for cell_id, row in base.cells.items():
        other = new.cells.get(cell_id)
        if row["status"] == "ok" and other is not None and other["status"] != "ok":
            why = printable(other["reason"] or other["error"] or "", 160)
            name = f"{row['variant_label']} on {row['dataset_label']}, seed {row['seed']}"
            lost.append(f"{printable(name)}: {other['status']}{', ' + why if why else ''}")
    return lost


def _metric_hashes(store: RunStore) -> set[str]:
    return {record["metrics_hash"] for record in store.iter_records() if record["metrics_hash"]}
