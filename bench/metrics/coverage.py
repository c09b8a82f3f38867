"""Diagnosis of coverage: do decodes of a latent source cover held-out data, and do they spread as far?

Coverage and recall (Naeem et al., arXiv 2002.09797; k = 5) of decodes of N(m̂, Σ̂) and of the prior against held-out data
in pixel space, and their harmonic mean. Either alone misleads and ranks nobody: averages of images cover more than real
images do, and noise is recalled more. Beside them stands what real validation rows score; what exceeds that is flagged.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.contracts.metric import Metric, Value
from bench.evaluate.model_view import View
from bench.metrics.functional.replicated import pixel_scores, real_scores

DIAGNOSIS = ("coverage", "recall", "coverage_recall")
#: Degradations of real data that lower the harmonic mean, on digits and on MNIST.
SEES = ("averaging", "blur", "noise", "classes", "contrast", "duplicates", "shift")


class Coverage(Metric):
    """Coverage and recall in pixel space; as many decodes as held-out rows, averaged over replicates."""

    family = "coverage"
    values = (
        Value(
            "coverage_fit",
            "Share of held-out data with a decode of N(m, S) of the codes inside their 5-neighbour ball, pixel space.",
            None,
            range="[0, 1]",
            formula="P[some decode in B(x)], B(x) reaches to the 5th nearest held-out row",
            needs=("encode", "decode"),
            core=True,
        ),
        Value(
            "recall_fit",
            "Share of held-out data inside the 5-neighbour ball of some decode of N(m, S) of the codes, pixel space.",
            None,
            range="[0, 1]",
            formula="P[x in some B(y)], B(y) reaches to the 5th nearest decode",
            needs=("encode", "decode"),
            core=True,
        ),
        Value(
            "coverage_prior",
            "Share of held-out data with a decode of the prior inside their 5-neighbour ball, pixel space.",
            None,
            range="[0, 1]",
            formula="P[some decode in B(x)], B(x) reaches to the 5th nearest held-out row",
            needs=("decode", "prior"),
            gauge="dependent",
            core=True,
        ),
        Value(
            "recall_prior",
            "Share of held-out data inside the 5-neighbour ball of some decode of the prior, pixel space.",
            None,
            range="[0, 1]",
            formula="P[x in some B(y)], B(y) reaches to the 5th nearest decode",
            needs=("decode", "prior"),
            gauge="dependent",
            core=True,
        ),
        Value(
            "coverage_recall_fit",
            "Harmonic mean of coverage_fit and recall_fit: samples must cover and span the data.",
            True,
            range="[0, 1]",
            formula="2 coverage recall / (coverage + recall)",
            needs=("encode", "decode"),
            core=True,
            sees=SEES,
        ),
        Value(
            "coverage_recall_prior",
            "Harmonic mean of coverage_prior and recall_prior: samples must cover and span the data.",
            True,
            range="[0, 1]",
            formula="2 coverage recall / (coverage + recall)",
            needs=("decode", "prior"),
            gauge="dependent",
            core=True,
            sees=SEES,
        ),
        Value(
            "coverage_real",
            "Coverage of held-out data by as many real validation rows: what no model should beat.",
            None,
            range="[0, 1]",
            formula="as coverage_fit, of validation rows",
            core=True,
        ),
        Value(
            "recall_real",
            "Recall of held-out data by as many real validation rows: what no model should beat.",
            None,
            range="[0, 1]",
            formula="as recall_fit, of validation rows",
            core=True,
        ),
        Value(
            "coverage_recall_real",
            "Harmonic mean of coverage and recall of real validation rows: what no model should beat.",
            None,
            range="[0, 1]",
            formula="as coverage_recall_fit, of validation rows",
            core=True,
        ),
    )

    def compute(self, view: View, rng: np.random.Generator) -> dict[str, Any]:
        """Scores of both sources and of real data."""
        real = real_scores(view)
        results: dict[str, Any] = {f"{name}_real": real[name] for name in DIAGNOSIS}
        for source in ("fit", "prior"):
            scores = pixel_scores(view, source)
            results |= {f"{name}_{source}": scores[name] for name in DIAGNOSIS}
        return results
