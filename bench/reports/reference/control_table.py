"""All metrics over all controls of a run, the score that each must have beside it, as Markdown.

python -m bench.reports.reference.control_table RUN... > results/reference/controls.md
"""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis.numbers import number
from bench.errors import UsageError
from bench.reports.reference.printing import print_document
from bench.reports.studies.control_scores import SCORES, Score
from bench.spec.builtin_tables import control_names
from bench.spec.training import latent_dim_for
from bench.store.run_store import RunStore
from bench.text import escape, table

MARKS = {True: "✓", False: "✗", None: "?"}


@dataclass(frozen=True)
class Judged:
    """A required score on a data set: the control's value, and whether it is the score (None: it cannot be told)."""

    dataset: str
    score: Score
    value: float | None
    met: bool | None


def judge(directory: Path | str) -> tuple[pd.DataFrame, list[Judged]]:
    """A run's measurements of controls, and every required score held against them.

    Returns:
        Columns dataset, control, seed, metric, value, status, reason; and per data set the scores, of the first seed.

    Raises:
        UsageError: there is no run, or no control among its cells.
    """
    store = RunStore.open(directory)
    data = store.data()
    frame = data.frame()
    frame = frame[frame["variant"].astype(str).str.startswith("control:")]
    if len(frame) == 0:
        raise UsageError(f"{directory} holds no control; run it with --controls")
    frame = frame.assign(control=frame["variant"].str.removeprefix("control:"))
    frame = frame[frame["seed"] == frame["seed"].min()]
    judged = []
    for dataset, own in frame.groupby("dataset", sort=False):
        counts = _sizes(data.cells, str(dataset), store.spec.get("latent-dim"))
        for control, rows in own.groupby("control", sort=False):
            values = {m: None if np.isnan(v) else float(v) for m, v in zip(rows["metric"], rows["value"], strict=True)}
            for score in (score for score in SCORES if score.control == control):
                judged.append(Judged(str(dataset), score, values.get(score.metric), score.met(values, counts)))
    return frame, judged


def _sizes(cells: pd.DataFrame, dataset: str, asked: Any) -> dict[str, int]:
    """Rows, and L: as `asked`, of several the first, as controls have it, or what follows from the data."""
    own = cells[(cells["dataset_label"] == dataset) & (cells["status"] == "ok")]
    split = json.loads(own["split"].iloc[0])
    first = asked[0] if isinstance(asked, list) and asked else asked
    latent_dim = first if isinstance(first, int) else latent_dim_for(math.prod(split["data_shape"]))
    return {**{name: int(split[name]) for name in ("n_test", "n_validation")}, "latent_dim": latent_dim}


def document(directories: Sequence[Path | str]) -> str:
    """The whole document over several runs; a missed score stands out by its ✗ and in the count at the top."""
    lines, tables = ["# Control models", ""], []
    for directory in directories:
        frame, judged = judge(directory)
        tables += _required(judged)
        for dataset, own in frame.groupby("dataset", sort=False):
            entries = [entry for entry in judged if entry.dataset == dataset]
            counts = Counter(entry.met for entry in entries)
            lines += [
                f"{escape(str(dataset))}: {counts[True]} of {len(entries)} required scores met, {counts[False]} missed."
            ]
            lines += [""]
            tables += _all(str(dataset), own, entries)
    lines += [
        "Every metric also runs on models whose right score is known. ✓ the score it must have, ✗ another one, ? a "
        "value that it is relative to is missing. Controls do not train; where one draws at random it is the first "
        "seed's.",
        "",
    ]
    return "\n".join(lines + tables).rstrip() + "\n"


def _required(judged: Sequence[Judged]) -> list[str]:
    lines = []
    for dataset in dict.fromkeys(entry.dataset for entry in judged):
        rows = [
            (
                escape(entry.score.control),
                f"`{entry.score.metric}`",
                escape(entry.score.text),
                "none" if entry.value is None else number(entry.value),
                MARKS[entry.met],
                escape(entry.score.why),
            )
            for entry in judged
            if entry.dataset == dataset
        ]
        names = ("Control", "Metric", "Must be", "Is", "", "Because")
        lines += [f"## Required scores: {escape(dataset)}", "", *table(names, rows, left=len(names))]
    return lines


def _all(dataset: str, frame: pd.DataFrame, judged: Sequence[Judged]) -> list[str]:
    """Every metric in a row, every control in a column."""
    controls = [name for name in control_names() if name in set(frame["control"])]
    marks = {(entry.score.control, entry.score.metric): f" {MARKS[entry.met]}" for entry in judged}
    cells: Mapping[tuple[str, str], tuple[float, str]] = {
        (control, metric): (value, status)
        for control, metric, value, status in zip(
            *(frame[name] for name in ("control", "metric", "value", "status")), strict=True
        )
    }
    rows = []
    for metric in dict.fromkeys(frame["metric"]):
        if "[" in metric:
            continue
        shown = []
        for control in controls:
            value, status = cells.get((control, metric), (float("nan"), ""))
            text = "n/a" if np.isnan(value) and status == "n/a" else number(value)
            shown.append(text + ("†" if status == "flagged" else "") + marks.get((control, metric), ""))
        rows.append((f"`{metric}`", *shown))
    head = f"## All metrics: {escape(dataset)}"
    return [head, "", "† flagged, with the reason in the run's results.csv.", "", *table(("Metric", *controls), rows)]


def main(arguments: Sequence[str]) -> int:
    """Print the document of the runs named; exit code 2 for bad input."""
    return print_document(document, arguments, "python -m bench.reports.reference.control_table RUN...")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
