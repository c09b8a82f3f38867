"""Ex-post density: latent coverage of a 10-component Gaussian mixture fitted to the codes (Ghosh, arXiv 1903.12436).

The same scores as for N(m̂, Σ̂) and the prior; the mixture is fitted to whitened codes of training data.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.contracts.metric import Metric, Value, each
from bench.contracts.view import View
from bench.metrics.functional.cycles import diversity, hole_fraction, relative_cycle_error
from bench.metrics.functional.replicated import manifold_of


class Mixture(Metric):
    """Coverage, recall, cycle error, holes and diversity of decodes of a mixture fitted to the codes."""

    family = "coverage"
    values = each(
        Value(
            "coverage_mixture",
            "Share of held-out data with a decode of the code mixture inside their 5-neighbour ball, pixel space.",
            None,
            range="[0, 1]",
            formula="P[some decode in B(x)], B(x) reaches to the 5th nearest held-out row",
        ),
        Value(
            "recall_mixture",
            "Share of held-out data inside the 5-neighbour ball of some decode of the code mixture, pixel space.",
            None,
            range="[0, 1]",
            formula="P[x in some B(y)], B(y) reaches to the 5th nearest decode",
        ),
        Value(
            "coverage_recall_mixture",
            "Harmonic mean of coverage_mixture and recall_mixture.",
            True,
            range="[0, 1]",
            formula="2 coverage recall / (coverage + recall)",
            sees=("averaging", "blur", "classes", "contrast", "duplicates", "noise", "shift"),
        ),
        Value(
            "cycle_error_mixture",
            "How far decodes of the code mixture move when encoded and decoded again, relative to their variance.",
            None,
            range="[0, inf)",
            formula="E||decode(mu(y)) - y||^2 / tr Cov(y), y = decode(z), z ~ mixture",
        ),
        Value(
            "hole_fraction_mixture",
            "As hole_fraction_fit, for draws from a 10-component Gaussian mixture fitted to the codes.",
            None,
            range="[0, 1]",
            formula="P[c(z) > q95 of c at held-out codes], z ~ mixture",
        ),
        Value(
            "diversity_mixture",
            "Variance of decodes of the code mixture relative to that of the data.",
            None,
            range="[0, inf)",
            formula="tr Cov(decode(z)) / tr Cov(x), z ~ mixture",
        ),
        needs=("encode", "decode"),
        drawn_from="mixture",
    )

    def compute(self, view: View, rng: np.random.Generator) -> dict[str, Any]:
        """Every value of the mixture."""
        scores = manifold_of(view, "pixels", "mixture")
        return {
            "coverage_mixture": scores["coverage"],
            "recall_mixture": scores["recall"],
            "coverage_recall_mixture": scores["coverage_recall"],
            "cycle_error_mixture": relative_cycle_error(view, "mixture"),
            "hole_fraction_mixture": hole_fraction(view, "mixture"),
            "diversity_mixture": diversity(view, "mixture"),
        }
