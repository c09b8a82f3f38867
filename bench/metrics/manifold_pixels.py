"""Precision and density of decodes in pixel space (Naeem, arXiv 2002.09797), beside the core's coverage and recall.

k = 5. Both reward blur in pixel space, where the mean of the data is near to many data; read them with recall.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.contracts.metric import Metric, Value, each
from bench.contracts.view import View
from bench.metrics.functional.replicated import manifold_of


class PixelManifold(Metric):
    """Precision and density in pixel space."""

    family = "generation"
    values = each(
        Value(
            "precision_{source}",
            "Share of decodes of {source} inside some held-out ball, pixel space.",
            None,
            range="[0, 1]",
            formula="P[y in some B(x)], B(x) reaches to the 5th nearest held-out row",
        ),
        Value(
            "density_{source}",
            "Held-out balls that hold a decode of {source}, relative to real data; pixel space.",
            None,
            range="[0, inf)",
            formula="E #{x: y in B(x)} / 5; 1 for real data",
        ),
        source=("fit", "mixture", "prior"),
    )

    def compute(self, view: View, rng: np.random.Generator) -> dict[str, Any]:
        """Both scores of every source."""
        results: dict[str, Any] = {}
        for source in dict.fromkeys(("fit", "mixture", "prior", *view.samplers)):
            scores = manifold_of(view, "pixels", source)
            results |= {f"{name}_{source}": scores[name] for name in ("precision", "density")}
        return results
