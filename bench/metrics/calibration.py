"""Reconstruction cost as a likelihood that is comparable across variants of one decoder family.

Calibrated Gaussian: NLL = d/2 ln(2π ŝ²) + D/(2 ŝ²) with ŝ² = D_train/d (Rybkin et al., arXiv 2006.13202), D = D_q where
there is a posterior and D₀ otherwise. Bernoulli cost is a likelihood for binary x only, so on grey pixels the excess
over its floor H(x) is reported, and the continuous Bernoulli, whose normaliser is C(p) (arXiv 1907.06845).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from bench.contracts.metric import Estimate, Metric, Missing, Value, each
from bench.contracts.view import View
from bench.metrics.functional.likelihoods import (
    bernoulli_cost,
    calibrated_gaussian_nll,
    continuous_bernoulli_log_constant,
    entropy_floor,
)


class Calibration(Metric):
    """Negative log-likelihoods of reconstructions, without the cost of the code."""

    family = "reconstruction"
    values = each(
        Value(
            "gaussian_nll",
            "Negative log-likelihood of held-out data around their reconstructions, training error as variance.",
            False,
            formula="d/2 ln(2 pi s^2) + D/(2 s^2), s^2 = D_train/d",
        ),
        Value(
            "gaussian_variance",
            "The calibrated variance s^2 that gaussian_nll uses.",
            None,
            unit="per dim",
            range="[0, inf)",
            formula="D_train / d",
        ),
        Value(
            "bernoulli_excess",
            "Bernoulli cost of held-out reconstructions above the entropy of the pixels themselves.",
            False,
            range="[0, inf)",
            formula="E[cost(decode(mu(x)), x) - H(x)]",
        ),
        Value(
            "continuous_bernoulli_nll",
            "Continuous-Bernoulli negative log-likelihood of held-out data at their reconstructions.",
            False,
            formula="E[cost(decode(mu(x)), x) - sum ln C(p)]",
        ),
        unit="nats",
        needs=("encode", "decode"),
    )

    def compute(self, view: View, rng: np.random.Generator) -> dict[str, Any]:
        """Gaussian for every cost, Bernoulli where the run's cost is Bernoulli."""
        return _gaussian(view) | _bernoulli(view)


def _gaussian(view: View) -> dict[str, Any]:
    names = ("gaussian_nll", "gaussian_variance")
    if view.shared.size("train") == 0:
        return dict.fromkeys(names, Missing("there are no train rows", "too_few"))
    d = view.dimension
    if view.lacks("posterior") is None:
        errors = view.sampled_squared_errors("test")
        test, train = float(errors.mean()), float(view.sampled_squared_errors("train").mean())
        spread = float(errors.std()) / len(errors) ** 0.5
    else:
        test, train = (float(view.squared_errors(part).mean()) for part in ("test", "train"))
        spread = 0.0
    variance = train / d
    if variance <= 1e-12:
        return dict.fromkeys(names, Missing("training data are reconstructed exactly, so the variance would be 0"))
    nll = Estimate(calibrated_gaussian_nll(test, variance, d), spread / (2 * variance))
    return {"gaussian_nll": nll, "gaussian_variance": variance}


def _bernoulli(view: View) -> dict[str, Any]:
    names = ("bernoulli_excess", "continuous_bernoulli_nll")
    if view.model.cost.name != "bernoulli" or view.model.decode_params is None:
        return dict.fromkeys(names, Missing("the reconstruction cost is not bernoulli"))
    excess = continuous = 0.0
    n = view.shared.size("test")
    for x in view.shared.batches("test", view.batch_size):
        logits = view.model.decode_params(view.encode(x)).reshape(len(x), -1)
        flat = x.reshape(len(x), -1)
        if bool(((flat < 0) | (flat > 1)).any()):
            return dict.fromkeys(names, Missing("the data are not in [0, 1]"))
        cost = bernoulli_cost(logits, flat).double()
        excess += float((cost - entropy_floor(flat)).sum())
        constant = continuous_bernoulli_log_constant(logits).sum(dtype=torch.float64)
        continuous += float(cost.sum() - constant)
    return {"bernoulli_excess": excess / n, "continuous_bernoulli_nll": continuous / n}
