"""What chooses between settings of one variant: a validation metric that the suite computes from the model's functions.

Terms that a loss logs are never read: a plugin may log anything under any name. Where the KL weight differs,
reconstruction alone would always choose the smallest. `val_calibrated_neg_elbo` (`bench.metrics.validation`) does not:
it is a bound for one proper model per setting, in nats, so that settings of different λ can be compared. Whatever the
variants are, `--select METRIC` names another `val_*` metric with a direction for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.spec.selection import CALIBRATED, MEAN_ERROR
from bench.store.measurements import RunData

AUTO = "auto"


@dataclass(frozen=True)
class Criterion:
    """What chooses: a metric with its direction and why it is the one, or "" and why nothing can choose."""

    metric: str
    higher_is_better: bool = False
    explanation: str = ""


def selected(spec: Mapping[str, Any]) -> str:
    """The metric that a run's spec names, or `AUTO`."""
    name = spec.get("select") or AUTO
    return name.replace("-", "_") if isinstance(name, str) else AUTO


def criterion_of(
    select: str,
    weights: Sequence[float | str],
    values: Mapping[str, np.ndarray],
    directions: Mapping[str, bool | None],
) -> Criterion:
    """The criterion of one grid.

    Args:
        select: a metric's name or `AUTO`. weights: λ of the settings with results, "" where there is none.
        values: metric → (settings, S), of the settings with results.
    """

    def complete(name: str) -> bool:
        return name in values and len(values[name]) > 0 and bool(np.isfinite(values[name]).any(1).all())

    if select != AUTO:
        if complete(select) and directions.get(select) is not None:
            return Criterion(select, bool(directions[select]), "named by --select")
        return Criterion("", explanation=f"not every setting has a value of {select}, which --select names")
    if complete(CALIBRATED):
        return Criterion(
            CALIBRATED,
            explanation="a bound in nats, at the decoder variance that suits each setting best, so that "
            "settings of different λ can be compared; reconstruction alone would always choose the smallest λ",
        )
    if len(set(weights)) > 1:
        return Criterion(
            "",
            explanation=f"λ differs, so that {MEAN_ERROR} would always choose the smallest, and not every setting has "
            f"a value of {CALIBRATED}",
        )
    if complete(MEAN_ERROR):
        return Criterion(
            MEAN_ERROR,
            explanation="squared error per dimension on validation data; of settings that weigh a penalty "
            "differently it favours the least, and --select names another criterion",
        )
    return Criterion("", explanation=f"not every setting has a value of {MEAN_ERROR}")


def of_cells(data: RunData, select: str = AUTO) -> tuple[list[str], np.ndarray]:
    """The criterion's name and value of every cell that is one of several settings of a variant, in the order of cells.

    "" and NaN for cells that nothing has to choose between.
    """
    names, values = [""] * len(data.cells), np.full(len(data.cells), np.nan)
    cells = data.cells.reset_index(drop=True)
    trained = cells[~cells["variant_label"].str.startswith("control:")]
    directions = {info.name: info.higher_is_better for info in data.metrics}
    tables = _by_cell(data, {CALIBRATED, MEAN_ERROR, select})
    for _, group in trained[trained["status"] == "ok"].groupby(["dataset_label", "variant"], sort=False):
        labels = group["variant_label"].to_numpy()
        settings = list(dict.fromkeys(labels))
        if len(settings) > 1:
            here = group.index.to_numpy()
            own = {name: np.stack([np.where(labels == s, x[here], np.nan) for s in settings])
                   for name, x in tables.items()}  # fmt: skip
            weights = [_weight(group["kl_weight"].to_numpy()[labels == s]) for s in settings]
            metric = criterion_of(select, weights, own, directions).metric
            for place in here if metric else ():
                names[place], values[place] = metric, tables[metric][place]
    return names, values


def _weight(weights: np.ndarray) -> float | str:
    known = weights[np.isfinite(weights)]
    return float(known[0]) if len(known) else ""


def _by_cell(data: RunData, names: set[str]) -> dict[str, np.ndarray]:
    """Each metric's value by cell, (cells,)."""
    tables = {}
    for position, info in enumerate(data.metrics):
        if info.name in names:
            rows = np.flatnonzero(data.metric == position)
            tables[info.name] = np.full(len(data.cells), np.nan)
            tables[info.name][data.cell[rows]] = data.value[rows]
    return tables
