"""Diagnosis of coverage: do decodes of a latent source cover held-out data, and do they spread as far?

Coverage and recall (Naeem et al., arXiv 2002.09797; k = 5) of decodes of N(m̂, Σ̂) and of the prior against held-out data
in pixel space, and their harmonic mean. Either alone misleads and ranks nobody: averages of images cover more than real
images do, and noise is recalled more. Beside them stands what real validation rows score; what exceeds that is flagged.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.contracts.metric import Metric, Value, each
from bench.contracts.view import View
from bench.metrics.functional.replicated import manifold_of, real_scores

DIAGNOSIS = ("coverage", "recall", "coverage_recall")


class Coverage(Metric):
    """Coverage and recall in pixel space; as many decodes as held-out rows, averaged over replicates."""

    family = "coverage"
    values = each(
        *each(
            Value(
                "coverage_{source}",
                "Share of held-out data with a decode of {source} inside their 5-neighbour ball, pixel space.",
                None,
                formula="P[some decode in B(x)], B(x) reaches to the 5th nearest held-out row",
            ),
            Value(
                "recall_{source}",
                "Share of held-out data inside the 5-neighbour ball of some decode of {source}, pixel space.",
                None,
                formula="P[x in some B(y)], B(y) reaches to the 5th nearest decode",
            ),
            Value(
                "coverage_recall_{source}",
                "Harmonic mean of coverage and recall of decodes of {source}, which must cover and span the data.",
                True,
                formula="2 coverage recall / (coverage + recall)",
                sees=("averaging", "blur", "classes", "contrast", "duplicates", "noise", "shift"),
                # Coverage and recall of two samples of 2,000 real MNIST rows differ by .014 and .010.
                smallest_effect=0.02,
            ),
            source=("fit", "prior"),
        ),
        *each(
            Value("{score}_real", "{score} of real validation rows, which no model should beat.", None),
            score={
                "coverage": ("Coverage", "as coverage_fit"),
                "recall": ("Recall", "as recall_fit"),
                "coverage_recall": ("Harmonic mean of coverage and recall", "as coverage_recall_fit"),
            },
            formula="{score}, of validation rows",
        ),
        range="[0, 1]",
        core=True,
    )

    def compute(self, view: View, rng: np.random.Generator) -> dict[str, Any]:
        """Scores of every source and of real data."""
        real = real_scores(view)
        results: dict[str, Any] = {f"{name}_real": real[name] for name in DIAGNOSIS}
        for source in ("fit", "prior", *view.samplers):
            scores = manifold_of(view, "pixels", source)
            results |= {f"{name}_{source}": scores[name] for name in DIAGNOSIS}
        return results
