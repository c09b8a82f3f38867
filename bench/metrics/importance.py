"""Importance-weighted bounds IWAE_K = E ln (1/K) Σₖ p(x, zₖ)/q(zₖ|x) ≤ ln p(x) (Burda et al., arXiv 1509.00519).

K up to 5,000; the bounds of smaller K use the same draws in disjoint groups. Every likelihood here and the annealed one
are averaged over the same held-out rows: all of them where that is cheap (up to 500 rows, and 2²⁹ decoded numbers at
5,000 draws a row), else that many of a fixed random order, or as many as `--likelihood-rows` says. `likelihood_rows` is
their number; iwae_1 is the ELBO of those rows, and gaps are paired row by row. The effective sample size (Σw)²/Σw² says
whether the bound can be trusted. Never compared across decoder families or s².
The prior bound is eq. 9: E_x E_{z~p₀} ln p(x|z), which a decoder that ignores z maximises.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.contracts.metric import Estimate, Metric, Value, each
from bench.contracts.view import View
from bench.metrics.functional.importance import log_weights, mean_of_rows, prior_bound, row_bounds, row_gaps

COUNTS = (1, 10, 100, 1000, 5000)
#: Without a wish: so many rows in any case, and so many decoded numbers (500 MNIST images take four times as many).
LEAST_ROWS, CHEAP_NUMBERS = 500, 2**29
#: Rows whose weights are held at a time; a multiple of the rows that are decoded at a time.
_BLOCK = 512


def likelihood_x(view: View) -> Tensor:
    """The held-out rows that the likelihoods of this page and the annealed one are averaged over, (N, *data_shape)."""
    wanted = view.shared.likelihood_rows
    if wanted == "auto":
        wanted = max(LEAST_ROWS, CHEAP_NUMBERS // (COUNTS[-1] * view.dimension))
    return view.test.x if wanted == "all" else view.test.x[:wanted]


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
            formula="min(test rows, --likelihood-rows)",
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

    def compute(self, view: View, rng: np.random.Generator) -> dict[str, Any]:
        """All bounds from one set of 5,000 draws per row."""
        x = likelihood_x(view)
        results: dict[str, Any] = {"likelihood_rows": float(len(x))}
        if view.lacks("likelihood") is None:
            results["prior_bound"] = Estimate(*prior_bound(view.model, x, view.latents("prior")))
        if view.lacks("likelihood") is None and view.lacks("posterior") is None:
            generator = view.generator("importance")
            parts = [_of_rows(log_weights(view.model, rows, COUNTS[-1], generator)) for rows in x.split(_BLOCK)]
            bounds = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
            results |= {name: Estimate(*mean_of_rows(*bounds[name].T)) for name in bounds if name != "effective"}
            results |= _effective_samples(bounds["effective"].cpu().numpy())
        return results


def _of_rows(weights: Tensor) -> dict[str, Tensor]:
    """Every bound and its variance, (N, 2), and the effective sample size, (N,), of rows with ln w (N, S)."""
    found = {f"iwae_{count}": torch.stack(row_bounds(weights, count), 1) for count in COUNTS}
    found["iwae_gap_100"] = torch.stack(row_gaps(weights, 1, 100), 1)
    share = (weights - weights.max(1, keepdim=True).values).double().exp()
    return found | {"effective": share.sum(1).square() / share.square().sum(1)}


def _effective_samples(effective: np.ndarray) -> dict[str, float]:
    """Mean, minimum and quantiles over rows of (Σw)²/Σw² (N,)."""
    found = {
        "": effective.mean(),
        "_min": effective.min(),
        "_q10": np.quantile(effective, 0.1),
        "_median": np.median(effective),
    }
    return {f"iwae_effective_samples{suffix}": float(value) for suffix, value in found.items()}
