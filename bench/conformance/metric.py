"""What every metric must do to be usable: checks for built-in and foreign plugins alike, on control models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.conformance.variant import Check
from bench.contracts.dataset import PARTS, Split
from bench.contracts.metric import NEEDS, Metric
from bench.errors import Incompatible
from bench.evaluate.control_models import CONTROLS
from bench.evaluate.evaluate import Measurement, evaluate
from bench.losses import ReconstructionCost
from bench.spec.plugin_file import PluginInfo

_DIMENSION, _LATENT = 6, 2
#: Rows in all, of which 120 train and 40 validate.
_VECTORS, _PICTURES = 240, 400


@dataclass
class Subject:
    """A metric class, what its source says, and the data and code size of the control models that it is tried on."""

    kind: type[Metric]
    info: PluginInfo
    params: dict[str, Any]
    split: Split
    latent_dim: int

    def evaluate(self, control: str) -> dict[str, Measurement]:
        """What it makes of one control model."""
        cost = ReconstructionCost(self.split.likelihoods[0])
        model = CONTROLS[control](self.split, self.latent_dim, cost, 0)
        return evaluate(model, self.split, [self.kind(**self.params)]).values


def check_metric(
    kind: type[Metric],
    info: PluginInfo,
    params: dict[str, Any] | None = None,
    *,
    latent_dim: int | None = None,
    split: Split | None = None,
) -> list[Check]:
    """All checks of the metric class `kind`, whose source says `info`; never raises.

    Args:
        params: its options. latent_dim: of the models it is tried on; 2 if None.
        split: the data; two clusters of vectors with labels if None, and where no model of these has a number,
            pictures with labels and factors.
    """
    splits = [split] if split is not None else [_vectors(), _pictures()]
    checks: list[Check] = []
    for data in splits:
        subject = Subject(kind, info, params or {}, data, latent_dim or _LATENT)
        checks = [_outcome(name, check, subject) for name, check in CHECKS.items()]
        if all(check.ran for check in checks):
            break
    return checks


def _outcome(name: str, check: Callable[[Subject], str], subject: Subject) -> Check:
    try:
        problem = check(subject)
    except _NothingMeasured as nothing:
        return Check(name, None, str(nothing), ran=False)
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
    return Check(name, not problem, " ".join(problem.split()))


class _NothingMeasured(Exception):
    """No control model got a number, for the reason given."""


def declared(subject: Subject) -> str:
    """The values of the running class are those that its source states, with known needs and distinct names."""
    kind, info = subject.kind, subject.info
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


def evaluates(subject: Subject) -> str:
    """Every control model gets each value, or a reason that is not the metric's own failure; some get a number."""
    reasons: dict[str, None] = {}
    has_number = False
    for control in CONTROLS:
        try:
            found = subject.evaluate(control)
        except Incompatible as error:
            reasons[str(error)] = None
            continue
        for name, measured in found.items():
            if measured.status == "failed":
                return f"{name} of control:{control}: {measured.reason}"
            has_number |= measured.value is not None
            reasons |= {measured.reason or "no reason": None} if measured.value is None else {}
    if not has_number:
        raise _NothingMeasured(
            f"no control model has a number: {'; '.join(reasons)}; give --dataset with what it needs"
        )
    return ""


def repeats(subject: Subject) -> str:
    """The same model and seed give the same numbers."""
    same = subject.evaluate("pca") == subject.evaluate("pca")
    return "" if same else "the same model and seed gave other numbers; all randomness comes from `rng`"


def _vectors() -> Split:
    """Two clusters of correlated vectors with labels."""
    rng = np.random.default_rng(0)
    labels = np.arange(_VECTORS) % 2
    data = rng.normal(size=(_VECTORS, _DIMENSION)) * np.linspace(2, 0.5, _DIMENSION) + 2 * labels[:, None]
    return _split(data.astype(np.float32), labels, "two clusters")


def _pictures() -> Split:
    """Pictures of one bar each: its place and its strength are the factors, its place the label."""
    rng = np.random.default_rng(0)
    place, strength = np.arange(_PICTURES) % 4, rng.uniform(0.5, 1, _PICTURES)
    pictures = 0.05 * rng.uniform(size=(_PICTURES, 1, 8, 8))
    pictures[np.arange(_PICTURES), 0, :, 2 * place] += strength[:, None] * 0.9
    return _split(pictures.astype(np.float32), place, "bars", np.stack([place, strength], axis=1))


def _split(data: np.ndarray, labels: np.ndarray, description: str, factors: np.ndarray | None = None) -> Split:
    parts = dict(zip(PARTS, (slice(0, 120), slice(120, 160), slice(160, None)), strict=True))
    given: dict[str, Any] = {name: data[part] for name, part in parts.items()}
    given |= {f"{name}_labels": labels[part] for name, part in parts.items()}
    if factors is not None:
        given |= {f"{name}_factors": factors[part] for name, part in parts.items()}
        given["factor_names"] = tuple(f"factor {index}" for index in range(factors.shape[1]))
    return Split(**given, description=description)


CHECKS: dict[str, Callable[[Subject], str]] = {
    "the file states the values that the class has": declared,
    "every control model gets a number or a reason": evaluates,
    "the same seed gives the same numbers": repeats,
}
