"""Importance-weighted bounds IWAE_K = E ln (1/K) Σₖ p(x, zₖ)/q(zₖ|x) ≤ ln p(x) (Burda et al., arXiv 1509.00519).

K up to 5,000; the bounds of smaller K use the same draws in disjoint groups. Every likelihood here and the annealed one
are averaged over the same held-out rows: all of them, or the first 500 of a fixed random order (`likelihood_rows` says
how many); iwae_1 is the ELBO of those rows, and gaps are paired row by row. The effective sample size (Σw)²/Σw² says
whether the bound can be trusted. Never compared across decoder families or s².
The prior bound is eq. 9: E_x E_{z~p₀} ln p(x|z), which a decoder that ignores z maximises.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from bench.contracts.metric import Estimate, Metric, Value, each
from bench.contracts.view import View
from bench.metrics.functional.importance import importance_bounds, log_weights, paired_gap, prior_bound

#: Most held-out rows of a likelihood.
ROWS = 500
COUNTS = (1, 10, 100, 1000, 5000)


class Importance(Metric):
    """Importance-weighted lower bounds of ln p(x) with effective sample size, and the bound of eq. 9."""

    family = "likelihood"
    values = each(
        *each(
            Value(
                "iwae_{k}",
                "Importance-weighted lower bound of the log-likelihood with {k} from the posterior.",
                True,
                unit="nats",
                formula="E ln mean of {k} p(x, z)/q(z|x)",
            ),
            k={
                "1": ("1 draw", "1 weight"),
                "10": ("10 draws", "10 weights"),
                "100": ("100 draws", "100 weights"),
                "1000": ("1000 draws", "1000 weights"),
                "5000": ("5000 draws", "5000 weights"),
            },
            needs=("posterior",),
        ),
        *each(
            Value("iwae_effective_samples{over}", "Effective number of the 5000 importance draws, {over}.", None),
            over={
                "": ("mean over rows", "mean"),
                "_min": ("at the row where it is least", "minimum"),
                "_q10": ("10 % quantile over rows", "10 % quantile"),
                "_median": ("median over rows", "median"),
            },
            range="[1, 5000]",
            formula="{over} of (sum w)^2 / sum w^2",
            needs=("posterior",),
        ),
        Value(
            "iwae_gap_100",
            "How much the bound rises from 1 to 100 draws, paired row by row: what the posterior's family loses.",
            None,
            unit="nats",
            range="[0, inf)",
            formula="E[iwae_100(x) - iwae_1(x)]",
            needs=("posterior",),
        ),
        Value(
            "likelihood_rows",
            "Held-out rows over which the importance-weighted and annealed likelihoods are averaged.",
            None,
            unit="rows",
            formula="min(test rows, 500)",
        ),
        Value(
            "prior_bound",
            "Mean log-likelihood of held-out data under codes drawn from the prior (eq. 9).",
            None,
            unit="nats",
            formula="E_x E_z ln p(x|z), z ~ prior",
        ),
        needs=("prior", "likelihood"),
    )

    #: Most held-out rows that the bounds are averaged over.
    rows = ROWS

    def compute(self, view: View, rng: np.random.Generator) -> dict[str, Any]:
        """All bounds from one set of 5,000 draws per row."""
        x = view.test.x[: self.rows]
        results: dict[str, Any] = {"likelihood_rows": float(len(x))}
        if view.lacks("likelihood") is None:
            results["prior_bound"] = Estimate(*prior_bound(view.model, x, view.latents("prior")))
        if view.lacks("likelihood") is None and view.lacks("posterior") is None:
            weights = log_weights(view.model, x, COUNTS[-1], view.generator("importance"))
            for count, (bound, error) in importance_bounds(weights, COUNTS).items():
                results[f"iwae_{count}"] = Estimate(bound, error)
            results["iwae_gap_100"] = Estimate(*paired_gap(weights, 1, 100))
            results |= _effective_samples(weights)
        return results


def _effective_samples(weights: Tensor) -> dict[str, float]:
    """Mean, minimum and quantiles over rows of (Σw)²/Σw², from ln w (N, S)."""
    share = (weights - weights.max(1, keepdim=True).values).double().exp()
    effective = (share.sum(1).square() / share.square().sum(1)).cpu().numpy()
    found = {
        "": effective.mean(),
        "_min": effective.min(),
        "_q10": np.quantile(effective, 0.1),
        "_median": np.median(effective),
    }
    return {f"iwae_effective_samples{suffix}": float(value) for suffix, value in found.items()}
