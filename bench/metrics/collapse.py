"""Collapse: of the model as a whole (`bench.evaluate.collapse`), and of its code dimensions.

Of the code: signal fraction 1/(1+NSRⱼ) with NSRⱼ = E[σⱼ²]/Var(μⱼ), KL per dimension, active units.

Eq. 2 fails in two ways (σ → 0, ‖μ‖ → ∞) that are one orbit z → cz, which NSR does not see; σ and ‖μ‖ are descriptive.
Active units: Var_x(μⱼ) > 0.01 (Burda et al., arXiv 1509.00519). All on held-out data.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from bench.contracts.metric import Flagged, Metric, Missing, Value, each
from bench.contracts.view import View
from bench.evaluate.collapse import active_units, pca_explained


class Collapse(Metric):
    """What of the code carries signal, and whether the model collapsed as a whole."""

    family = "collapse"
    values = each(
        Value(
            "collapsed",
            "1 for a collapsed model, which may not be marked best: its code or its decodes tell nothing of the data.",
            None,
            range="{0, 1}",
            formula="0 active units, or r^2(x, decode) < .05 E_L, or tr Cov(decode) < .01 E_L tr Cov(x); E_L of PCA-L",
            needs=("decode",),
        ),
        Value(
            "blurred",
            "1 where reconstructions have less than half of the variance of those of as many principal components.",
            None,
            range="{0, 1}",
            formula="tr Cov(decode(mu(x))) < .5 E_L tr Cov(x), E_L the share that PCA-L explains",
            needs=("encode", "decode"),
        ),
        Value(
            "pca_explained",
            "Share of the held-out variance that as many principal components explain: what L numbers can do.",
            None,
            range="(0, 1]",
            formula="E_L = 1 - FVU of PCA-L, components of the training data",
        ),
        *each(
            Value(
                "signal_fraction_mean",
                "Share of the code's variance that depends on x rather than on posterior noise, mean over dimensions.",
                None,
                range="[0, 1]",
                formula="mean_j 1 / (1 + E[sigma_j^2] / Var(mu_j))",
                primary=True,
            ),
            Value(
                "signal_fraction",
                "Share of each code dimension's variance that depends on x rather than on posterior noise.",
                None,
                range="[0, 1]",
                formula="1 / (1 + E[sigma_j^2] / Var(mu_j))",
                vector=True,
            ),
            Value(
                "nsr",
                "Noise-to-signal ratio of each code dimension.",
                None,
                range="[0, inf)",
                formula="E[sigma_j^2] / Var(mu_j)",
                vector=True,
            ),
            needs=("posterior",),
        ),
        *each(
            Value(
                "kl_total",
                "KL divergence of the posterior from the prior, mean over held-out data.",
                None,
                formula="E KL(q(z|x) || p0)",
            ),
            Value(
                "kl",
                "KL divergence of the posterior from the prior in each code dimension, mean over held-out data.",
                None,
                formula="E KL(q(z_j|x) || p0)",
                vector=True,
            ),
            unit="nats",
            range="[0, inf)",
            needs=("posterior", "prior"),
        ),
        Value(
            "active_units",
            "Number of code dimensions whose posterior mean varies with x.",
            None,
            unit="dims",
            range="[0, L]",
            formula="#{j: Var_x(mu_j) > 0.01 Var_prior(z_j)}",
            needs=("encode", "prior"),
        ),
        Value(
            "log_median_sigma",
            "Natural logarithm of the median posterior standard deviation, over held-out data and dimensions.",
            None,
            formula="ln median sigma_j(x)",
            needs=("posterior",),
        ),
        Value(
            "log_rms_mu",
            "Natural logarithm of the root mean square of posterior means, over held-out data and dimensions.",
            None,
            formula="ln sqrt(E mu_j(x)^2)",
            needs=("encode",),
        ),
        gauge="dependent",
        core=True,
    )

    def compute(self, view: View, rng: np.random.Generator) -> dict[str, Any]:
        """Moments of the posterior over held-out rows, and the verdict on the model as a whole."""
        results: dict[str, Any] = {"collapsed": _verdict(view, view.collapse), "blurred": _verdict(view, view.blur)}
        results["pca_explained"] = lambda: pca_explained(view.shared)
        if view.lacks("encode") is None:
            codes = view.codes("test").double()
            rms = float(codes.square().mean().sqrt())
            results["log_rms_mu"] = float(np.log(rms)) if rms > 0 else Missing("every posterior mean is 0")
            if view.lacks("prior") is None:
                results["active_units"] = float(active_units(view))
        if view.lacks("posterior") is None:
            results |= _signal(view)
        if view.lacks("posterior") is None and view.lacks("prior") is None:
            joint, factors = view.kl("test")
            results["kl_total"] = float(joint.double().mean())
            missing = Missing("posterior and prior do not factorise over code dimensions in closed form")
            results["kl"] = missing if factors is None else factors.double().mean(0).cpu().numpy()
        return results


def _verdict(view: View, reason: str | None) -> float | Missing | Flagged:
    if view.shared.test_variance <= 0:
        return Missing("the held-out data are constant")
    return Flagged(1.0, reason) if reason else 0.0


def signal_and_noise(means: torch.Tensor, variances: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Signal fraction and NSR per dimension from posterior means and variances (N, L): two (L,).

    A dimension without signal has fraction 0 and infinite NSR; without signal and noise both are NaN.
    """
    noise = variances.double().mean(0).cpu().numpy()
    signal = means.double().var(0, correction=0).cpu().numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        return signal / (signal + noise), noise / signal


def _signal(view: View) -> dict[str, Any]:
    means, variances = view.posterior_moments("test")
    if len(means) < 2:
        return dict.fromkeys(("signal_fraction", "signal_fraction_mean", "nsr"), Missing("one row only", "too_few"))
    fraction, nsr = signal_and_noise(means, variances)
    sigma = float(variances.double().sqrt().median())
    defined = fraction[np.isfinite(fraction)]
    nothing = Missing("no code dimension has signal or noise")
    return {
        "signal_fraction": fraction,
        "signal_fraction_mean": float(defined.mean()) if len(defined) else nothing,
        "nsr": nsr
        if np.isfinite(nsr).any()
        else Missing("no code dimension carries signal, so the ratio is not finite"),
        "log_median_sigma": float(np.log(sigma)) if sigma > 0 else Missing("the median sigma is 0"),
    }
