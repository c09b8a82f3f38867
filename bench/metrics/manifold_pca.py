"""Precision, recall, density and coverage of decodes in 50 principal components (Naeem, arXiv 2002.09797).

k = 5; sources are N(m̂, Σ̂) of the codes, the code mixture and the prior. Real data score density 1 and coverage
1 - Π_{i=1}^{5} (N-i)/(M+N-i), .969 for large N = M.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.contracts.metric import Metric, Value
from bench.evaluate.model_view import View
from bench.metrics.functional.replicated import space_scores


class PcaManifold(Metric):
    """Manifold scores in 50 principal components."""

    family = "generation"
    values = (
        Value(
            "precision_fit_pca",
            "Share of decodes of N(m, S) of the codes inside some held-out ball, PCA features.",
            True,
            range="[0, 1]",
            formula="P[y in some B(x)], B(x) reaches to the 5th nearest held-out row",
            needs=("encode", "decode"),
        ),
        Value(
            "recall_fit_pca",
            "Share of held-out data inside the ball of some decode of N(m, S) of the codes, PCA features.",
            True,
            range="[0, 1]",
            formula="P[x in some B(y)], B(y) reaches to the 5th nearest decode",
            needs=("encode", "decode"),
        ),
        Value(
            "density_fit_pca",
            "Held-out balls that hold a decode of N(m, S) of the codes, relative to real data; PCA features.",
            True,
            range="[0, inf)",
            formula="E #{x: y in B(x)} / 5; 1 for real data",
            needs=("encode", "decode"),
        ),
        Value(
            "coverage_fit_pca",
            "Share of held-out data with a decode of N(m, S) of the codes inside their ball, PCA features.",
            True,
            range="[0, 1]",
            formula="P[some decode in B(x)], B(x) reaches to the 5th nearest held-out row",
            needs=("encode", "decode"),
        ),
        Value(
            "precision_mixture_pca",
            "Share of decodes of the code mixture inside some held-out ball, PCA features.",
            True,
            range="[0, 1]",
            formula="P[y in some B(x)], B(x) reaches to the 5th nearest held-out row",
            needs=("encode", "decode"),
        ),
        Value(
            "recall_mixture_pca",
            "Share of held-out data inside the ball of some decode of the code mixture, PCA features.",
            True,
            range="[0, 1]",
            formula="P[x in some B(y)], B(y) reaches to the 5th nearest decode",
            needs=("encode", "decode"),
        ),
        Value(
            "density_mixture_pca",
            "Held-out balls that hold a decode of the code mixture, relative to real data; PCA features.",
            True,
            range="[0, inf)",
            formula="E #{x: y in B(x)} / 5; 1 for real data",
            needs=("encode", "decode"),
        ),
        Value(
            "coverage_mixture_pca",
            "Share of held-out data with a decode of the code mixture inside their ball, PCA features.",
            True,
            range="[0, 1]",
            formula="P[some decode in B(x)], B(x) reaches to the 5th nearest held-out row",
            needs=("encode", "decode"),
        ),
        Value(
            "precision_prior_pca",
            "Share of decodes of the prior inside some held-out ball, PCA features.",
            True,
            range="[0, 1]",
            formula="P[y in some B(x)], B(x) reaches to the 5th nearest held-out row",
            needs=("decode", "prior"),
            gauge="dependent",
        ),
        Value(
            "recall_prior_pca",
            "Share of held-out data inside the ball of some decode of the prior, PCA features.",
            True,
            range="[0, 1]",
            formula="P[x in some B(y)], B(y) reaches to the 5th nearest decode",
            needs=("decode", "prior"),
            gauge="dependent",
        ),
        Value(
            "density_prior_pca",
            "Held-out balls that hold a decode of the prior, relative to real data; PCA features.",
            True,
            range="[0, inf)",
            formula="E #{x: y in B(x)} / 5; 1 for real data",
            needs=("decode", "prior"),
            gauge="dependent",
        ),
        Value(
            "coverage_prior_pca",
            "Share of held-out data with a decode of the prior inside their ball, PCA features.",
            True,
            range="[0, 1]",
            formula="P[some decode in B(x)], B(x) reaches to the 5th nearest held-out row",
            needs=("decode", "prior"),
            gauge="dependent",
        ),
    )

    def compute(self, view: View, rng: np.random.Generator) -> dict[str, Any]:
        """All four scores of all three sources."""
        return space_scores(view, "pca")
