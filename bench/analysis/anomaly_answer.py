"""To find anomalies, which row of a run to take: a sentence from its frame, with what the autoencoders are worth.

Rows are compared over data sets where there are several (what holds on one need not hold on the next), else over
seeds. A detector that is no autoencoder (`control:…`) takes part: it is what training one has to beat.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from bench.analysis.eligibility import CONTROL, time_to_use
from bench.analysis.stats import Interval, mean_interval
from bench.text import printable

METRIC = "anomaly_auroc"
#: Differences of AUROC below this are not worth a word, however sure.
SMALLEST = 0.005


def anomaly_table(frame: pd.DataFrame, metric: str = METRIC) -> pd.DataFrame:
    """Means over seeds and splits of a metric: a row for each variant, a column for each data set, NaN for no number.

    Args:
        frame: a tidy frame, as `bench.load` gives it: columns variant_label, dataset_label, metric, value at least.
    """
    own = frame[(frame["metric"] == metric) & np.isfinite(frame["value"].astype(float))]
    means = own.groupby(["variant_label", "dataset_label"], sort=False)["value"].mean().unstack("dataset_label")
    return means.reindex(index=pd.unique(own["variant_label"]), columns=pd.unique(own["dataset_label"]))


def anomaly_answer(frame: pd.DataFrame) -> str | None:
    """The sentence "To find anomalies take …", or None where the frame has no AUROC of anomalies.

    The row with the highest mean over the data sets that all rows have is named; beside it, the best of the other
    kind (autoencoder or detector), by how much it is behind, and how sure that is.
    """
    means = anomaly_table(frame).dropna(axis=1)
    if means.empty:
        return None
    order = means.mean(axis=1).sort_values(ascending=False, kind="stable").index
    best, n = str(order[0]), means.shape[1]
    where = "on one data set" if n == 1 else f"over {n} data sets"
    sentence = f"To find anomalies take {printable(best)}: AUROC {means.loc[best].mean():.3f} {where}"
    others = [label for label in order if _is_detector(label) != _is_detector(best)]
    if not others:
        kind = "autoencoder" if _is_detector(best) else "detector that is no autoencoder"
        return f"{sentence}; no {kind} was measured beside it."
    other = str(others[0])
    kind = "autoencoder" if _is_detector(best) else "detector that is no autoencoder"
    behind = _difference(frame, means, best, other)
    seconds = training_seconds(frame)
    return f"{sentence}; {_verdict(best, other, kind, behind)}{_dearer(best, other, seconds)}."


def _is_detector(label: object) -> bool:
    return str(label).startswith(CONTROL)


def _difference(frame: pd.DataFrame, means: pd.DataFrame, best: str, other: str) -> Interval:
    """Of AUROC, over data sets; on a single one over the seeds of those rows that have several."""
    if means.shape[1] > 1:
        return mean_interval((means.loc[best] - means.loc[other]).to_numpy())
    own = frame[(frame["metric"] == METRIC) & (frame["dataset_label"] == means.columns[0])]
    first, second = (
        own[own["variant_label"] == label].groupby("seed")["value"].mean().dropna() for label in (best, other)
    )
    if min(len(first), len(second)) == 1:  # one that no seed changes stands for every seed
        return mean_interval((first.iloc[0] - second if len(first) == 1 else first - second.iloc[0]).to_numpy())
    return mean_interval((first - second).dropna().to_numpy())


def _verdict(best: str, other: str, kind: str, behind: Interval) -> str:
    text = f"the best {kind}, {printable(other)}, is {behind.mean:.3f} behind"
    if not np.isfinite(behind.low):
        return f"{text}, and one seed or data set does not say how sure that is"
    text += f" (95 % interval {behind.low:+.3f} to {behind.high:+.3f})"
    if behind.low > 0 and behind.mean >= SMALLEST:
        return text
    if _is_detector(best):
        return f"{text}, which is not sure: neither is shown to be better"
    return f"{text}, which is not sure: a plain {printable(other)} does as well as far as can be told"


def training_seconds(frame: pd.DataFrame) -> dict[str, float]:
    """Seconds of training (`eligibility.time_to_use`), median over cells, by row; rows without any are left out."""
    labels, nothing = frame["variant_label"].astype(str), pd.Series(np.nan, index=frame.index)
    train, scoring = (
        pd.to_numeric(frame.get(name, nothing), errors="coerce").to_numpy(dtype=float, na_value=np.nan)
        for name in ("t_train", "t_eval")
    )
    seconds = pd.Series([time_to_use(*one) for one in zip(labels, train, scoring, strict=True)], dtype=float)
    medians = seconds.groupby(labels.to_numpy()).median()
    return {str(label): float(value) for label, value in medians.items() if np.isfinite(value)}


def _dearer(best: str, other: str, seconds: Mapping[str, float]) -> str:
    """What the cheaper of the two saves, where both costs are known and it is at least a tenth."""
    if best not in seconds or other not in seconds:
        return ""
    cheap, dear = sorted((best, other), key=seconds.__getitem__)
    ratio = seconds[dear] / max(seconds[cheap], 1e-4)
    return f"; {printable(cheap)} takes 1/{ratio:.0f} of the other's training time" if ratio >= 10 else ""
