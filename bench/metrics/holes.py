"""Cycle error c(z) = ‖Θ(μ(Θ(z))) - Θ(z)‖²: does a decoded point come back to itself?

Hole fraction H_S = P_{z~S}[c(z) > the 95 % quantile of c at held-out codes] (after Leeb et al., arXiv 2106.16091), with
the threshold at least 1e-3 T. For the prior the threshold is that of c at z ~ q(z|x).
Diversity D_S = tr Cov Θ(z~S) / tr Cov(x).
A constant decoder has no holes and no cycle error, and a pixel cross-fade returns exactly whatever it decodes, so that
neither ranks anybody: they describe, beside the diversity.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.contracts.metric import Metric, Value, each
from bench.contracts.view import View
from bench.metrics.functional.cycles import diversity, hole_fraction, relative_cycle_error


class Holes(Metric):
    """Cycle error, hole fraction and diversity of segment midpoints, N(m̂, Σ̂) and the prior."""

    family = "coverage"
    values = each(
        Value(
            "cycle_error_fit",
            "How far decodes of N(m, S) of the codes move when encoded and decoded again, relative to their variance.",
            None,
            range="[0, inf)",
            formula="E||decode(mu(y)) - y||^2 / tr Cov(y), y = decode(z), z ~ N(m, S)",
            needs=("encode",),
            drawn_from="fit",
            primary=True,
        ),
        Value(
            "cycle_error_prior",
            "How far decodes of the prior move when encoded and decoded again, relative to their variance.",
            None,
            range="[0, inf)",
            formula="E||decode(mu(y)) - y||^2 / tr Cov(y), y = decode(z), z ~ prior",
            needs=("encode", "prior"),
        ),
        *each(
            Value(
                "hole_fraction_seg",
                "Share of midpoints of two held-out codes with a larger cycle error than 95 % of held-out codes.",
                None,
                formula="P[c(z) > q95 of c at held-out codes], z = (a+b)/2",
            ),
            Value(
                "hole_fraction_vp",
                "As hole_fraction_seg, for variance-preserving midpoints; 0.05 for a linear-Gaussian model.",
                None,
                formula="P[c(z) > q95 of c at held-out codes], z = m + ((a-m)+(b-m))/sqrt(2)",
            ),
            Value(
                "hole_fraction_fit",
                "As hole_fraction_seg, for draws from N(m, S) of the codes; 0.05 for a linear-Gaussian model.",
                None,
                formula="P[c(z) > q95 of c at held-out codes], z ~ N(m, S)",
                drawn_from="fit",
            ),
            Value(
                "hole_fraction_prior",
                "Share of prior draws with a larger cycle error than 95 % of posterior draws of held-out data.",
                None,
                formula="P[c(z) > q95 of c at z ~ q(z|x)], z ~ prior",
                needs=("prior",),
            ),
            range="[0, 1]",
            needs=("encode",),
        ),
        *each(
            Value(
                "diversity_{source}",
                "Variance of decodes of {source} relative to that of the data; 0 for a constant decoder.",
                None,
                range="[0, inf)",
                formula="tr Cov(decode(z)) / tr Cov(x), z ~ {source}",
            ),
            source=("fit", "prior"),
        ),
        needs=("decode",),
        core=True,
    )

    def compute(self, view: View, rng: np.random.Generator) -> dict[str, Any]:
        """Every value whose source this model has."""
        results: dict[str, Any] = {f"hole_fraction_{source}": hole_fraction(view, source) for source in ("seg", "vp")}
        for source in ("fit", "prior", *view.samplers):
            results[f"hole_fraction_{source}"] = hole_fraction(view, source)
            results[f"cycle_error_{source}"] = relative_cycle_error(view, source)
            results[f"diversity_{source}"] = diversity(view, source)
        return results
