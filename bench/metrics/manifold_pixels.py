"""Precision and density of decodes in pixel space (Naeem, arXiv 2002.09797), beside the core's coverage and recall.

k = 5. Both reward blur in pixel space, where the mean of the data is near to many data; read them with recall.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.contracts.metric import Metric, Value
from bench.evaluate.model_view import View
from bench.metrics.functional.replicated import pixel_scores


class PixelManifold(Metric):
    """Precision and density in pixel space."""

    family = "generation"
    values = (
        Value(
            "precision_fit",
            "Share of decodes of N(m, S) of the codes inside some held-out ball, pixel space.",
            True,
            range="[0, 1]",
            formula="P[y in some B(x)], B(x) reaches to the 5th nearest held-out row",
            needs=("encode", "decode"),
        ),
        Value(
            "density_fit",
            "Held-out balls that hold a decode of N(m, S) of the codes, relative to real data; pixel space.",
            True,
            range="[0, inf)",
            formula="E #{x: y in B(x)} / 5; 1 for real data",
            needs=("encode", "decode"),
        ),
        Value(
            "precision_mixture",
            "Share of decodes of the code mixture inside some held-out ball, pixel space.",
            True,
            range="[0, 1]",
            formula="P[y in some B(x)], B(x) reaches to the 5th nearest held-out row",
            needs=("encode", "decode"),
        ),
        Value(
            "density_mixture",
            "Held-out balls that hold a decode of the code mixture, relative to real data; pixel space.",
            True,
            range="[0, inf)",
            formula="E #{x: y in B(x)} / 5; 1 for real data",
            needs=("encode", "decode"),
        ),
        Value(
            "precision_prior",
            "Share of decodes of the prior inside some held-out ball, pixel space.",
            True,
            range="[0, 1]",
            formula="P[y in some B(x)], B(x) reaches to the 5th nearest held-out row",
            needs=("decode", "prior"),
            gauge="dependent",
        ),
        Value(
            "density_prior",
            "Held-out balls that hold a decode of the prior, relative to real data; pixel space.",
            True,
            range="[0, inf)",
            formula="E #{x: y in B(x)} / 5; 1 for real data",
            needs=("decode", "prior"),
            gauge="dependent",
        ),
    )

    def compute(self, view: View, rng: np.random.Generator) -> dict[str, Any]:
        """Both scores of all three sources."""
        results: dict[str, Any] = {}
        for source in ("fit", "mixture", "prior"):
            scores = pixel_scores(view, source)
            results |= {f"{name}_{source}": scores[name] for name in ("precision", "density")}
        return results
