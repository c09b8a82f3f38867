"""Evaluation of one model: run metrics on a `View` and account for every value, with its status and reason."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from bench.contracts.dataset import Split
from bench.contracts.metric import Estimate, Flagged, Metric, Missing, Value, source_tag, with_samplers
from bench.contracts.model import Model
from bench.contracts.sampler import Sampler
from bench.evaluate.model_view import View
from bench.evaluate.reference_data import SharedData
from bench.seeding import derived_seed

#: Families whose directional values a collapsed model could win; they are flagged with the reason.
COLLAPSE_SENSITIVE = ("coverage", "interpolation", "collapse", "generation")


@dataclass(frozen=True)
class Measurement:
    """One stored number.

    Attributes:
        value: a finite number, or None with a reason.
        unit, higher_is_better: as the metric declares them.
        status: "ok", "n/a" (does not apply), "too_few" (too little data), "failed" (by the metric's own fault) or
            "flagged" (read it with the reason).
        reason: why the value is missing or flagged, one line; None when status is "ok".
        error: Monte-Carlo standard error of the evaluation, or None.
    """

    value: float | None
    unit: str = ""
    higher_is_better: bool | None = None
    status: str = "ok"
    reason: str | None = None
    error: float | None = None


@dataclass(frozen=True)
class Evaluation:
    """The values of one model by name (vectors as name[0], name[1], …) and seconds spent by metric family."""

    values: dict[str, Measurement]
    seconds: dict[str, float]


def evaluate(
    model: Model,
    split: Split,
    metrics: Sequence[Metric],
    wanted: set[str] | None = None,
    seed: int = 0,
    shared: SharedData | None = None,
    samplers: Mapping[str, Sampler] | None = None,
) -> Evaluation:
    """Measure one model.

    Args:
        model: the trained or control model.
        split: the data; the metrics read its test part, and train and validation where their definition says so.
        metrics: metric instances.
        wanted: names of the values to report (vectors by their bare name), or None for all.
        seed: of the evaluation's noise; the same for all models that are to be compared.
        shared: what models of this data set share; None makes it for this call.
        samplers: fitted to the model's training codes as further latent sources, by name.

    Returns:
        every wanted value, with a number or a reason. No exception of a metric escapes; NaN and infinity never pass
        as a number.
    """
    if shared is None:
        shared = SharedData(split, model.cost, model.latent_dim, model.device)
    samplers = samplers or {}
    view = View(model, shared, seed, {source_tag(name): sampler for name, sampler in samplers.items()})
    values: dict[str, Measurement] = {}
    seconds: dict[str, float] = {}
    start = time.perf_counter()
    broken = _defect(view)
    seconds["view"] = time.perf_counter() - start
    for metric in metrics:
        declared = with_samplers(metric.values, tuple(samplers))
        names = [value for value in declared if wanted is None or value.name in wanted]
        if not names:
            continue
        start = time.perf_counter()
        values.update(_measure(metric, names, view, seed, broken))
        family = metric.family or type(metric).__name__
        seconds[family] = seconds.get(family, 0.0) + time.perf_counter() - start
    return Evaluation(values, seconds)


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]


def _defect(view: View) -> str | None:
    try:
        return view.defect
    except Exception as error:  # a model that cannot be called is a result, not a crash
        return f"the model cannot be evaluated ({_one_line(error)})"


def _measure(
    metric: Metric, names: Sequence[Value], view: View, seed: int, broken: str | None
) -> dict[str, Measurement]:
    excused = {value.name: _excuse(value, view, broken) for value in names}
    outcomes = excused | _computed(metric, [name for name in excused if excused[name] is None], view, seed)
    measured: dict[str, Measurement] = {}
    for value in names:
        outcome = outcomes[value.name]
        measured.update(_measurements(value, outcome, _collapse(metric, value, view, outcome)))
    return measured


def _computed(metric: Metric, expected: Sequence[str], view: View, seed: int) -> dict[str, object]:
    """What the metric gives for each expected value, or its failure."""
    if not expected:
        return {}
    rng = np.random.default_rng(derived_seed(seed, "metric", type(metric).__name__))
    results = _attempt(lambda: metric.compute(view, rng))
    if isinstance(results, Missing):
        return dict.fromkeys(expected, results)
    if not isinstance(results, Mapping):
        return dict.fromkeys(expected, _failed(f"compute returned a {type(results).__name__}"))
    forgotten = f"{type(metric).__name__} did not return {{}}: a defect of the metric"
    outcomes: dict[str, object] = {}
    for name in expected:
        outcome = results.get(name)
        outcome = _attempt(outcome) if callable(outcome) else outcome
        outcomes[name] = Missing(forgotten.format(name), "failed") if outcome is None else outcome
    return outcomes


def _attempt(compute: Callable[[], object]) -> object:
    try:
        with torch.no_grad():
            return compute()
    except Exception as error:
        return _failed(_one_line(error))


def _failed(what: str) -> Missing:
    return Missing(f"the metric failed ({what})", "failed")


def _excuse(value: Value, view: View, broken: str | None) -> Missing | None:
    for need in value.needs:
        reason = view.lacks(need)
        if reason:
            return Missing(reason)
    return Missing(broken) if broken else None


def _collapse(metric: Metric, value: Value, view: View, outcome: object) -> str | None:
    if isinstance(outcome, Missing) or value.higher_is_better is None or metric.family not in COLLAPSE_SENSITIVE:
        return None
    try:
        own = view.prior_collapse if {"decode", "prior"} <= set(value.needs) else None
        return own or view.collapse
    except Exception as error:
        return f"collapse could not be checked ({_one_line(error)})"


def _measurements(value: Value, outcome: object, collapse: str | None) -> dict[str, Measurement]:
    def missing(name: str, reason: str, status: str = "n/a") -> dict[str, Measurement]:
        return {name: Measurement(None, value.unit, value.higher_is_better, status, reason)}

    if isinstance(outcome, Missing):
        return missing(value.name, outcome.reason, outcome.status)
    number, error, reason = outcome, None, collapse
    if isinstance(outcome, (Estimate, Flagged)):
        number, error = outcome.value, outcome.error
    if isinstance(outcome, Flagged):
        reason = outcome.reason if collapse in (None, outcome.reason) else f"{collapse}; {outcome.reason}"
    try:
        numbers = np.asarray(number, dtype=np.float64)
    except (TypeError, ValueError):
        return missing(
            value.name, f"the metric returned a {type(number).__name__}, no number: a defect of the metric", "failed"
        )
    errors = np.full(numbers.shape, np.nan) if error is None else np.broadcast_to(error, numbers.shape)
    if numbers.ndim != int(value.vector):
        return missing(value.name, f"the metric returned shape {numbers.shape}: a defect of the metric", "failed")
    if numbers.ndim == 0:
        names = [value.name]
    else:
        names = [f"{value.name}[{index}]" for index in range(len(numbers))]
    measured: dict[str, Measurement] = {}
    for name, one, spread in zip(names, numbers.reshape(-1).tolist(), errors.reshape(-1).tolist(), strict=True):
        if not math.isfinite(one):
            measured.update(missing(name, "the estimate is not finite"))
            continue
        spread = spread if math.isfinite(spread) else None
        status = "flagged" if reason else "ok"
        measured[name] = Measurement(one, value.unit, value.higher_is_better, status, reason, spread)
    return measured


__all__ = ["Evaluation", "Measurement", "SharedData", "evaluate"]
