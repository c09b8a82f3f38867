"""What every metric must do to be usable: checks for built-in and foreign plugins alike, on control models."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bench.conformance.variant import Check
from bench.contracts.dataset import Split
from bench.contracts.metric import NEEDS, Metric
from bench.evaluate.control_models import CONTROLS
from bench.evaluate.evaluate import evaluate
from bench.losses import ReconstructionCost
from bench.spec.plugin_file import PluginInfo

_ROWS, _DIMENSION, _LATENT = 240, 6, 2


def check_metric(kind: type[Metric], info: PluginInfo) -> list[Check]:
    """All checks of the metric class `kind`, whose source says `info`; never raises."""
    checks = []
    for name, check in CHECKS.items():
        try:
            problem = check(kind, info)
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
        checks.append(Check(name, not problem, " ".join(problem.split())))
    return checks


def declared(kind: type[Metric], info: PluginInfo) -> str:
    """The values of the running class are those that its source states, with known needs and distinct names."""
    if tuple(kind.values) != info.values:
        return "the class attribute `values` differs from the Value(...) and each(...) literals in the file"
    names = [value.name for value in kind.values]
    if len(set(names)) < len(names):
        return "two values have the same name"
    for value in kind.values:
        if not (value.name.isidentifier() and value.name == value.name.lower()):
            return f"{value.name!r} is not snake_case"
        if set(value.needs) - set(NEEDS):
            return f"{value.name} needs {', '.join(set(value.needs) - set(NEEDS))}; known: {', '.join(NEEDS)}"
        if value.gauge not in ("invariant", "dependent"):
            return f"{value.name}: gauge {value.gauge!r} is neither invariant nor dependent"
    return "" if kind.family else "the class attribute `family` is empty"


def evaluates(kind: type[Metric], info: PluginInfo) -> str:
    """Every control model gets each value, or a reason that is not the metric's own failure."""
    for control in CONTROLS:
        for name, measured in _evaluate(kind, control).items():
            if measured.status == "failed":
                return f"{name} of control:{control}: {measured.reason}"
    return ""


def repeats(kind: type[Metric], info: PluginInfo) -> str:
    """The same model and seed give the same numbers."""
    same = _evaluate(kind, "pca") == _evaluate(kind, "pca")
    return "" if same else "the same model and seed gave other numbers; all randomness comes from `rng`"


def _evaluate(kind: type[Metric], control: str):
    split, cost = _data(), ReconstructionCost("squared")
    return evaluate(CONTROLS[control](split, _LATENT, cost, 0), split, [kind()]).values


def _data() -> Split:
    """Two clusters of correlated vectors with labels."""
    rng = np.random.default_rng(0)
    labels = np.arange(_ROWS) % 2
    data = rng.normal(size=(_ROWS, _DIMENSION)) * np.linspace(2, 0.5, _DIMENSION) + 2 * labels[:, None]
    data, parts = data.astype(np.float32), (slice(0, 120), slice(120, 160), slice(160, _ROWS))
    train, validation, test = ((data[part], labels[part]) for part in parts)
    rows, classes = (train[0], validation[0], test[0]), (train[1], validation[1], test[1])
    return Split(*rows, *classes, description="two clusters")


CHECKS: dict[str, Callable[[type[Metric], PluginInfo], str]] = {
    "the file states the values that the class has": declared,
    "every control model gets a number or a reason": evaluates,
    "the same seed gives the same numbers": repeats,
}
