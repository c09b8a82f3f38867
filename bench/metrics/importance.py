"""Importance-weighted bounds IWAE_K = E ln (1/K) Σₖ p(x, zₖ)/q(zₖ|x) ≤ ln p(x) (Burda et al., arXiv 1509.00519).

On at most 250 held-out images, K up to 5,000; the bounds of smaller K use the same draws in disjoint groups. The
effective sample size (Σw)²/Σw² says whether the bound can be trusted. Never compared across decoder families or s².
The prior bound is eq. 9: E_x E_{z~p₀} ln p(x|z), which a decoder that ignores z maximises.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.contracts.metric import Estimate, Metric, Value, each
from bench.contracts.view import View
from bench.metrics.functional.importance import importance_bounds, log_weights, prior_bound

IMAGES = 250
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
                formula="E ln mean of {k} p(x, z)/q(z|x), 250 held-out images",
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
        Value(
            "iwae_effective_samples",
            "Effective number of the 5000 importance draws, mean over images.",
            None,
            range="[1, 5000]",
            formula="E (sum w)^2 / sum w^2",
            needs=("posterior",),
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

    #: Held-out images that the bounds are averaged over.
    images = IMAGES

    def compute(self, view: View, rng: np.random.Generator) -> dict[str, Any]:
        """All bounds from one set of 5,000 draws per image."""
        results: dict[str, Any] = {}
        x = view.test.x[: self.images]
        if view.lacks("likelihood") is None:
            results["prior_bound"] = Estimate(*prior_bound(view.model, view.test.x, view.latents("prior")))
        if view.lacks("likelihood") is None and view.lacks("posterior") is None:
            weights = log_weights(view.model, x, COUNTS[-1], view.generator("importance"))
            for count, (bound, error) in importance_bounds(weights, COUNTS).items():
                results[f"iwae_{count}"] = Estimate(bound, error)
            share = (weights - weights.max(1, keepdim=True).values).double().exp()
            effective = share.sum(1).square() / share.square().sum(1)
            results["iwae_effective_samples"] = float(effective.mean())
        return results
