"""Latent coverage, the headline: do decodes of a latent source cover held-out data, and do they spread as far?

Coverage and recall (Naeem et al., arXiv 2002.09797; k = 5) of decodes of N(m̂, Σ̂) and of the prior against held-out data
in pixel space. Either alone misleads: a blurred model can cover, a collapsed one has no recall.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.contracts.metric import Metric, Value, each
from bench.contracts.view import View
from bench.metrics.functional.replicated import manifold_of


class Coverage(Metric):
    """Coverage and recall in pixel space; as many decodes as held-out rows, averaged over replicates."""

    family = "coverage"
    values = each(
        Value(
            "coverage_{source}",
            "Share of held-out data with a decode of {source} inside their 5-neighbour ball, pixel space.",
            True,
            formula="P[some decode in B(x)], B(x) reaches to the 5th nearest held-out row",
        ),
        Value(
            "recall_{source}",
            "Share of held-out data inside the 5-neighbour ball of some decode of {source}, pixel space.",
            True,
            formula="P[x in some B(y)], B(y) reaches to the 5th nearest decode",
        ),
        source=("fit", "prior"),
        range="[0, 1]",
        core=True,
        primary=True,
    )

    def compute(self, view: View, rng: np.random.Generator) -> dict[str, Any]:
        """Coverage and recall of both sources."""
        results: dict[str, Any] = {}
        for source in ("fit", "prior"):
            scores = manifold_of(view, "pixels", source)
            results |= {f"{name}_{source}": scores[name] for name in ("coverage", "recall")}
        return results
