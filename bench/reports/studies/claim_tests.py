"""Three verdicts from numbers: supported, contradicted, inconclusive.

A claim is a conjunction of components "the mean of these values, one per seed, is above a threshold". The threshold is
fixed before the data: it is (or contains) the smallest effect of interest, so that "no effect" contradicts a claim as
soon as effects of interest are excluded. Each component is a two-sided t test against its threshold; Holm's adjustment
is over all components of all claims that are judged together. A claim is supported when every component is shown to be
above its threshold, contradicted when some component is shown to be below, and inconclusive otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.analysis.stats import CONFIDENCE, Interval, holm, mean_interval, paired_p

VERDICTS = ("supported", "contradicted", "inconclusive")


@dataclass(frozen=True)
class Component:
    """One condition: mean(values) > threshold.

    Attributes:
        text: what the values are, e.g. "AE - VAE, hole_fraction_vp".
        values: (n,), one per seed. threshold: in the same unit. scale: the smallest effect of interest, for figures.
    """

    text: str
    values: np.ndarray
    threshold: float
    scale: float

    @property
    def interval(self) -> Interval:
        """Mean with its 95 % t interval over seeds."""
        return mean_interval(self.values)


@dataclass(frozen=True)
class Outcome:
    """A judged claim: its verdict, and each component with its adjusted p and side ("above", "below", "open")."""

    verdict: str
    parts: tuple[tuple[Component, float, str], ...]


def judge(claims: Sequence[Sequence[Component]]) -> list[Outcome]:
    """One outcome per claim (a non-empty sequence of components)."""
    flat = [component for components in claims for component in components]
    adjusted = iter(holm([paired_p(_finite(c.values) - c.threshold) for c in flat]))
    outcomes = []
    for components in claims:
        parts = tuple(
            (c, p, _side(c, p)) for c, p in zip(components, [float(next(adjusted)) for _ in components], strict=True)
        )
        sides = {side for _, _, side in parts}
        verdict = "contradicted" if "below" in sides else "supported" if sides == {"above"} else "inconclusive"
        outcomes.append(Outcome(verdict, parts))
    return outcomes


def _side(component: Component, p: float) -> str:
    if not p < 1 - CONFIDENCE:
        return "open"
    return "above" if component.interval.mean > component.threshold else "below"


def _finite(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, dtype=float)
    return values[np.isfinite(values)]
