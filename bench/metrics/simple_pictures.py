"""Whether the likelihood prefers simple pictures (Nalisnick et al., arXiv 1810.09136) to those it was trained on.

Each held-out picture is compared with two simpler ones made of it, which no data set holds: itself averaged over 3×3
pixels (edges repeated), and one grey of its mean. A density that knew what pictures look like would prefer the picture.
The score is the evidence lower bound with the same noise for each, as `anomaly_auroc_elbo` takes it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from bench.contracts.metric import Metric, Value, each
from bench.contracts.view import View
from bench.metrics.functional.anomaly_scores import elbo

#: Most held-out pictures, of the fixed random order.
MOST = 500


def smoothed(x: Tensor) -> Tensor:
    """Pictures (N, C, H, W) averaged over 3×3 pixels, edges repeated."""
    return F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, stride=1)


def flattened(x: Tensor) -> Tensor:
    """Pictures (N, C, H, W) of one value per channel, their mean."""
    return x.mean((2, 3), keepdim=True).expand_as(x)


class SimplePictures(Metric):
    """How often the evidence lower bound of a simpler picture is higher than that of the picture it was made of."""

    family = "likelihood"
    values = each(
        Value(
            "elbo_prefers_{simple}",
            "Share of held-out pictures whose evidence lower bound is below that of {simple}; half for ties.",
            None,
            formula="P[ELBO({simple}) > ELBO(x)]",
        ),
        simple={
            "smooth": ("their 3×3 average", "3×3 average of x"),
            "constant": ("one grey of their mean", "mean of x"),
        },
        range="[0, 1]",
        needs=("images", "posterior", "prior", "likelihood"),
    )

    def compute(self, view: View, rng: np.random.Generator) -> dict[str, Any]:
        """Both shares."""
        x = view.test.x[:MOST]
        own = elbo(view, x)

        def share(simple: Tensor) -> float:
            found = elbo(view, simple)  # negative: lower is likelier
            return float((found < own).double().mean() + 0.5 * (found == own).double().mean())

        return {"elbo_prefers_smooth": share(smoothed(x)), "elbo_prefers_constant": share(flattened(x))}
