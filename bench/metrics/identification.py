"""Identification: does each x have its own z, and how much does z say about x?

Accuracy P[argmaxⱼ q(zᵢ|xⱼ) = i] with zᵢ ~ q(·|xᵢ), and mutual information Î = mean ln[q(zᵢ|xᵢ) / (1/N) Σⱼ q(zᵢ|xⱼ)], on
N = min(2000, test rows). Î ≤ ln N is a lower end, E KL(q ‖ p₀) an upper end. A code dimension is collapsed in the sense
of Lucas et al. (arXiv 1911.02469) when P[KLⱼ < ε] ≥ 1-δ.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.contracts.metric import Estimate, Metric, Missing, Value, each
from bench.contracts.view import View
from bench.metrics.functional.identify import log_density_table, scores_of_table

ROWS = 2000
#: Draws per row: enough for 5,000 in all, at least 3.
DRAWS, LEAST_REPLICATES = 5000, 3
EPSILON = DELTA = 0.01


class Identification(Metric):
    """Identification accuracy, an interval for the mutual information I(x; z), and (ε, δ)-collapse."""

    family = "collapse"
    values = (
        Value(
            "identification_accuracy",
            "Share of posterior draws whose most likely source among N held-out data is the right one.",
            None,
            range="[1/N, 1]",
            formula="P[argmax_j q(z_i|x_j) = i], N = min(2000, test rows)",
            needs=("posterior", "density"),
        ),
        Value(
            "mutual_information_low",
            "Lower end of the mutual information between data and code; it cannot exceed ln N.",
            None,
            unit="nats",
            range="[0, ln N]",
            formula="mean ln[q(z_i|x_i) / mean_j q(z_i|x_j)], N = min(2000, test rows)",
            needs=("posterior", "density"),
        ),
        *each(
            Value(
                "mutual_information_high",
                "Upper end of the mutual information between data and code.",
                None,
                unit="nats",
                range="[0, inf)",
                formula="E KL(q(z|x) || p0)",
            ),
            Value(
                "collapsed_dimensions",
                "Number of code dimensions whose posterior is the prior for nearly every held-out datum.",
                None,
                unit="dims",
                range="[0, L]",
                formula="#{j: P[KL_j < 0.01] >= 0.99}",
            ),
            needs=("posterior", "prior"),
        ),
    )

    def compute(self, view: View, rng: np.random.Generator) -> dict[str, Any]:
        """Scores of the table of log q(zᵢ|xⱼ), and shares of small KL terms."""
        x = view.test.x[:ROWS]
        results: dict[str, Any] = {}
        if len(x) < 2:
            few = Missing("identification needs at least two held-out rows", "too_few")
            results = dict.fromkeys(("identification_accuracy", "mutual_information_low"), few)
        elif view.lacks("density") is None:
            scores = _replicated(view, x)
            results = {"identification_accuracy": scores[0], "mutual_information_low": scores[1]}
        if view.lacks("prior") is None:
            joint, factors = view.kl("test")
            results["mutual_information_high"] = float(joint.double().mean())
            missing = Missing("posterior and prior do not factorise over code dimensions in closed form")
            small = None if factors is None else (factors < EPSILON).double().mean(0)
            results["collapsed_dimensions"] = missing if small is None else float((small >= 1 - DELTA).sum())
        return results


def _replicated(view: View, x: Tensor) -> tuple[Estimate, Estimate]:
    """Accuracy and information over several draws per row, with the standard error of their mean given the rows."""
    posterior, scores = view.model.posterior(x), []
    for index in range(max(LEAST_REPLICATES, DRAWS // len(x))):
        table = log_density_table(posterior, view.sample_codes("test", index)[: len(x)])
        scores.append(torch.stack(scores_of_table(table)))  # (2, N)
    by_draw = torch.stack(scores)  # (R, 2, N)
    errors = (by_draw.var(0) / len(scores)).sum(-1).sqrt() / len(x)
    means = by_draw.mean((0, 2))
    return Estimate(float(means[0]), float(errors[0])), Estimate(float(means[1]), float(errors[1]))
