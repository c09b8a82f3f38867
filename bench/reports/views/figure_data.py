"""What the figures of one data set are drawn from: its shown metrics, a few cells' arrays, and its training curves."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from bench.analysis.sections import Section
from bench.errors import UsageError
from bench.reports.figures import style
from bench.reports.model import Report
from bench.reports.views.figure_arrays import drawable, example_shape
from bench.store.measurements import RunData
from bench.text import printable

#: Variants that figures of examples and curves show; tables show all.
MOST_ROWS = 12
#: Where codes stand in eq. 2's phase diagram.
PHASE = ("log_median_sigma", "log_rms_mu")


@dataclass
class Material:
    """What the figures of one data set are drawn from: seed shown, and per shown variant its label and arrays."""

    section: Section
    frame: pd.DataFrame
    seed_note: str = ""
    rows: list[tuple[str, dict[str, np.ndarray]]] = field(default_factory=list)
    history: pd.DataFrame | None = None
    left_out: int = 0
    chosen: list[str] = field(default_factory=list)

    @property
    def order(self) -> list[str]:
        """All variants of the data set, which their colours follow."""
        return style.in_order(self.frame["variant_label"])


def material_of(report: Report, section: Section) -> Material:
    """What the run has for the figures of `section`."""
    material = Material(section, _frame(report.data, section))
    cells = report.data.cells
    own = cells[(cells["dataset_label"] == section.name) & (cells["status"] == "ok")]
    first = own["split_number"].min()
    own = own[own["split_number"] == first]  # examples and curves of one split: those of several do not belong together
    labels = [label for label in dict.fromkeys(own["variant_label"]) if not label.startswith("control:")]
    if section.label in report.boards.of:  # pictures of chosen settings alone, the best first
        plain = {printable(label): label for label in labels}
        labels = material.chosen = [plain[name] for name in report.boards.of[section.label].labels if name in plain]
    material.left_out = max(0, len(labels) - MOST_ROWS)
    labels = labels[:MOST_ROWS]
    seeds = {label: set(own[own["variant_label"] == label]["seed"]) for label in labels}
    common = set.intersection(*seeds.values()) if seeds else set()
    histories: list[pd.DataFrame] = []
    shape = None
    for label in labels:
        seed = min(common) if common else min(seeds[label])
        cell_id = own[(own["variant_label"] == label) & (own["seed"] == seed)]["cell_id"].iloc[0]
        arrays = drawable(_arrays(report, cell_id), shape)
        shape = shape or example_shape(arrays)
        material.rows.append((label, arrays))
        histories += _history(report, own[own["variant_label"] == label])
    material.seed_note = f"seed {min(common)}" if common else "each variant's first seed"
    material.seed_note += f" on split {first}" if section.design.is_crossed else ""
    if histories:
        material.history = pd.concat(histories, ignore_index=True)
    return material


def _arrays(report: Report, cell_id: str) -> dict[str, np.ndarray]:
    with contextlib.suppress(UsageError):
        return report.store.load_arrays(cell_id)
    return {}


def _history(report: Report, cells: pd.DataFrame) -> Iterator[pd.DataFrame]:
    columns = ("cell_id", "variant_label", "seed")
    for cell_id, label, seed in zip(*(cells[name] for name in columns), strict=True):
        arrays = report.history(cell_id)
        steps = arrays.get("history_step")
        for name, values in arrays.items():
            part, _, term = name.removeprefix("history_").partition("_")
            if steps is not None and term and values.shape == steps.shape:
                yield pd.DataFrame(
                    {"variant": label, "seed": seed, "part": part, "term": term, "step": steps, "value": values}
                )


def _drawn(section: Section) -> set[str]:
    """Metrics that figures show."""
    return {metric.name for metric in section.primary} | {"test_mse", "coverage_fit", "recall_fit", *PHASE}


def _frame(data: RunData, section: Section) -> pd.DataFrame:
    """The tidy-long rows of a data set's drawn metrics: variant_label, seed, metric, value, and of which split where
    there are several."""
    drawn = _drawn(section)
    is_drawn = np.array([metric.name in drawn for metric in data.metrics], dtype=bool)
    is_own = (data.cells["dataset_label"] == section.name).to_numpy()
    rows = np.flatnonzero(is_drawn[data.metric] & is_own[data.cell])
    cell = data.cell[rows]
    names = np.array([metric.name for metric in data.metrics], dtype=object)
    more = ("split_number", "split") if section.design.is_crossed else ()
    columns = {name: data.cells[name].to_numpy()[cell] for name in ("variant_label", "seed", *more)}
    return pd.DataFrame({**columns, "metric": names[data.metric[rows]], "value": data.value[rows]})
