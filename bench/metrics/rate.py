"""The rate of a code: how many nats it takes to send the codes of held-out data, for rate-distortion plots.

With a posterior and a prior E KL(q(z|x) ‖ p₀) (Alemi et al. 2018, arXiv 1711.00464); for codes from a finite set
without them the entropy of the codes' frequencies, with the correction of Miller (1955) for the K codes seen in N rows:
Ĥ + (K-1)/(2N).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.contracts.metric import Metric, Missing, Value
from bench.contracts.view import View

#: Rows per distinct code below which frequencies say little about their entropy.
LEAST_ROWS_PER_CODE = 2


class Rate(Metric):
    """What a code costs, in nats."""

    family = "likelihood"
    values = (
        Value(
            "rate",
            "Nats that the code of a held-out datum costs: KL from the prior, or the entropy of discrete codes.",
            None,
            unit="nats",
            range="[0, inf)",
            formula="E KL(q(z|x) || p0); of discrete codes H of their frequencies + (K - 1) / (2N)",
            gauge="dependent",
        ),
    )

    def compute(self, view: View, rng: np.random.Generator) -> dict[str, Any]:
        """Of every held-out row, or of at most 10,000 discrete codes."""
        if view.has("posterior") and view.has("prior"):
            return {"rate": float(view.kl("test")[0].double().mean())}
        if view.has("encode") and view.model.discrete:
            return {"rate": _entropy(view.codes("test"))}
        return {"rate": Missing("the variant has neither posterior and prior nor discrete codes")}


def _entropy(codes: Tensor) -> float | Missing:
    """Entropy in nats of the frequencies of codes (N, L), Miller-Madow corrected."""
    counts = torch.unique(codes, dim=0, return_counts=True)[1].double()
    n, distinct = float(counts.sum()), len(counts)
    if n < LEAST_ROWS_PER_CODE * distinct:
        return Missing(f"{n:.0f} held-out rows have {distinct} distinct codes: too few to see their entropy", "too_few")
    shares = counts / n
    return float(-(shares * shares.log()).sum()) + (distinct - 1) / (2 * n)
