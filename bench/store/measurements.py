"""A run's records in columns, for tables, statistics and reports; a million measurements fit in little memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from bench.errors import UsageError
from bench.text import printable

#: Entries of a record that become columns of `RunData.cells` unchanged.
CELL_COLUMNS = (
    "run_id", "cell_id", "stack_id", "variant", "variant_label", "dataset", "dataset_label", "seed", "status", "reason",
    "t_train", "t_eval", "peak_rss", "peak_cuda", "n_params", "flops", "samples_per_second", "timing_valid",
    "kl_weight", "decoder_variance", "code_hash", "git_sha", "env_hash", "engine", "device", "num_threads", "workers",
    "started_at", "error_type", "error", "traceback", "diverged_step", "steps_run",
    "split_number",
)  # fmt: skip
#: Entries that are objects; stored as compact JSON text.
JSON_COLUMNS = ("variant_params", "dataset_params", "split", "metric_seconds")
#: Columns of numbers among them.
NUMERIC = ("t_train", "t_eval", "peak_rss", "peak_cuda", "n_params", "flops", "samples_per_second", "kl_weight",
            "decoder_variance", "num_threads", "workers", "diverged_step", "steps_run")  # fmt: skip

#: Packages whose version changes no number: this one's code has hashes of its own.
_COMPUTE_NOTHING = {"aebench", "distributed"}
#: Metrics, and lines on metrics that failed, that a note lists before it counts.
_LISTED = 6


class _Codes:
    """Integer codes of repeated values, in order of first appearance."""

    def __init__(self) -> None:
        self.index: dict[Any, int] = {}

    def __call__(self, value: Any) -> int:
        return self.index.setdefault(value, len(self.index))

    @property
    def values(self) -> list[Any]:
        return list(self.index)


@dataclass(frozen=True)
class MetricInfo:
    """Name, unit and direction (True: higher is better; None: descriptive) of a metric."""

    name: str
    unit: str
    higher_is_better: bool | None


@dataclass
class RunData:
    """All cells of a run and their measurements.

    Attributes:
        cells: one row per cell, in plan order, columns `CELL_COLUMNS` and `JSON_COLUMNS`.
        metrics: the metrics in order of first appearance; `metric` holds positions in it.
        cell, metric: int arrays (M,), positions of each measurement's cell and metric.
        value, error: float arrays (M,), NaN where there is no number.
        status, reason: int arrays (M,), positions in `texts`.
        texts: the distinct statuses and reasons.
        notes: what a reader must know about the files themselves (unreadable records, cells not yet run).
        left_out: those of `notes` that speak of records which are there and not believed, or cannot be checked.
        kept: what readers computed from all this, for the next one.
    """

    cells: pd.DataFrame
    metrics: list[MetricInfo]
    cell: np.ndarray
    metric: np.ndarray
    value: np.ndarray
    error: np.ndarray
    status: np.ndarray
    reason: np.ndarray
    texts: list[str]
    notes: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    kept: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    def data_shapes(self) -> set[tuple[int, ...]]:
        """The shape of one example of each data set whose cells tell it."""
        splits = (json.loads(text) for text in self.cells["split"].unique())
        return {tuple(split["data_shape"]) for split in splits if split.get("data_shape")}

    def frame(self) -> pd.DataFrame:
        """One row per measurement: dataset, variant, seed, metric, value, error, status, reason (labels)."""
        text = np.array(self.texts, dtype=object)
        names = np.array([metric.name for metric in self.metrics], dtype=object)
        columns = {
            "dataset": self.cells["dataset_label"].to_numpy(dtype=object)[self.cell],
            "variant": self.cells["variant_label"].to_numpy(dtype=object)[self.cell],
            "seed": self.cells["seed"].to_numpy()[self.cell],
            "metric": names[self.metric],
            "value": self.value,
            "error": self.error,
            "status": text[self.status],
            "reason": text[self.reason],
        }
        return pd.DataFrame(columns)


def build(
    records: Iterable[dict[str, Any]],
    plan: Sequence[dict[str, Any]] | None = None,
    withdrawn: Collection[str] = (),
) -> RunData:
    """Columns of checked records; a later record of the same cell replaces an earlier one.

    Args:
        records: in file order.
        plan: what the run asked for, in order, each with cell_id, variant_label, dataset_label, seed and split_number;
            cells outside it are left out. Without a plan every cell is kept, ordered by data set, variant and seed.
        withdrawn: ids of cells that are left out; looked at once all `records` are read.

    Raises:
        UsageError: several cells of one variant, data set and seed.
    """
    wanted = None if plan is None else {entry["cell_id"]: rank for rank, entry in enumerate(plan)}
    planned = {} if plan is None else {entry["cell_id"]: entry for entry in plan}
    rows: list[dict[str, Any]] = []
    latest: dict[str, int] = {}
    metric_code, text_code = _Codes(), _Codes()
    text_code("ok")
    cell, metric, status, reason = [], [], [], []
    values, errors = [], []
    for record in records:
        if wanted is not None and record["cell_id"] not in wanted:
            continue
        row = len(rows)
        latest[record["cell_id"]] = row
        rows.append(_cell_row(record, planned.get(record["cell_id"], {})))
        for name, entry in record["metrics"].items():
            cell.append(row)
            metric.append(metric_code((name, entry.get("unit") or "", entry.get("higher_is_better"))))
            values.append(entry.get("value"))
            errors.append(entry.get("error"))
            status.append(text_code(entry["status"]))
            reason.append(text_code(entry.get("reason") or ""))
    latest = {cell_id: row for cell_id, row in latest.items() if cell_id not in withdrawn}
    order = _order(rows, latest, wanted)
    _refuse_ambiguous([rows[row] for row in order])
    cells = cells_frame([rows[row] for row in order])
    position = np.full(len(rows), -1, dtype=np.int64)
    position[order] = np.arange(len(order))
    columns = [np.array(codes, dtype=np.int64) for codes in (cell, metric, status, reason)]
    columns += [np.array(numbers, dtype=np.float64) for numbers in (values, errors)]
    columns[0] = position[columns[0]]
    keep = np.flatnonzero(columns[0] >= 0)
    keep = keep[np.argsort(columns[0][keep], kind="stable")]
    cell_, metric_, status_, reason_, values_, errors_ = (column[keep] for column in columns)
    metric_, metrics = _merge_metrics(metric_, metric_code.values)
    return RunData(cells, metrics, cell_, metric_, values_, errors_, status_, reason_, text_code.values)


def failed_metrics(data: RunData) -> list[str]:
    """Which metrics failed of which variant, for how many of its seeds and why: one line for each reason."""
    code = data.texts.index("failed") if "failed" in data.texts else -1
    labels = list(zip(data.cells["variant_label"], data.cells["dataset_label"], strict=True))
    found: dict[tuple, tuple[dict[str, None], set[int]]] = {}
    for place in np.flatnonzero(data.status == code):
        cell = int(data.cell[place])
        names, cells = found.setdefault((labels[cell], data.texts[data.reason[place]]), ({}, set()))
        names[data.metrics[data.metric[place]].name] = None
        cells.add(cell)
    lines = []
    for ((variant, dataset), reason), (names, cells) in found.items():
        seeds = labels.count((variant, dataset))
        rest = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
        listed = f"{', '.join(list(names)[:_LISTED])}{rest} of {variant} on {dataset}"
        lines.append(printable(f"{listed}: {seeds - len(cells)} of {seeds} seeds have a number, because {reason}", 400))
    more = [f"{len(lines) - _LISTED} more metrics failed; results.csv has the reasons"] if len(lines) > _LISTED else []
    return lines[:_LISTED] + more


def mixtures(data: RunData, environments: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What cells with results were not all computed with: versions of libraries, kinds of device; one line each.

    Neither is a reason to train a cell again, so that a run which goes on can come to hold several.

    Args:
        environments: by `env_hash`.
    """
    cells = data.cells[data.cells["status"] == "ok"]
    named = [environments.get(key, {}).get("packages") for key in cells["env_hash"].dropna().unique()]
    packages = [known for known in named if known]
    names = sorted({name for known in packages for name in known} - _COMPUTE_NOTHING)
    found = {name: {str(known.get(name, "none")) for known in packages} for name in names}
    found["kinds of device"] = {str(device).partition(":")[0] for device in cells["device"].dropna()}
    mixed = [f"{name} ({' and '.join(sorted(kinds))})" for name, kinds in found.items() if len(kinds) > 1]
    if not mixed:
        return []
    what = printable(", ".join(mixed), 400)
    return [f"cells were computed with several of: {what}; to have one in all, run again with --force"]


def _cell_row(record: dict[str, Any], planned: dict[str, Any]) -> dict[str, Any]:
    """A cell that an earlier run of the directory made is called what the plan calls it: a split, a setting."""
    row = {name: record.get(name) for name in CELL_COLUMNS}
    row |= {name: planned[name] for name in ("variant_label", "dataset_label", "split_number") if name in planned}
    row["split_number"] = row["split_number"] or 0
    for name in JSON_COLUMNS:
        row[name] = json.dumps(record[name], sort_keys=True, ensure_ascii=False)
    return row


def _refuse_ambiguous(rows: list[dict[str, Any]]) -> None:
    """Raise `UsageError` where two cells have one name: tables could not tell their numbers apart."""
    seen: dict[tuple, str] = {}
    for row in rows:
        name = (row["variant_label"], row["dataset_label"], row["seed"], row["split_number"])
        if seen.setdefault(name, row["cell_id"]) != row["cell_id"]:
            variant, dataset, seed, _ = name
            raise UsageError(
                printable(
                    f"cells.jsonl holds two trainings of {variant} on {dataset} with seed {seed}, of other settings "
                    f"(cells {seen[name]} and {row['cell_id']}), and plan.json, which says which is meant, is missing "
                    "or was edited; run the aebench run again that is meant, which writes it anew"
                )
            )


def _order(rows: list[dict], latest: dict[str, int], wanted: dict[str, int] | None) -> np.ndarray:
    kept = list(latest.values())
    if wanted is not None:
        kept.sort(key=lambda row: wanted[rows[row]["cell_id"]])
    else:
        keys = ("dataset_label", "variant_label", "split_number", "seed", "cell_id")
        kept.sort(key=lambda row: tuple(rows[row][key] for key in keys))
    return np.array(kept, dtype=np.int64)


def cells_frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Cells as columns; each row has the entries of `CELL_COLUMNS` and `JSON_COLUMNS`."""
    names = (*CELL_COLUMNS, *JSON_COLUMNS)
    columns: dict[str, Any] = {}
    for name in names:
        column = [row[name] for row in rows]
        columns[name] = np.array(column, dtype=np.float64 if name in NUMERIC else object)
    frame = pd.DataFrame(columns)
    return frame.astype({"seed": "int64", "split_number": "int64"})


def _merge_metrics(codes: np.ndarray, keys: list[tuple]) -> tuple[np.ndarray, list[MetricInfo]]:
    """One entry per metric name: the first with a unit or direction wins where records disagree."""
    best: dict[str, MetricInfo] = {}
    for name, unit, direction in keys:
        known = best.get(name)
        if known is None or (not known.unit and known.higher_is_better is None):
            best[name] = MetricInfo(name, unit, direction)
    place = {name: index for index, name in enumerate(best)}
    translation = np.array([place[name] for name, _, _ in keys], dtype=np.int64)
    return (translation[codes] if len(keys) else codes), list(best.values())


#: A cell's training curves by its id (`bench.store.run_store.RunStore.load_history`).
History = Callable[[str], dict[str, np.ndarray]]
