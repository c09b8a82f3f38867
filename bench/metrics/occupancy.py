"""Occupancy of a two-dimensional code: the share of 32 × 32 cells of equal prior probability that held-out codes visit.

Codes that follow the prior N(0, I) visit 1 - (1 - 1/B)^N of B cells with N draws.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.contracts.metric import Metric, Missing, Value, each
from bench.contracts.view import View
from bench.metrics.functional.aggregate import is_standard_normal
from bench.metrics.functional.occupancy import occupancy, occupancy_null

SIDE = 32


class Occupancy(Metric):
    """Share of the prior's plane that posterior draws of held-out data visit."""

    family = "coverage"
    values = each(
        Value(
            "occupancy",
            "Share of 32 by 32 equally probable cells that posterior draws of held-out data visit; L = 2 only.",
            None,
            formula="visited cells / 1024",
        ),
        Value(
            "occupancy_null",
            "What occupancy is, in expectation, when the draws follow the prior.",
            None,
            formula="1 - (1 - 1/1024)^N",
        ),
        range="[0, 1]",
        needs=("encode", "prior", "plane"),
    )

    def compute(self, view: View, rng: np.random.Generator) -> dict[str, Any]:
        """Occupancy and its null."""
        if not is_standard_normal(view.model.prior(), view.latent_dim):
            return dict.fromkeys(("occupancy", "occupancy_null"), Missing("the prior is not N(0, I)"))
        codes = view.sample_codes("test") if view.lacks("posterior") is None else view.codes("test")
        return {"occupancy": occupancy(codes, SIDE), "occupancy_null": occupancy_null(len(codes), SIDE**2)}
