"""The claims and their tests. Thresholds are fixed here, before any data; every test can fail.

Variants are named as in tables: `ae` (eq. 1), `stochastic-ae` (eq. 2), `vae` (eq. 4 at λ_auto), `decoder-only`
(eq. 10). A test is a function of `Evidence` that returns its components, or text that says what is missing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from bench.reports.studies.claim_tests import Component

AE, SAE, VAE, DECODER = "ae", "stochastic-ae", "vae", "decoder-only"
#: Share of the training after which its course counts (before, everything moves).
WARM_UP = 0.2


class Evidence(Protocol):
    """What a data set's cells have to say. Arrays are (S,), one entry per seed, NaN where there is no value."""

    is_linear: bool
    is_squared: bool
    kl_weights: dict[str, float]

    def value(self, variant: str, metric: str) -> np.ndarray | None:
        """A metric of a variant, or None."""
        ...

    def course(self, variant: str, term: str) -> tuple[np.ndarray, np.ndarray] | None:
        """A quantity followed over training: its values after `WARM_UP` and at the end, or None."""
        ...


Test = Callable[[Evidence], list[Component] | str]


@dataclass(frozen=True)
class Claim:
    """One claim: its number and text in the note, what the note predicts, how it is tested and with which threshold."""

    number: int
    text: str
    prediction: str
    method: str
    test: Test


def _need(evidence: Evidence, *wanted: tuple[str, str]) -> list[np.ndarray] | str:
    """Values of (variant, metric) pairs, or which of them are missing."""
    found = [evidence.value(variant, metric) for variant, metric in wanted]
    missing = [
        f"{metric} of {variant}" for value, (variant, metric) in zip(found, wanted, strict=True) if value is None
    ]
    return f"needs {', '.join(missing)}" if missing else found


def _difference(label: str, high: np.ndarray, low: np.ndarray, threshold: float, relative: bool = False) -> Component:
    """high - low above a threshold; as a share of the mean of high if `relative`."""
    values = (high - low) / abs(np.nanmean(high)) if relative else high - low
    return Component(label, values, threshold, abs(threshold))


def overfits(evidence: Evidence) -> list[Component] | str:
    """Claim 1."""
    found = _need(evidence, (AE, "generalisation_ratio"), (SAE, "generalisation_ratio"), (VAE, "generalisation_ratio"))
    if isinstance(found, str):
        return found
    ae, sae, vae = found
    return [
        Component("AE, test/train error - 1", ae - 1, 0.1, 0.1),
        _difference("AE - eq. 2, test/train error", ae, sae, 0.05),
        _difference("AE - VAE, test/train error", ae, vae, 0.05),
    ]


def regularising_generalises(evidence: Evidence) -> list[Component] | str:
    """Claim 2."""
    found = _need(evidence, (AE, "test_mse"), (SAE, "test_mse"), (VAE, "test_mse"))
    if isinstance(found, str):
        return found
    ae, sae, vae = found
    return [
        _difference("AE - eq. 2, test_mse relative to AE", ae, sae, 0.01, relative=True),
        _difference("AE - VAE, test_mse relative to AE", ae, vae, 0.01, relative=True),
    ]


def noise_fills(evidence: Evidence) -> list[Component] | str:
    """Claim 3."""
    names = ("hole_fraction_vp", "hole_fraction_fit")
    found = _need(evidence, *((variant, name) for name in names for variant in (AE, SAE)))
    if isinstance(found, str):
        return found
    return [_difference(f"AE - eq. 2, {name}", *found[2 * k : 2 * k + 2], 0.01) for k, name in enumerate(names)]


def _course(evidence: Evidence, variant: str, *terms: str) -> list[np.ndarray] | str:
    """End minus value after the warm-up of followed quantities, or what is missing."""
    found = [evidence.course(variant, term) for term in terms]
    missing = [term for term, course in zip(terms, found, strict=True) if course is None]
    if missing:
        return f"needs the course of {', '.join(missing)} of {variant} over training"
    return [end - start for start, end in found]


def sigma_vanishes(evidence: Evidence) -> list[Component] | str:
    """Claim 4."""
    found = _course(evidence, SAE, "log_median_sigma", "log_nsr")
    if isinstance(found, str):
        return found
    sigma, nsr = found
    return [
        Component("eq. 2, fall of log median σ", -sigma, 0.1, 0.1),
        Component("eq. 2, fall of log NSR", -nsr, 0.1, 0.1),
    ]


def means_run_away(evidence: Evidence) -> list[Component] | str:
    """Claim 5."""
    found = _course(evidence, SAE, "log_rms_mu")
    return found if isinstance(found, str) else [Component("eq. 2, rise of log RMS μ", found[0], 0.05, 0.05)]


def kl_stops_both(evidence: Evidence) -> list[Component] | str:
    """Claim 6."""
    moved = _course(evidence, VAE, "log_nsr")
    ends = [evidence.course(variant, "log_nsr") for variant in (VAE, SAE)]
    found = _need(evidence, (VAE, "log_median_sigma"), (VAE, "log_rms_mu"))
    if isinstance(moved, str) or isinstance(found, str):
        return moved if isinstance(moved, str) else found
    if ends[1] is None:
        return f"needs the course of log_nsr of {SAE} over training"
    total = np.exp(2 * found[0]) + np.exp(2 * found[1])
    return [
        Component("VAE, change of log NSR over training", moved[0], -0.1, 0.1),
        _difference("VAE - eq. 2, log NSR at the end", ends[0][1], ends[1][1], float(np.log(2))),
        Component("VAE, σ² + mean μ²", total, 0.8, 0.2),
        Component("VAE, minus (σ² + mean μ²)", -total, -1.2, 0.2),
    ]


def no_unique_code(evidence: Evidence) -> list[Component] | str:
    """Claim 7."""
    found = _need(evidence, (VAE, "identification_accuracy"))
    return found if isinstance(found, str) else [Component("VAE, 1 - identification accuracy", 1 - found[0], 0.5, 0.5)]


def similar_together(evidence: Evidence) -> list[Component] | str:
    """Claim 8."""
    names = (("trustworthiness", 0.002), ("knn_accuracy", 0.005))
    found = _need(evidence, *((variant, name) for name, _ in names for variant in (VAE, AE)))
    if isinstance(found, str):
        return found
    return [_difference(f"VAE - AE, {n}", *found[2 * k : 2 * k + 2], least) for k, (n, least) in enumerate(names)]


def smooth_interpolation(evidence: Evidence) -> list[Component] | str:
    """Claim 9."""
    names = (("interp_unevenness", 0.001), ("interp_realism", 0.01))
    found = _need(evidence, *((variant, name) for name, _ in names for variant in (AE, VAE)))
    if isinstance(found, str):
        return found
    return [_difference(f"AE - VAE, {n}", *found[2 * k : 2 * k + 2], least) for k, (n, least) in enumerate(names)]


def prior_is_filled(evidence: Evidence) -> list[Component] | str:
    """Claim 10."""
    found = _need(
        evidence,
        (AE, "hole_fraction_mixture"),
        (VAE, "hole_fraction_prior"),
        (VAE, "coverage_prior"),
        (AE, "coverage_mixture"),
        (VAE, "recall_prior"),
        (AE, "recall_mixture"),
        (VAE, "diversity_prior"),
    )
    if isinstance(found, str):
        return found
    holes_ae, holes_vae, coverage_vae, coverage_ae, recall_vae, recall_ae, diversity = found
    return [
        _difference("AE with mixture - VAE with prior, hole fraction", holes_ae, holes_vae, 0.02),
        _difference("VAE with prior - AE with mixture, coverage", coverage_vae, coverage_ae, 0.02),
        _difference("VAE with prior - AE with mixture, recall", recall_vae, recall_ae, 0.02),
        Component("VAE, diversity_prior", diversity, 0.5, 0.5),
    ]


def decoder_alone_fails(evidence: Evidence) -> list[Component] | str:
    """Claim 11."""
    if not evidence.is_squared:
        return "needs the squared reconstruction cost"
    found = _need(evidence, (DECODER, "diversity_prior"), (AE, "test_sse"), (AE, "test_fvu"))
    course = evidence.course(DECODER, "loss")
    if isinstance(found, str) or course is None:
        return found if isinstance(found, str) else f"needs the course of the loss of {DECODER}"
    total = float(np.nanmean(found[1] / found[2]))
    return [
        Component("decoder-only, 1 - diversity_prior", 1 - found[0], 0.95, 0.05),
        Component("decoder-only, squared error / variance of the data", course[1] / total, 0.95, 0.05),
    ]


def bounds_agree(evidence: Evidence) -> list[Component] | str:
    """Claim 12."""
    if not (evidence.is_linear and evidence.is_squared):
        return "needs linear networks (mlp[hidden=[]]) and the squared reconstruction cost"
    weight = evidence.kl_weights.get(VAE, float("nan"))
    found = _need(evidence, (VAE, "test_mse_sampled"), (VAE, "test_neg_elbo"), (VAE, "iwae_100"))
    if isinstance(found, str) or not weight > 0:
        return found if isinstance(found, str) else "needs λ > 0"
    error, bound, likelihood = found
    ratio = error / (weight / 2)
    return [
        Component("linear VAE, eq. 2's error per dimension / s²", ratio, 0.95, 0.05),
        Component("linear VAE, minus that", -ratio, -1.05, 0.05),
        Component("linear VAE, minus (log-likelihood - ELBO) in nats", -(likelihood + bound), -0.2, 0.2),
    ]


def sampling_suffices(evidence: Evidence) -> list[Component] | str:
    """Claim 13."""
    others = [f"{SAE}[samples={s}]" for s in (5, 20)]
    found = _need(evidence, *((variant, "test_mse") for variant in (SAE, *others)))
    if isinstance(found, str):
        return found
    one = found[0]
    return [
        Component(
            f"{sign}(S = 1 - S = {s}), test_mse relative to S = 1", factor * (one - many) / np.nanmean(one), -0.02, 0.02
        )
        for s, many in zip((5, 20), found[1:], strict=True)
        for sign, factor in (("", 1.0), ("-", -1.0))
    ]


def too_much_weight(evidence: Evidence) -> list[Component] | str:
    """Claim 14."""
    weights = sorted((w, v) for v, w in evidence.kl_weights.items() if v.partition("[")[0] == VAE and w > 0)
    if len(weights) < 3 or weights[-1][0] < 100 * weights[0][0]:
        return "needs vae at three weights or more, the largest at least 100 times the smallest"
    found = _need(evidence, *((variant, "active_units") for _, variant in (weights[0], weights[-1])))
    if isinstance(found, str):
        return found
    return [
        _difference("active units, smallest λ - largest λ", found[0], found[1], 1.0),
        Component("largest λ, minus active units", -found[1], -0.5, 0.5),
    ]


CLAIMS: tuple[Claim, ...] = (
    Claim(1, "eq. 1 overfits: a new x decodes badly", "the AE's test/train error ratio is the largest",
          "test/train error ratio of AE, eq. 2 and VAE, at each training-set size", overfits),
    Claim(2, "regularising improves generalisation", "the AE is worst on held-out data",
          "held-out squared error of AE, eq. 2 and VAE", regularising_generalises),
    Claim(3, "eq. 2's noise fills the latent space", "fewer holes than the AE",
          "hole fractions at variance-preserving midpoints and under the fitted Gaussian", noise_fills),
    Claim(4, "σ → 0 under eq. 2", "σ and the noise-to-signal ratio fall",
          "change of log median σ and log NSR from a fifth of the training to its end", sigma_vanishes),
    Claim(5, "the means run away under eq. 2", "the RMS of μ rises",
          "change of log RMS μ from a fifth of the training to its end", means_run_away),
    Claim(6, "the KL term stops both", "NSR stays away from 0, σ² + μ² ≈ 1",
          "NSR over training and against eq. 2, and σ² + mean μ² of the VAE", kl_stops_both),
    Claim(7, "the KL term stops a unique z per x", "identification accuracy is low",
          "P[the most likely x given z ~ q(z|x) is that x] of the VAE", no_unique_code),
    Claim(8, "similar x are packed together", "the VAE's codes are better neighbours",
          "trustworthiness and kNN accuracy, VAE against AE", similar_together),
    Claim(9, "interpolation is smooth", "the VAE's steps are more even and its paths more realistic",
          "unevenness U and realism ratio, VAE against AE", smooth_interpolation),
    Claim(10, "the latent space is filled", "sampling the VAE's prior beats the AE with a fitted mixture",
          "hole fraction, coverage, recall and diversity", prior_is_filled),
    Claim(11, "eq. 10 alone is inadequate", "a decoder trained on prior draws decodes the mean everywhere",
          "diversity and squared error of decoder-only", decoder_alone_fails),
    Claim(12, "eq. 13 is eq. 4", "a linear VAE at λ = 2s² is probabilistic PCA with a tight bound",
          "error per dimension over s², and log-likelihood minus ELBO", bounds_agree),
    Claim(13, "sampling estimates eq. 2 well enough", "the number of draws makes little difference",
          "held-out squared error at S = 1, 5 and 20 draws per step", sampling_suffices),
    Claim(14, "too much λ collapses the code", "active units fall to 0",
          "active units at the smallest and the largest λ", too_much_weight),
)  # fmt: skip
