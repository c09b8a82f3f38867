"""Functional rank: how many code directions the decoder makes use of, in units that no change of gauge affects.

exp(entropy) of the normalised eigenvalues of Σ_z G with G = E[JᵀJ], J the decoder's Jacobian at 512 held-out codes.
For the linear VAE's optimum the eigenvalues are ℓⱼ-s² with the aggregate posterior's Σ_z, and (ℓⱼ-s²)²/ℓⱼ with that of
the means.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.contracts.metric import Metric, Missing, Value, each
from bench.contracts.view import View
from bench.metrics.functional.aggregate import aggregate_moments
from bench.metrics.functional.effective_rank import effective_rank, pullback_metric

POINTS = 512
LARGEST_CODE = 256


class FunctionalRank(Metric):
    """Effective number of code directions that change what is decoded."""

    family = "coverage"
    values = each(
        Value(
            "functional_rank",
            "Effective number of code directions that change the decoded data, weighed by the codes' covariance.",
            None,
            formula="exp(entropy of the eigenvalues of Cov(mu) E[J'J])",
        ),
        Value(
            "functional_rank_aggregate",
            "As functional_rank, with the covariance of posterior draws instead of means.",
            None,
            formula="exp(entropy of the eigenvalues of Cov(z) E[J'J]), z ~ q(z|x)",
            needs=("posterior",),
        ),
        unit="dims",
        range="[1, L]",
        needs=("encode", "decode", "euclidean"),
    )

    def compute(self, view: View, rng: np.random.Generator) -> dict[str, Any]:
        """Both ranks from one set of Jacobians."""
        names = ("functional_rank", "functional_rank_aggregate")
        if view.latent_dim > LARGEST_CODE:
            return dict.fromkeys(names, Missing(f"the code has more than {LARGEST_CODE} dimensions"))
        codes = view.codes("train")
        if len(codes) < 2:
            return dict.fromkeys(names, Missing("fewer than two training rows", "too_few"))
        pullback = pullback_metric(view.model.decode, view.codes("test")[:POINTS])  # (L, L)
        still = Missing("the decoder does not change with the code")
        results = {"functional_rank": effective_rank(codes.double().T.cov(), pullback) or still}
        if view.lacks("posterior") is None:
            results["functional_rank_aggregate"] = (
                effective_rank(aggregate_moments(view, "train")[1], pullback) or still
            )
        return results
