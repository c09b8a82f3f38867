"""Does the aggregate posterior have the prior's second moment? m_j = E[σ_j²] + E[μ_j²] is 1 for N(0, I), as at a
stationary point of eq. 4 in the scale of a code dimension: ∂/∂c of the KL term at z_j → c z_j vanishes where m_j = 1.

It is about means over the data, in each dimension; medians of σ do not satisfy it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.contracts.metric import Metric, Missing, Value
from bench.contracts.view import View
from bench.metrics.functional.aggregate import is_standard_normal


class SecondMoment(Metric):
    """How far the aggregate posterior's second moment is from 1, over dimensions."""

    family = "collapse"
    values = (
        Value(
            "second_moment_error",
            "Mean over code dimensions of how far the second moment of the aggregate posterior is from the prior's 1.",
            None,
            range="[0, inf)",
            formula="mean_j |E[sigma_j^2] + E[mu_j^2] - 1|, held-out data",
            needs=("posterior", "prior"),
            gauge="dependent",
        ),
    )

    def compute(self, view: View, rng: np.random.Generator) -> dict[str, Any]:
        """Of the held-out rows."""
        if not is_standard_normal(view.model.prior(), view.latent_dim):
            return {"second_moment_error": Missing("the prior is not N(0, I)")}
        means, variances = view.posterior_moments("test")
        moment = (variances.double() + means.double().square()).mean(0)
        return {"second_moment_error": float((moment - 1).abs().mean())}
