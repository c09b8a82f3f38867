"""Runs sweeps: every metric on every level, and the noise of what real data score."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bench.analysis.validity_sweeps import direction, kind_of, measured_as
from bench.contracts.dataset import Split
from bench.contracts.metric import Metric, Value
from bench.errors import UsageError
from bench.evaluate.evaluate import evaluate
from bench.validity.judge import GAUGE, Curve
from bench.validity.models import REPLICATES, Bench, Level, kinds_of_sweeps

LEAST_ROWS = 100


@dataclass(frozen=True)
class Entry:
    """A value that sweeps speak about: its metric, and the kind of sweeps."""

    metric: Metric
    value: Value
    kind: str


def entries(metrics: Sequence[Metric], wanted: set[str] | None = None) -> list[Entry]:
    """The values of metrics (of those wanted) that sweeps are measured on and that have a direction, each once."""
    found: dict[tuple[str, str], Entry] = {}
    for metric in metrics:
        by_name = {value.name: value for value in metric.values}
        for value in metric.values:
            if wanted is not None and value.name not in wanted:
                continue
            if value.gauge == "invariant" and value.higher_is_better is not None and "encode" in value.needs:
                found.setdefault((value.name, GAUGE), Entry(metric, value, GAUGE))
            kind, stands = kind_of(value, metric.family), by_name.get(measured_as(value.name), value)
            if kind and not value.vector and (direction(stands) is not None or stands.target is not None):
                found.setdefault((stands.name, kind), Entry(metric, stands, kind))
    return list(found.values())


def sweep_all(
    split: Split,
    metrics: Sequence[Metric],
    wanted: set[str] | None = None,
    rows: int = 2000,
    note: Callable[[str], None] = lambda text: None,
) -> list[Curve]:
    """Every sweep for every value that it speaks about.

    Args:
        split: the data.
        metrics: metric instances.
        wanted: names of values, or None for all.
        rows: most held-out rows.
        note: told what is being measured.

    Raises:
        UsageError: too few rows, or no value that sweeps speak about.
    """
    chosen = entries(metrics, wanted)
    if not chosen:
        raise UsageError("no metric named is one that sweeps speak about; see aebench list metrics -v")
    if min(len(split.test), len(split.train) // 2) < LEAST_ROWS:
        raise UsageError(f"validity sweeps need {LEAST_ROWS} test rows and twice as many training rows")
    bench, curves = Bench(split, rows), []
    for kind, sweep in kinds_of_sweeps():
        own = [entry for entry in chosen if entry.kind == kind]
        measured: dict[float, dict] = {}  # one level's rows at a time
        for level in bench.levels(kind, sweep) if own else ():
            if not measured:
                note(f"{kind}: {sweep}")
            measured[level.strength] = _values(bench, level, own)
        spread = _real_noise(bench, own) if measured and kind == "samples" else {}
        curves += [_curve(entry, sweep, measured, spread) for entry in own if measured]
    return [curve for curve in curves if np.isfinite(curve.values).any()]


def _values(bench: Bench, level: Level, own: Sequence[Entry]) -> dict[str, tuple[float, float]]:
    """Value and Monte-Carlo error by name; NaN where there is none."""
    metrics = list(dict.fromkeys(entry.metric for entry in own))
    names = {entry.value.name for entry in own}
    measured = evaluate(level.model, bench.split, metrics, names, shared=bench.shared).values
    return {
        name: (np.nan if entry.value is None else entry.value, entry.error or 0.0) for name, entry in measured.items()
    }


def _real_noise(bench: Bench, own: Sequence[Entry]) -> dict[str, float]:
    """Standard deviation of what real samples score, by value name; measured once per bench and set of values.

    Samples overlap by the share of the pool that they take, for which the spread is corrected; the held-out rows vary
    as much as the sample does, hence √2.
    """

    def compute() -> dict[str, float]:
        found = [
            _values(bench, Level("samples", "", 0.0, bench.generator(bench.sample(place))), own)
            for place in range(REPLICATES)
        ]
        share = min(bench.size / len(bench.pool), 0.75)
        scale = (2 / (1 - share)) ** 0.5
        return {name: scale * float(np.std([values[name][0] for values in found], ddof=1)) for name in found[0]}

    return bench.shared.once(("real noise", *sorted(entry.value.name for entry in own)), compute)


def _curve(entry: Entry, sweep: str, measured: dict[float, dict], spread: dict[str, float]) -> Curve:
    name = entry.value.name
    values, errors = (np.array([found[name][place] for found in measured.values()]) for place in (0, 1))
    noise = max(spread.get(name, 0.0), float(np.nan_to_num(errors).max()))
    strengths = np.array(list(measured))
    return Curve(
        name, entry.kind, sweep, strengths, values, noise, direction(entry.value), entry.value.target,
        entry.value.higher_is_better is not None, entry.value.sees,
    )  # fmt: skip
