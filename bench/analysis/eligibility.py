"""Who competes for the marks of a column, and for everybody else why not: one rule for every table of a report."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bench.analysis.catalogue import Metric
from bench.analysis.stats import GREATEST_FVU, LEAST_DIVERSITY, mean_interval
from bench.contracts.metric import NEEDS
from bench.spec.builtin_tables import baseline_names
from bench.spec.registry import CONTROL as CONTROL

if TYPE_CHECKING:
    from bench.analysis.sections import Row

#: Metrics of what is sampled from the prior.
_PRIOR = re.compile(r"_prior(?=_|$)")
_SEARCHES = f"{CONTROL}nearest-neighbours"
OTHER_VARIANCE = (
    "the variants have different decoder variances s²: likelihoods under different decoders are not compared"
)
GAUGE = "gauge-dependent, and the model declares no prior that would fix the gauge"


def is_baseline(label: str) -> bool:
    """Whether a row is a plain model that somebody might take instead of an autoencoder, and not a control alone."""
    return label.removeprefix(CONTROL) in ("pca", *baseline_names()) and label.startswith(CONTROL)


def time_to_use(label: str, t_train: float, t_eval: float) -> float:
    """Seconds that a row's training takes; of a plain model that learns nothing and searches when it scores, those of
    its evaluation, too."""
    return t_train + t_eval if label == _SEARCHES else t_train


def of_prior(metric: str) -> bool:
    """Whether a metric speaks of samples of the prior."""
    return _PRIOR.search(metric) is not None


def beyond(values: np.ndarray, bound: float, above: bool) -> bool:
    """Whether a fact (n,), one value per seed, is established: its 95 % t interval lies beyond the bound.

    A single seed has no interval, and its value decides.
    """
    interval = mean_interval(values)
    if interval.n < 2:
        return interval.n == 1 and (interval.mean > bound) == above and interval.mean != bound
    return interval.low > bound if above else interval.high < bound


def collapse_reason(values: Mapping[str, np.ndarray], reason: str = "", of_what: str = "seeds") -> str | None:
    """Why a model is collapsed, and wins nothing, or None. What is not established over seeds bars nobody.

    The evaluation's own flag decides where it is recorded; in runs without it, the variance of samples of the fitted
    Gaussian and of what is left unexplained.

    Args:
        values: of one row, (S,) by metric. reason: what the evaluation said of the flag "collapsed".
        of_what: what the S values are of.
    """
    flags = values.get("collapsed", np.empty(0))
    if np.isfinite(flags).any():
        n, of = int(np.nansum(flags > 0.5)), int(np.isfinite(flags).sum())
        where = "" if n == of else f" in {n} of {of} {of_what}"
        said = reason.removeprefix("collapsed: ") or "the evaluation's flag"
        return f"collapsed{where}: {said}" if beyond(flags, 0.5, above=True) else None
    unexplained = values.get("test_fvu", np.empty(0))
    if beyond(unexplained, GREATEST_FVU, above=True):
        mean = np.nanmean(unexplained)
        share = f"{mean:.0%} of the data's variance unexplained"
        return f"collapsed: it leaves {share} (test_fvu {mean:.2f} > {GREATEST_FVU:g})"
    return _narrow(values, "diversity_fit")


def prior_collapse_reason(values: Mapping[str, np.ndarray]) -> str | None:
    """The same for what is sampled from the prior, in runs whose evaluation recorded no flag of collapse."""
    return _narrow(values, "diversity_prior")


def _narrow(values: Mapping[str, np.ndarray], name: str) -> str | None:
    diversity = values.get(name, np.empty(0))
    if not beyond(diversity, LEAST_DIVERSITY, above=False):
        return None
    mean = np.nanmean(diversity)
    said = f"its samples have {mean:.0%} of the data's variance"
    return f"collapsed: {said} ({name} {mean:.2f} < {LEAST_DIVERSITY:g})"


def has_prior(
    row: int, metrics: Mapping[str, Metric], values: Mapping[str, np.ndarray], reasons: Mapping[tuple[int, str], str]
) -> bool:
    """Whether the records show that a row's model declares a prior: a metric that needs one has a value, or lacks it
    for another reason."""
    for name, metric in metrics.items():
        if "prior" in metric.needs:
            if np.isfinite(values[name][row]).any():
                return True
            if reasons.get((row, name), NEEDS["prior"]) != NEEDS["prior"]:
                return True
    return False


def unfit(
    rows: Sequence[Row],
    metrics: Mapping[str, Metric],
    values: Mapping[str, np.ndarray],
    reasons: Mapping[tuple[int, str], str],
    flags: Mapping[str, np.ndarray],
) -> dict[tuple[int, str], str]:
    """Why a row's own numbers in a metric show nobody to be better, by (row, metric).

    Args:
        values, flags: metric → (V, S), numbers and which of them the evaluation flagged.
    """
    fixed = [has_prior(row, metrics, values, reasons) for row in range(len(rows))]
    out: dict[tuple[int, str], str] = {}
    for name, metric in metrics.items():
        for index, row in enumerate(rows if metric.higher_is_better is not None else ()):
            why = row.collapsed or (row.prior_collapsed if of_prior(name) else None)
            why = why or _flagged(values[name][index], flags[name][index], reasons.get((index, name), ""))
            why = why or (GAUGE if metric.gauge == "dependent" and not fixed[index] else None)
            if why:
                out[index, name] = why
    return out


def barred(
    rows: Sequence[Row],
    metrics: Mapping[str, Metric],
    values: Mapping[str, np.ndarray],
    unfit: Mapping[tuple[int, str], str],
    unchosen: Mapping[int, str],
) -> dict[tuple[int, str], str]:
    """Why a row does not compete in a metric, by (row, metric); whoever is not named competes.

    Args:
        values: metric → (V, S). unfit: as the function of that name has it.
        unchosen: row → why validation data did not choose it among its variant's settings.
    """
    out: dict[tuple[int, str], str] = {}
    for name, metric in metrics.items():
        if metric.higher_is_better is None:
            continue
        for index, row in enumerate(rows):
            why = "a control model" if row.is_control else row.collapsed or unchosen.get(index)
            why = why or unfit.get((index, name))
            if why:
                out[index, name] = why
        if "likelihood" in metric.needs:
            out |= dict.fromkeys(_of_other_variance(rows, name, values[name], out), OTHER_VARIANCE)
    return out


def _flagged(values: np.ndarray, flags: np.ndarray, reason: str) -> str | None:
    """Why a row's values (S,) are not to be read: most are flagged, beyond doubt over seeds."""
    known = np.isfinite(values)
    return f"flagged: {reason}" if beyond(flags[known].astype(float), 0.5, above=True) else None


def _of_other_variance(
    rows: Sequence[Row], name: str, values: np.ndarray, out: Mapping[tuple[int, str], str]
) -> list[tuple[int, str]]:
    """Everybody who would compete in a likelihood, where they differ in s²."""
    rest = [row for row in range(len(rows)) if (row, name) not in out and np.isfinite(values[row]).any()]
    differ = len({rows[row].decoder_variance_value for row in rest}) > 1
    return [(row, name) for row in rest if differ]
