"""Precision, recall, density and coverage of decodes in feature spaces (Naeem, arXiv 2002.09797).

k = 5; sources are N(m̂, Σ̂) of the codes, the code mixture and the prior; spaces are the features of the data set's own
classifier, 50 principal components and random convolutions. Real data score density 1 and coverage
1 - Π_{i=1}^{5} (N-i)/(M+N-i), .969 for large N = M. Precision, density and coverage are won by averaging and
recall by noise, so the harmonic mean of the last two alone ranks.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from bench.contracts.metric import Estimate, Flagged, Metric, Missing, Value, each
from bench.contracts.view import View
from bench.metrics.functional.replicated import ALL_SCORES, manifold_of


class FeatureManifold(Metric):
    """Manifold scores in classifier, PCA and random-convolution features."""

    family = "generation"
    values = each(
        Value(
            "precision_{source}_{space}",
            "Share of decodes of {source} inside some held-out ball, {space}.",
            None,
            range="[0, 1]",
            formula="P[y in some B(x)], B(x) reaches to the 5th nearest held-out row",
        ),
        Value(
            "recall_{source}_{space}",
            "Share of held-out data inside the ball of some decode of {source}, {space}.",
            None,
            range="[0, 1]",
            formula="P[x in some B(y)], B(y) reaches to the 5th nearest decode",
        ),
        Value(
            "density_{source}_{space}",
            "Held-out balls that hold a decode of {source}, relative to real data; {space}.",
            None,
            range="[0, inf)",
            formula="E #{x: y in B(x)} / 5; 1 for real data",
        ),
        Value(
            "coverage_{source}_{space}",
            "Share of held-out data with a decode of {source} inside their ball, {space}.",
            None,
            range="[0, 1]",
            formula="P[some decode in B(x)], B(x) reaches to the 5th nearest held-out row",
        ),
        Value(
            "coverage_recall_{source}_{space}",
            "Harmonic mean of coverage and recall of decodes of {source}, {space}.",
            True,
            range="[0, 1]",
            formula="2 coverage recall / (coverage + recall)",
            sees=("averaging", "blur", "classes", "contrast", "duplicates", "shift"),
        ),
        space=("classifier", "pca", "randconv"),
        source=("fit", "mixture", "prior"),
    )

    def compute(self, view: View, rng: np.random.Generator) -> dict[str, Any]:
        """All scores of every source in each space, each space only where it is asked for."""
        return {
            f"{score}_{source}_{space}": partial(_score, view, score, source, space)
            for space in ("classifier", "pca", "randconv")
            for source in dict.fromkeys(("fit", "mixture", "prior", *view.samplers))
            for score in ALL_SCORES
        }


def _score(view: View, score: str, source: str, space: str) -> Estimate | Missing | Flagged:
    return manifold_of(view, space, source)[score]
