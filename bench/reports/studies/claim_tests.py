"""Three verdicts from numbers: supported, contradicted, inconclusive.

A claim is a conjunction of components "the mean of these values, one per seed, is above a threshold". The threshold is
fixed before the data: it is (or contains) the smallest effect of interest, so that "no effect" contradicts a claim as
soon as effects of interest are excluded. Each component is a two-sided t test against its threshold.

Inside a claim the test is intersection-union: it is supported when every component is above its threshold, and its p is
the largest of theirs, without correction, because all must hold. It is contradicted when some component is below, and
its p is then the least of those, times the number of components, because any of them suffices. Holm's adjustment is
over the claims that are judged together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.analysis.stats import CONFIDENCE, LEAST_SEEDS, Interval, holm, mean_interval, paired_p

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
    """A judged claim: its verdict and adjusted p, and each component with its p and side ("above", "below", "open").

    A component's side is what decides in the verdict's direction; its p is that of its own test.
    """

    verdict: str
    parts: tuple[tuple[Component, float, str], ...]
    p: float = np.nan


def judge(claims: Sequence[Sequence[Component]]) -> list[Outcome]:
    """One outcome per claim (a non-empty sequence of components)."""
    own = [[paired_p(_finite(c.values) - c.threshold) for c in components] for components in claims]
    adjusted = holm([_claim_p(components, p) for components, p in zip(claims, own, strict=True)])
    return [_outcome(*entry) for entry in zip(claims, own, adjusted.tolist(), strict=True)]


def _claim_p(components: Sequence[Component], p: Sequence[float]) -> float:
    """p of the only verdict that a claim's components can have; NaN where one of them has no test."""
    if not np.isfinite(p).all() or any(c.interval.n < LEAST_SEEDS for c in components):
        return np.nan
    below = [value for c, value in zip(components, p, strict=True) if c.interval.mean <= c.threshold]
    return min(1.0, len(components) * min(below)) if below else max(p)


def _outcome(components: Sequence[Component], p: Sequence[float], adjusted: float) -> Outcome:
    sure = adjusted < 1 - CONFIDENCE  # False for NaN
    least = min((v for c, v in zip(components, p, strict=True) if not c.interval.mean > c.threshold), default=np.nan)
    parts = []
    for component, value in zip(components, p, strict=True):
        above = component.interval.mean > component.threshold
        shown = sure and (above if np.isnan(least) else not above and value == least)
        parts.append((component, value, ("above" if above else "below") if shown else "open"))
    verdict = "inconclusive" if not sure else "supported" if np.isnan(least) else "contradicted"
    return Outcome(verdict, tuple(parts), adjusted)


def _finite(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, dtype=float)
    return values[np.isfinite(values)]
