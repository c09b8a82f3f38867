"""Annealed importance sampling (Neal 2001; Wu et al., arXiv 1611.04273) as a check of the importance-weighted bounds.

The rows are those of the importance-weighted bounds (`likelihood_rows`), chains of Hamiltonian steps from the prior to
the posterior along ln p(z) + β ln p(x|z). On data that the model itself generated, where an exact posterior draw is
known, chains in both directions bracket ln p(x) (Grosse et al., arXiv 1511.02543); the mean gap says how far the
estimate can be off.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.contracts.metric import Estimate, Metric, Missing, Value, each
from bench.contracts.view import View
from bench.metrics.functional.annealing import AnnealedChains, simulate
from bench.metrics.importance import likelihood_x

#: Data simulated from the model, on which chains run both ways.
SIMULATED = 100
TEMPERATURES = 200
#: Rows whose chains run together.
_BLOCK = 500


class Annealed(Metric):
    """Log-likelihood of held-out data by annealed importance sampling, and its two-sided gap on model samples."""

    family = "likelihood"
    values = each(
        Value(
            "ais_log_likelihood",
            "Log-likelihood of held-out data by annealed importance sampling, on the rows of the IWAE bounds.",
            None,
            formula="E ln mean over chains of the annealed weights",
        ),
        Value(
            "ais_gap",
            "Upper minus lower annealed bound on data that the model generated: how far the estimate can be off.",
            None,
            formula="E[reverse - forward ln p(x)], x ~ model",
        ),
        unit="nats",
        needs=("decode", "prior", "likelihood", "euclidean"),
    )

    #: Steps of the annealing schedule.
    temperatures = TEMPERATURES

    def compute(self, view: View, rng: np.random.Generator) -> dict[str, Any]:
        """Forward chains on held-out data, both directions on simulated data."""
        x = likelihood_x(view)
        chains = AnnealedChains(view.model, view.generator("annealed"), temperatures=self.temperatures)
        return {
            "ais_log_likelihood": lambda: Estimate(*_mean([chains.forward(rows) for rows in x.split(_BLOCK)])),
            "ais_gap": self._gap(view, chains, x),
        }

    def _gap(self, view: View, chains: AnnealedChains, x: Tensor) -> Estimate | Missing:
        if view.model.log_likelihood is not None:
            return Missing("the variant's own likelihood p(x|z) has nothing that draws data from it")
        z, fakes = simulate(view.model, view.latents("prior")[: min(SIMULATED, len(x))], view.generator("simulated"))
        steps = chains.step_sizes(fakes)
        lower, _ = chains.forward(fakes, steps)
        upper, _ = chains.reverse(fakes, z, steps)
        gap = (upper - lower).double()
        return Estimate(float(gap.mean()), float(gap.std()) / len(gap) ** 0.5 if len(gap) > 1 else None)


def _mean(parts: Sequence[tuple[Tensor, Tensor]]) -> tuple[float, float]:
    values, errors = (torch.cat(column) for column in zip(*parts, strict=True))
    return float(values.double().mean()), float(errors.double().square().sum().sqrt()) / len(values)
