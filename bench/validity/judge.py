"""What a sweep says of a metric: does it see the degradation, is it blind to it, or is it won by it?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

#: Rank correlation with the strength from which a sweep counts as monotone.
MONOTONE = 0.9
#: Standard errors beyond which a level differs from real data.
SIGMAS = 3.0
#: Differences below this share of a curve's largest value are rounding, whatever the noise.
ROUNDING = 1e-6
SEES, BLIND, WON, UNSTEADY, NO_REFERENCE = "sees", "blind", "won", "unsteady", "without a number"
GAUGE = "gauge"


def rank_correlation(badness: np.ndarray) -> float:
    """Spearman's correlation of badness (n,) with its order; equal values (a score at its worst) keep theirs."""
    rounded = np.where(np.isfinite(badness), np.round(badness, 9), np.inf)
    ranks = np.empty(len(badness))
    ranks[np.argsort(rounded, kind="stable")] = np.arange(len(badness))
    return float(np.corrcoef(ranks, np.arange(len(badness)))[0, 1])


@dataclass(frozen=True)
class Curve:
    """One value over one sweep.

    Attributes:
        name, kind, sweep: of the value and the sweep.
        strengths, values: (n,), real data first.
        noise: standard deviation of what real data score.
        higher_is_better: the direction, declared or as it would be; None with a `target`.
        target: the best value where there is one.
        ranks: whether the value carries marks. claims: the sweeps that it claims to see.
    """

    name: str
    kind: str
    sweep: str
    strengths: np.ndarray
    values: np.ndarray
    noise: float
    higher_is_better: bool | None
    target: float | None
    ranks: bool
    claims: tuple[str, ...]

    @property
    def badness(self) -> np.ndarray:
        """How much worse each level is, in any scale: more is worse; a level without a number is as bad as can be."""
        sign = -1 if self.higher_is_better else 1
        bad = sign * self.values if self.target is None else abs(self.values - self.target)
        return np.where(np.isfinite(bad), bad, np.inf)

    @property
    def verdict(self) -> str:
        """`SEES`: monotone and worse; `BLIND`: nowhere beyond noise; `WON`: somewhere better than real data.

        `NO_REFERENCE`: real data have no number (the likelihood of an error of 0), so nothing can be better or worse.
        """
        bad = self.badness
        if not np.isfinite(bad[0]):
            return NO_REFERENCE
        size = float(np.max(np.abs(self.values[np.isfinite(self.values)])))
        own = self.noise if np.isfinite(self.noise) else 0.0
        # Under other coordinates both numbers are of the same model, and as noisy: their difference is √2 times that.
        noise = SIGMAS * own * (2**0.5 if self.kind == GAUGE else 1.0) + ROUNDING * size + 1e-12
        if bad.min() < bad[0] - noise:
            return WON
        if bad[-1] <= bad[0] + noise:
            return BLIND if bad.max() <= bad[0] + noise else UNSTEADY
        return SEES if rank_correlation(bad) > MONOTONE - 1e-9 else UNSTEADY


@dataclass(frozen=True)
class Judged:
    """A value over all of its sweeps: the verdict of each, and whether it may carry marks."""

    name: str
    kind: str
    verdicts: dict[str, str]
    ranks: bool
    claims: tuple[str, ...]

    @property
    def broken(self) -> list[str]:
        """Why it may not rank anything: sweeps that it is won by, and claims that it does not keep."""
        if self.kind == GAUGE:
            same = (BLIND, NO_REFERENCE)
            return [f"changes under {sweep} codes" for sweep, verdict in self.verdicts.items() if verdict not in same]
        won = [f"won by {sweep}" for sweep, verdict in self.verdicts.items() if verdict == WON]
        missed = [
            f"claims to see {sweep} and is {self.verdicts[sweep]}"
            for sweep in self.claims
            if self.verdicts.get(sweep, SEES) not in (SEES, WON)
        ]
        return won + missed

    @property
    def passes(self) -> bool:
        """Whether real data come first and every claim is kept."""
        return not self.broken


def judged(curves: Sequence[Curve]) -> list[Judged]:
    """Curves put together by value, in their order."""
    found: dict[tuple[str, str], list[Curve]] = {}
    for curve in curves:
        found.setdefault((curve.name, curve.kind), []).append(curve)
    return [
        Judged(name, kind, {curve.sweep: curve.verdict for curve in own}, own[0].ranks, own[0].claims)
        for (name, kind), own in found.items()
    ]
