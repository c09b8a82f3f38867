"""What a metric plugin is: a class that names its values and computes them from an evaluated model.

A metric is a pure function of a `View` (held-out data, the trained model's functions, quantities computed once and
shared) and a random generator. `Value(...)` calls hold literals only, because `aebench list metrics` reads them from
the source without importing anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    import numpy as np

    from bench.contracts.view import View

#: What a value can need of the model or the data; anything missing makes it n/a with the reason given here.
NEEDS = {
    "encode": "the variant has no encoder",
    "decode": "the variant has no decoder",
    "posterior": "the variant declares no posterior q(z|x)",
    "prior": "the variant declares no prior",
    "likelihood": "the variant and reconstruction cost define no likelihood p(x|z)",
    "labels": "the data set has no labels",
    "factors": "the data set has no ground-truth factors",
    "images": "the data are not images",
    "plane": "the latent dimension is not 2",
}


@dataclass(frozen=True)
class Value:
    """One number that a metric reports.

    Attributes:
        name: snake_case and stable, e.g. "test_mse". A vector value is stored as name[0], name[1], …
        summary: one sentence for a reader who does not know the metric.
        higher_is_better: True, False, or None for a descriptive value.
        unit: e.g. "per dim", "nats", "" for a pure number.
        range: e.g. "[0, 1]".
        formula: the definition in one line.
        needs: keys of `NEEDS`.
        gauge: "invariant" when replacing z by Az+b (encoder and decoder compensated) changes nothing, else "dependent".
        core: whether `--metrics core` includes it.
        vector: whether `compute` returns one number per latent dimension (or bin) under this name.
        primary: whether the short table of a report shows it.
        scale: on which differences count: "linear", "log" (ratios, as of errors), or "excess over 1" (ratios of
            value - 1); "" for what the range suggests (`bench.analysis.scales`).
        smallest_effect: the least difference worth a mark on that scale: in the value's unit for "linear", a share for
            the others (0.01 is 1 %); None for the scale's default.
    """

    name: str
    summary: str
    higher_is_better: bool | None
    unit: str = ""
    range: str = ""
    formula: str = ""
    needs: tuple[str, ...] = ()
    gauge: str = "invariant"
    core: bool = False
    vector: bool = False
    primary: bool = False
    scale: str = ""
    smallest_effect: float | None = None


@dataclass(frozen=True)
class Estimate:
    """A value with the Monte-Carlo standard error of its evaluation."""

    value: float | np.ndarray
    error: float | np.ndarray | None = None


@dataclass(frozen=True)
class Missing:
    """No number, for a stated reason: status "n/a" (does not apply) or "too_few" (too few data for the estimator)."""

    reason: str
    status: str = "n/a"


@dataclass(frozen=True)
class Flagged:
    """A number that must not be read without its reason (status "flagged"), e.g. one that a collapsed model wins."""

    value: float | np.ndarray
    reason: str
    error: float | np.ndarray | None = None


class Metric:
    """Base of every metric plugin (one file in `bench/metrics/`, one concrete class).

    Class attributes:
        values: the `Value`s that `compute` can return.
        family: "reconstruction", "coverage", "interpolation", "collapse", "likelihood", "generation", "downstream",
            "disentanglement".
    """

    values: ClassVar[tuple[Value, ...]] = ()
    family: ClassVar[str] = ""

    def compute(self, view: View, rng: np.random.Generator) -> dict[str, Any]:
        """Numbers by value name: a float or array, an `Estimate`, a `Missing` or a `Flagged`.

        Only the values whose needs the view fulfils are expected; others in the dictionary are ignored. A value that is
        neither returned nor excused is reported as a defect of the metric.
        """
        raise NotImplementedError(f"{type(self).__name__} must define compute(view, rng)")
