"""Trustworthiness and continuity of the code (Venna and Kaski 2001; k = 10) on at most 2,000 held-out rows.

T(k) = 1 - 2/(N k (2N-3k-1)) Σᵢ Σ_j max(0, r(i, j) - k) over the k nearest codes j of i, where r(i, j) is the rank of j
among the data's neighbours of i. Continuity exchanges the roles of data and codes. Codes that coincide, as discrete
ones do, are ranked in random order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.contracts.metric import Metric, Missing, Value, each
from bench.contracts.view import View
from bench.metrics.functional.neighbour_ranks import coincide, neighbour_ranks, trustworthiness

ROWS = 2000
K = 10


class Neighbourhood(Metric):
    """How well neighbours in data and in code space agree."""

    family = "downstream"
    values = each(
        Value(
            "trustworthiness",
            "Whether neighbours in code space are neighbours in data space; 1 is best.",
            True,
            formula="1 - 2/(N k (2N - 3k - 1)) sum of data ranks beyond k = 10 of code neighbours",
            sees=("noise",),
            # Good codes lie between .98 and 1, where half a percent is a quarter of all there is.
            smallest_effect=0.002,
        ),
        Value(
            "continuity",
            "Whether neighbours in data space stay neighbours in code space; 1 is best.",
            True,
            formula="1 - 2/(N k (2N - 3k - 1)) sum of code ranks beyond k = 10 of data neighbours",
        ),
        range="[0, 1]",
        needs=("encode",),
        gauge="dependent",
    )

    def compute(self, view: View, rng: np.random.Generator) -> dict[str, Any]:
        """Both from the ranks of all pairs of rows."""
        n = min(len(view.test), ROWS)
        if n < 3 * K + 2:
            few = Missing(f"{n} held-out rows are fewer than {3 * K + 2}", "too_few")
            return {"trustworthiness": few, "continuity": few}
        codes = view.codes("test")[:n]
        for what, rows in (("data", view.test.flat[:n]), ("codes", codes)):
            if float((rows - rows[0]).abs().max()) == 0:
                constant = Missing(f"the {what} are constant, so they have no neighbours")
                return {"trustworthiness": constant, "continuity": constant}
        data_ranks = view.shared.once(("ranks", n), lambda: neighbour_ranks(view.test.flat[:n]))
        code_ranks = neighbour_ranks(codes, view.generator("ties") if coincide(codes) else None)
        return {
            "trustworthiness": trustworthiness(data_ranks, code_ranks, K),
            "continuity": trustworthiness(code_ranks, data_ranks, K),
        }
