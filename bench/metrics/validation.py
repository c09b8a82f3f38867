"""What chooses between settings of a variant: the calibrated negative ELBO on validation data.

With D_q = E_q‖Θ(Z)-x‖² on validation data (eq. 2) over d dimensions and s²* = D_q/d, the decoder variance that suits
the model best (Rybkin et al. 2021, arXiv 2006.13202),

    d/2 · (ln(2π s²*) + 1) + E KL(q(z|x) ‖ p₀)  =  -E_q ln N(x; Θ(Z), s²* I) + E KL  ≥  -ln p(x),

a bound for one proper model per setting, in nats, so that settings of different λ can be compared. With a likelihood of
the variant's own, or a cost that is one itself (Bernoulli, Laplace, …): -E_q ln p(x|Z) + E KL, whatever λ the training
used. All from `encode`, `posterior`, `decode` and `prior`; no logged term is read.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from bench.contracts.metric import Estimate, Metric, Missing, Value
from bench.contracts.view import View
from bench.metrics.functional.posterior_costs import mean_costs


class Validation(Metric):
    """The bound by which validation data choose."""

    family = "likelihood"
    values = (
        Value(
            "val_calibrated_neg_elbo",
            "Negative evidence lower bound of validation data at the decoder variance that suits the model best: what "
            "chooses between settings.",
            False,
            unit="nats",
            formula="d/2 (ln(2 pi D_q/d) + 1) + E KL(q(z|x) || p0), D_q = E E_q||decode(Z) - x||^2; 16 draws",
            needs=("decode", "prior", "posterior"),
            gauge="dependent",
            core=True,
        ),
    )

    def compute(self, view: View, rng: np.random.Generator) -> dict[str, Any]:
        """The bound on every validation row."""
        if view.shared.size("validation") == 0:
            return {"val_calibrated_neg_elbo": Missing("there are no validation rows", "too_few")}
        kl = float(view.kl("validation")[0].double().mean())
        if view.model.log_likelihood is not None or view.model.cost.is_density:
            costs = mean_costs(view, "validation", "validation bound")
            return {"val_calibrated_neg_elbo": _estimate(costs, float(costs.mean()) + kl, 1.0)}
        errors = view.sampled_squared_errors("validation")
        total = float(errors.mean())
        if not total > 0:
            return {"val_calibrated_neg_elbo": Missing("validation data are decoded without error, so s²* is 0")}
        bound = calibrated_bound(total, kl, view.dimension)
        return {"val_calibrated_neg_elbo": _estimate(errors, bound, view.dimension / (2 * total))}


def calibrated_bound(error: float, kl: float, dimension: int) -> float:
    """d/2 (ln(2π D_q/d) + 1) + KL in nats, of D_q = `error` > 0 summed over d dimensions."""
    return dimension / 2 * (math.log(2 * math.pi * error / dimension) + 1) + kl


def _estimate(draws: torch.Tensor, value: float, slope: float) -> Estimate:
    return Estimate(value, slope * float(draws.std()) / len(draws) ** 0.5)
