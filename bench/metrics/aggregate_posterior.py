"""Aggregate posterior against prior: does the code's distribution match what is sampled from?

Unbiased MMD² with the inverse-multiquadratic kernel and sliced 2-Wasserstein distance (500 projections), both samples
whitened by the covariance of the prior's draws, so that one kernel fits priors of any scale and distances are in the
prior's standard deviations; the moment KL ½(tr Σ̂ + ‖m̂‖² - L - ln|Σ̂|), a lower bound of KL(aggregate ‖ N(0, I)). For
deterministic codes sliced W₂ after whitening.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from bench.contracts.metric import Estimate, Metric, Missing, Value, each
from bench.contracts.view import View
from bench.evaluate.latent_density import GaussianFit
from bench.metrics.functional.aggregate import (
    aggregate_moments,
    is_standard_normal,
    moment_kl,
    sliced_w2,
    sliced_w2_to_normal,
    unit_projections,
)
from bench.metrics.functional.mmd import inverse_multiquadratic, mmd_squared

SAMPLES = 5000
PROJECTIONS = 500
#: Most draws of each code: small test splits are drawn again and again.
MOST_REPLICATES = 20
LEAST_ROWS = 20


class AggregatePosterior(Metric):
    """Distances between posterior draws of held-out data and the prior, and of whitened codes to N(0, I)."""

    family = "coverage"
    values = each(
        Value(
            "prior_mmd",
            "Squared maximum mean discrepancy of posterior draws of held-out data and the prior; 0 if they agree.",
            False,
            formula="unbiased MMD^2, k = C/(C + r^2), C = 2L, whitened by the prior, N = min(5000, test rows)",
            needs=("prior",),
        ),
        *each(
            Value(
                "prior_sliced_w2",
                "Sliced 2-Wasserstein distance between posterior draws of held-out data and as many prior draws.",
                False,
                formula="sqrt(mean W2^2 over 500 projections), whitened by the prior, N = min(5000, test rows)",
                needs=("prior",),
            ),
            Value(
                "prior_sliced_w2_null",
                "What prior_sliced_w2 is for two samples of the prior of the same size.",
                None,
                formula="sqrt(mean W2^2 over 500 projections), whitened by the prior",
                needs=("prior",),
            ),
            Value(
                "prior_moment_kl",
                "KL divergence from N(0, I) of the normal with the aggregate posterior's moments, a lower bound.",
                False,
                unit="nats",
                formula="(tr S + |m|^2 - L - ln|S|) / 2",
                needs=("prior",),
            ),
            Value(
                "whitened_sliced_w2",
                "Sliced 2-Wasserstein distance of whitened held-out codes to a standard normal.",
                None,
                formula="sqrt(mean W2^2 over 500 projections), codes whitened by N(m, S) of the training codes",
                needs=("euclidean",),
            ),
            range="[0, inf)",
        ),
        needs=("encode",),
    )

    def compute(self, view: View, rng: np.random.Generator) -> dict[str, Any]:
        """All distances on at most 5,000 held-out rows."""
        names = [value.name for value in self.values]
        n = min(len(view.test), SAMPLES)
        if n < LEAST_ROWS or len(view.rows("train")) < 2:
            return dict.fromkeys(names, Missing(f"{n} held-out rows are fewer than {LEAST_ROWS}", "too_few"))
        results: dict[str, Any] = {}
        if view.lacks("euclidean") is None:
            results["whitened_sliced_w2"] = _whitened(view, n)
        if view.lacks("prior") is None:
            results |= _against_prior(view, n)
        return results


def _whitened(view: View, n: int) -> Estimate | Missing:
    if view.fit.rank == 0:
        return Missing("the codes are constant, so they cannot be whitened")
    white = view.fit.whiten(view.codes("test")[:n]).float()
    generator = view.shared.generator("whitened projections")
    return Estimate(*sliced_w2_to_normal(white, unit_projections(white.shape[1], PROJECTIONS, generator).to(white)))


def _against_prior(view: View, n: int) -> dict[str, Any]:
    replicates = min(MOST_REPLICATES, max(1, SAMPLES // n)) if view.lacks("posterior") is None else 1
    draws = view.prior_draws(max(2, replicates) * n).split(n)
    standard = GaussianFit.of(view.prior_draws(max(SAMPLES, 20 * view.latent_dim)))
    if (missing := _no_units(standard, view)) is not None:
        return dict.fromkeys(("prior_mmd", "prior_sliced_w2", "prior_sliced_w2_null", "prior_moment_kl"), missing)
    normal = is_standard_normal(view.model.prior(), view.latent_dim)
    generator = view.shared.generator("projections")
    projections = unit_projections(standard.rank, PROJECTIONS, generator).to(view.device)
    kernel = inverse_multiquadratic(view.latent_dim)

    def in_units(sample: Tensor) -> Tensor:
        return sample if normal else standard.whiten(sample).float()  # N(0, I) is white as it is

    mmds, distances = [], []
    for index in range(replicates):
        sampled = view.lacks("posterior") is None
        codes = (view.sample_codes("test", index) if sampled else view.codes("test"))[:n]
        mmds.append(mmd_squared(standard.whiten(codes).float(), standard.whiten(draws[index]).float(), kernel))
        distances.append(sliced_w2(in_units(codes), in_units(draws[index]), projections))
    results: dict[str, Any] = {
        "prior_mmd": _averaged(mmds),
        "prior_sliced_w2": _averaged(distances),
        "prior_sliced_w2_null": Estimate(*sliced_w2(in_units(draws[0]), in_units(draws[1]), projections)),
    }
    if not normal:
        results["prior_moment_kl"] = Missing("the prior is not N(0, I)")
    else:
        kl = moment_kl(*aggregate_moments(view, "test"))
        results["prior_moment_kl"] = Missing("the aggregate posterior's covariance is singular") if kl is None else kl
    return results


def _no_units(prior: GaussianFit, view: View) -> Missing | None:
    """Why the spread of the prior's draws is no unit for codes: they do not vary, or not where the codes do."""
    if prior.rank == 0:
        return Missing("the draws of the prior are constant, so nothing can be measured in their units")
    centred = view.codes("test").double() - prior.mean
    outside = centred - centred @ prior.directions @ prior.directions.T
    if prior.rank < view.latent_dim and float(outside.square().sum()) > 1e-6 * float(centred.square().sum()):
        return Missing("codes lie in directions in which the prior's draws do not vary")
    return None


def _averaged(estimates: list[tuple[float, float]]) -> Estimate:
    """The mean over replicates with its standard error; a single estimate with its own."""
    if len(estimates) == 1:
        return Estimate(*estimates[0])
    values = np.array([value for value, _ in estimates])
    return Estimate(float(values.mean()), float(values.std(ddof=1)) / len(values) ** 0.5)
