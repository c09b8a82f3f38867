"""Who finds anomalies best, autoencoders and detectors that are none, from runs of the preset `anomalies`, as Markdown.

python -m bench.reports.reference.anomalies_document RUN... > results/reference/anomalies.md
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from bench.analysis.anomaly_answer import METRIC, anomaly_answer, anomaly_table, training_seconds
from bench.analysis.stats import mean_interval
from bench.errors import UsageError
from bench.reports.csv_tables import results_frame
from bench.reports.reference.printing import print_document
from bench.store.run_store import RunStore
from bench.text import escape, table

#: Further tables: metric and what it is called.
_ALSO = {
    "anomaly_ap": "Average precision",
    "anomaly_ap_chance": "Average precision of chance",
    "anomaly_recall": "Recall at 5 % false alarms",
    "anomaly_auroc_lost": "AUROC lost by choosing the score without looking at anomalies",
}


def document(directories: Sequence[Path | str]) -> str:
    """The whole document over the cells of several runs.

    Raises:
        UsageError: none of them has an AUROC of anomalies.
    """
    frame = pd.concat([results_frame(RunStore.open(place).data()) for place in directories], ignore_index=True)
    answer = anomaly_answer(frame)
    if answer is None:
        raise UsageError(f"no {METRIC} in these runs; run `aebench run --preset anomalies`")
    lines = ["# Anomalies", "", escape(answer), "", *_table(frame), *_means(frame)]
    return "\n".join(lines).rstrip() + "\n"


def _table(frame: pd.DataFrame) -> list[str]:
    """AUROC of every row on every data set, with its interval over seeds where there are several; the best is bold."""
    means = anomaly_table(frame)
    rows = []
    for dataset in means.columns:
        best = means[dataset].max()
        cells = [_cell(frame, variant, dataset, means.loc[variant, dataset] >= best) for variant in means.index]
        rows.append((escape(str(dataset)), *cells))
    rows.append(("mean", *(f"{value:.3f}" for value in means.mean(axis=1))))
    head = ("Normal and anomalous", *(escape(str(variant)) for variant in means.index))
    note = (
        "AUROC, mean ± 95 % t interval over seeds; the highest of a row is bold. `control:` rows are no autoencoders."
    )
    return ["## AUROC", "", note, "", *table(head, rows)]


def _cell(frame: pd.DataFrame, variant: str, dataset: str, best: bool) -> str:
    own = frame[(frame["metric"] == METRIC) & (frame["variant_label"] == variant) & (frame["dataset_label"] == dataset)]
    found = mean_interval(own["value"].to_numpy(dtype=float))
    if not found.n:
        return "n/a"
    text = f"**{found.mean:.3f}**" if best else f"{found.mean:.3f}"
    return text if not np.isfinite(found.low) else f"{text} ± {found.half_width:.3f}"


def _means(frame: pd.DataFrame) -> list[str]:
    """The other metrics, means over data sets, and what training takes."""
    columns = {name: anomaly_table(frame, name).mean(axis=1) for name in _ALSO}
    seconds = training_seconds(frame)
    rows = []
    for variant in map(str, anomaly_table(frame).index):
        numbers = (_number(columns[name].get(variant, np.nan)) for name in _ALSO)
        rows.append((escape(variant), *numbers, _number(seconds.get(variant, np.nan))))
    head = ("Row", *_ALSO.values(), "Training in seconds, median")
    return ["## Means over data sets", "", *table(head, rows)]


def _number(value: float) -> str:
    return f"{value:.3f}" if np.isfinite(value) else "n/a"


def main(arguments: Sequence[str]) -> int:
    """Print the document of the runs named; exit code 2 for bad input."""
    return print_document(document, arguments, "python -m bench.reports.reference.anomalies_document RUN...")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
