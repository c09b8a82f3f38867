"""Reconstruction of held-out data: D₀ = E‖Θ(μ(x))-x‖² and D_q = E_q‖Θ(Z)-x‖² (eq. 2, 16 draws), per dimension.

FVU = D/T with T = E‖x-x̄‖² around the training mean x̄, so that the best constant decoder scores 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.contracts.metric import Estimate, Flagged, Metric, Missing, Value, each
from bench.contracts.view import View

#: Of a squared error: half a percent of the distance between a datum and its reconstruction.
EFFECT = 0.01
#: Not "averaging": the mean of three neighbours is further from a held-out row than the mean of ten (MNIST).
_SEEN = ("blur", "contrast", "noise", "shift")


class Reconstruction(Metric):
    """Squared reconstruction error on the whole test and validation split and on at most 10,000 training rows."""

    family = "reconstruction"
    values = each(
        Value(
            "test_mse",
            "Mean squared error per data dimension of held-out data decoded from their posterior means.",
            False,
            smallest_effect=EFFECT,
            unit="per dim",
            range="[0, inf)",
            formula="E||decode(mu(x)) - x||^2 / d",
            core=True,
            primary=True,
            sees=_SEEN,
        ),
        Value(
            "test_mse_sampled",
            "Mean squared error per data dimension of held-out data decoded from draws of their posterior.",
            False,
            smallest_effect=EFFECT,
            unit="per dim",
            range="[0, inf)",
            formula="E E_q||decode(Z) - x||^2 / d, 16 draws",
            needs=("posterior",),
            core=True,
        ),
        Value(
            "test_sse",
            "Squared error of held-out data decoded from their posterior means, summed over data dimensions (eq. 1).",
            False,
            smallest_effect=EFFECT,
            unit="per example",
            range="[0, inf)",
            formula="E||decode(mu(x)) - x||^2",
            core=True,
            sees=_SEEN,
        ),
        *each(
            Value(
                "val_mse",
                "As test_mse, on the validation split: the number that choices of hyper-parameters use.",
                False,
                smallest_effect=EFFECT,
            ),
            Value("train_mse", "As test_mse, on training data (at most 10,000 rows).", None),
            unit="per dim",
            range="[0, inf)",
            formula="E||decode(mu(x)) - x||^2 / d",
            core=True,
        ),
        Value(
            "test_fvu",
            "Fraction of the held-out variance that reconstructions leave unexplained; the training mean scores 1.",
            False,
            smallest_effect=EFFECT,
            range="[0, inf)",
            formula="E||decode(mu(x)) - x||^2 / E||x - mean||^2",
            core=True,
            sees=_SEEN,
        ),
        Value(
            "test_fvu_sampled",
            "As test_fvu, with codes drawn from the posterior.",
            False,
            smallest_effect=EFFECT,
            range="[0, inf)",
            formula="E E_q||decode(Z) - x||^2 / E||x - mean||^2, 16 draws",
            needs=("posterior",),
        ),
        Value(
            "noise_cost",
            "What posterior noise adds to the squared error per data dimension.",
            None,
            unit="per dim",
            formula="test_mse_sampled - test_mse",
            needs=("posterior",),
            core=True,
        ),
        Value(
            "generalisation_ratio",
            "Held-out over training squared error: 1 means that new data are decoded as well as known ones.",
            None,  # a constant decoder has the best one
            range="[0, inf)",
            formula="test_mse / train_mse",
            core=True,
        ),
        needs=("encode", "decode"),
    )

    def compute(self, view: View, rng: np.random.Generator) -> dict[str, Any]:
        """D₀ on every part, D_q on the test part, and their ratios."""
        d, total = view.dimension, view.shared.test_total_variance
        test = float(view.squared_errors("test").mean())
        constant = Missing("the held-out data equal the training mean, so there is no variance to explain")
        results: dict[str, Any] = {
            "test_mse": test / d,
            "test_sse": test,
            "test_fvu": test / total if total > 0 else constant,
            "val_mse": _part_mse(view, "validation"),
            "train_mse": _part_mse(view, "train"),
        }
        results["generalisation_ratio"] = _ratio(test / d, results["train_mse"], view.collapse)
        if view.lacks("posterior") is None:
            sampled = view.sampled_squared_errors("test")
            mean, error = float(sampled.mean()), float(sampled.std()) / len(sampled) ** 0.5
            results["test_mse_sampled"] = Estimate(mean / d, error / d)
            results["noise_cost"] = Estimate((mean - test) / d, error / d)
            results["test_fvu_sampled"] = Estimate(mean / total, error / total) if total > 0 else constant
        return results


def _part_mse(view: View, part: str) -> float | Missing:
    if view.shared.size(part) == 0:
        return Missing(f"there are no {part} rows", "too_few")
    return float(view.squared_errors(part).mean()) / view.dimension


def _ratio(test: float, train: float | Missing, collapse: str | None) -> float | Missing | Flagged:
    if isinstance(train, Missing):
        return train
    if train <= 1e-12:
        return Missing("training data are reconstructed exactly, so the ratio is not defined")
    return Flagged(test / train, collapse) if collapse else test / train
