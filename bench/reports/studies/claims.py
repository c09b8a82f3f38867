"""The claims and their tests. Thresholds are fixed here, before any data; every test can fail.

Variants are named as in tables: `ae` (eq. 1), `stochastic-ae` (eq. 2), `vae` (eq. 4 at λ_auto), `decoder-only`
(eq. 10). A test is a function of `Evidence` that returns its components, or text that says what is missing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from bench.analysis.scales import LEAST_EXCESS
from bench.reports.studies.claim_tests import Component

AE, SAE, VAE, DECODER = "ae", "stochastic-ae", "vae", "decoder-only"
#: Share of the training after which its course counts (before, everything moves).
WARM_UP = 0.2
#: A training is converged when its loss falls by less than this share over its last fifth.
CONVERGED = 0.05


class Evidence(Protocol):
    """What a data set's cells have to say. Arrays are (S,), one entry per seed, NaN where there is no value."""

    is_linear: bool
    is_squared: bool
    n_identified: int  # the held-out rows among which identification chooses
    kl_weights: dict[str, float]

    def value(self, variant: str, metric: str) -> np.ndarray | None:
        """A metric of a variant, or None."""
        ...

    def course(self, variant: str, term: str) -> tuple[np.ndarray, np.ndarray] | None:
        """A quantity followed over training: its values after `WARM_UP` and at the end, or None."""
        ...

    def fall(self, variant: str) -> float | None:
        """Share by which the training loss falls over the last fifth of the training, mean over seeds, or None."""
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
    return f"needs {', '.join(missing)}" if missing else [value for value in found if value is not None]


def _difference(label: str, high: np.ndarray, low: np.ndarray, threshold: float) -> Component:
    """high - low above a threshold."""
    return Component(label, high - low, threshold, abs(threshold))


def _ratio(label: str, high: np.ndarray, low: np.ndarray, least: float) -> Component:
    """ln(high/low) above ln(least): ratios are compared on the logarithm."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return Component(f"{label}, ln of the ratio", np.log(high) - np.log(low), math.log(least), math.log(least))


def _unconverged(evidence: Evidence, *variants: str) -> str:
    """Which trainings are not at their end: over training-set sizes, an error would speak of epochs and not of N."""
    falls = {variant: evidence.fall(variant) for variant in variants}
    unknown = [variant for variant, fall in falls.items() if fall is None]
    if unknown:
        return f"needs the course of the training loss of {', '.join(unknown)}"
    parts = [f"{variant} by {fall:.0%}" for variant, fall in falls.items() if fall is not None and fall > CONVERGED]
    return (
        f"needs training to convergence; the loss still falls over the last fifth: {', '.join(parts)}" if parts else ""
    )


def overfits(evidence: Evidence) -> list[Component] | str:
    """Claim 1."""
    found = _need(evidence, (AE, "generalisation_ratio"), (SAE, "generalisation_ratio"), (VAE, "generalisation_ratio"))
    if isinstance(found, str) or (why := _unconverged(evidence, AE, SAE, VAE)):
        return found if isinstance(found, str) else why
    ae, sae, vae = found
    return [
        _ratio("AE, test/train error", ae, np.ones_like(ae), 1.1),
        _ratio("AE against eq. 2, test/train error", ae, sae, 1.05),
        _ratio("AE against VAE, test/train error", ae, vae, 1.05),
    ]


def regularising_generalises(evidence: Evidence) -> list[Component] | str:
    """Claim 2."""
    found = _need(evidence, (AE, "test_mse"), (SAE, "test_mse"), (VAE, "test_mse"))
    if isinstance(found, str) or (why := _unconverged(evidence, AE, SAE, VAE)):
        return found if isinstance(found, str) else why
    ae, sae, vae = found
    return [_ratio("AE against eq. 2, test_mse", ae, sae, 1.01), _ratio("AE against VAE, test_mse", ae, vae, 1.01)]


def noise_fills(evidence: Evidence) -> list[Component] | str:
    """Claim 3, on the headline of coverage."""
    found = _need(evidence, (AE, "energy_fit"), (SAE, "energy_fit"))
    return found if isinstance(found, str) else [_difference("AE - eq. 2, energy_fit", found[0], found[1], 0.005)]


def _course(evidence: Evidence, variant: str, *terms: str) -> list[np.ndarray] | str:
    """End minus value after the warm-up of followed quantities, or what is missing."""
    found = [evidence.course(variant, term) for term in terms]
    missing = [term for term, course in zip(terms, found, strict=True) if course is None]
    if missing:
        return f"needs the course of {', '.join(missing)} of {variant} over training"
    return [course[1] - course[0] for course in found if course is not None]


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
    """Claim 6. The identity σⱼ² + mean μⱼ² = 1 is about means, in every dimension; medians do not satisfy it."""
    moved = _course(evidence, VAE, "log_nsr")
    ends = [evidence.course(variant, "log_nsr") for variant in (VAE, SAE)]
    found = _need(evidence, (VAE, "second_moment_error"))
    if isinstance(moved, str):
        return moved
    if isinstance(found, str):
        return found
    assert ends[0] is not None  # or `moved` would be words
    if ends[1] is None:
        return f"needs the course of log_nsr of {SAE} over training"
    return [
        Component("VAE, change of log NSR over training", moved[0], -0.1, 0.1),
        _difference("VAE - eq. 2, log NSR at the end", ends[0][1], ends[1][1], float(np.log(2))),
        Component("VAE, minus the mean over dimensions of |σ² + mean μ² - 1|", -found[0], -0.2, 0.2),
    ]


def no_unique_code(evidence: Evidence) -> list[Component] | str:
    """Claim 7: among N rows chance is 1/N and a unique code 1; halfway, on the logarithm, lies 1/√N."""
    found = _need(evidence, (VAE, "identification_accuracy"))
    n = evidence.n_identified
    if isinstance(found, str) or n < 2:
        return found if isinstance(found, str) else "needs the number of held-out rows"
    share = -np.log(np.maximum(found[0], 1 / n)) / math.log(n)
    return [Component(f"VAE, -ln(identification accuracy) / ln N, N = {n}", share, 0.5, 0.1)]


def similar_together(evidence: Evidence) -> list[Component] | str:
    """Claim 8."""
    names = (("trustworthiness", 0.002), ("knn_accuracy", 0.005))
    found = _need(evidence, *((variant, name) for name, _ in names for variant in (VAE, AE)))
    if isinstance(found, str):
        return found
    return [_difference(f"VAE - AE, {n}", found[2 * k], found[2 * k + 1], least) for k, (n, least) in enumerate(names)]


def smooth_interpolation(evidence: Evidence) -> list[Component] | str:
    """Claim 9, on the headline of interpolation; unevenness by its excess over 1."""
    names = ("interp_unevenness", "interp_excess")
    found = _need(evidence, *((variant, name) for name in names for variant in (AE, VAE)))
    if isinstance(found, str):
        return found
    ae, vae = (np.maximum(u - 1, LEAST_EXCESS) for u in found[:2])
    return [
        _ratio("AE against VAE, interp_unevenness - 1", ae, vae, 1.05),
        _difference("AE - VAE, interp_excess", found[2], found[3], 0.02),
    ]


def prior_is_filled(evidence: Evidence) -> list[Component] | str:
    """Claim 10. In data space, where both sides are measured alike; hole fractions are calibrated on other codes."""
    pairs = [((AE, "energy_mixture"), (VAE, "energy_prior")), ((VAE, "coverage_prior"), (AE, "coverage_mixture")),
             ((VAE, "recall_prior"), (AE, "recall_mixture"))]  # fmt: skip
    found = _need(evidence, *(entry for pair in pairs for entry in pair), (VAE, "diversity_prior"))
    if isinstance(found, str):
        return found
    return [
        _difference("AE with mixture - VAE with prior, energy distance", found[0], found[1], 0.005),
        _difference("VAE with prior - AE with mixture, coverage", found[2], found[3], 0.02),
        _difference("VAE with prior - AE with mixture, recall", found[4], found[5], 0.02),
        Component("VAE, diversity_prior", found[6], 0.5, 0.5),
    ]


def decoder_alone_fails(evidence: Evidence) -> list[Component] | str:
    """Claim 11: the squared error is that of the mean, neither less nor more (an untrained decoder's is more)."""
    if not evidence.is_squared:
        return "needs the squared reconstruction cost"
    found = _need(evidence, (DECODER, "diversity_prior"), (AE, "test_sse"), (AE, "test_fvu"))
    course = evidence.course(DECODER, "loss")
    if isinstance(found, str) or course is None:
        return found if isinstance(found, str) else f"needs the course of the loss of {DECODER}"
    ratio = course[1] / float(np.nanmean(found[1] / found[2]))
    return [
        Component("decoder-only, 1 - diversity_prior", 1 - found[0], 0.95, 0.05),
        Component("decoder-only, squared error / variance of the data", ratio, 0.95, 0.05),
        Component("decoder-only, minus that", -ratio, -1.05, 0.05),
    ]


def bounds_agree(evidence: Evidence) -> list[Component] | str:
    """Claim 12. The bound is iwae_1, the ELBO of the same rows and draws as iwae_100."""
    if not (evidence.is_linear and evidence.is_squared):
        return "needs linear networks (mlp[hidden=[]]) and the squared reconstruction cost"
    weight = evidence.kl_weights.get(VAE, float("nan"))
    found = _need(evidence, (VAE, "test_mse_sampled"), (VAE, "iwae_1"), (VAE, "iwae_100"))
    if isinstance(found, str) or not weight > 0:
        return found if isinstance(found, str) else "needs λ > 0"
    error, bound, likelihood = found
    ratio = error / (weight / 2)
    return [
        Component("linear VAE, eq. 2's error per dimension / s²", ratio, 0.95, 0.05),
        Component("linear VAE, minus that", -ratio, -1.05, 0.05),
        Component("linear VAE, minus (log-likelihood - ELBO) in nats", -(likelihood - bound), -0.2, 0.2),
    ]


def sampling_suffices(evidence: Evidence) -> list[Component] | str:
    """Claim 13."""
    others = [f"{SAE}[samples={s}]" for s in (5, 20)]
    found = _need(evidence, *((variant, "test_mse") for variant in (SAE, *others)))
    if isinstance(found, str):
        return found
    one = np.log(found[0])
    return [
        Component(f"{sign}ln(test_mse at S = 1 / at S = {s})", factor * (one - np.log(many)), -0.02, 0.02)
        for s, many in zip((5, 20), found[1:], strict=True)
        for sign, factor in (("", 1.0), ("minus ", -1.0))
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


def likelihood_prefers_simple(evidence: Evidence) -> list[Component] | str:
    """Claim 15: each held-out picture against its own 3×3 average; an even chance is a half."""
    found = _need(evidence, (VAE, "elbo_prefers_smooth"))
    return found if isinstance(found, str) else [Component("VAE, elbo_prefers_smooth", found[0], 0.6, 0.1)]


CLAIMS: tuple[Claim, ...] = (
    Claim(1, "eq. 1 overfits: a new x decodes badly", "the AE's test/train error ratio is the largest",
          "ratios of test to train error of AE, eq. 2 and VAE, converged, at each training-set size", overfits),
    Claim(2, "regularising improves generalisation", "the AE is worst on held-out data",
          "ratios of the held-out squared errors of AE, eq. 2 and VAE, converged", regularising_generalises),
    Claim(3, "eq. 2's noise fills the latent space", "decodes of the fitted Gaussian nearer to the data than the AE's",
          "energy distance to held-out data of decodes of the fitted Gaussian", noise_fills),
    Claim(4, "σ → 0 under eq. 2", "σ and the noise-to-signal ratio fall",
          "change of log median σ and log NSR from a fifth of the training to its end", sigma_vanishes),
    Claim(5, "the means run away under eq. 2", "the RMS of μ rises",
          "change of log RMS μ from a fifth of the training to its end", means_run_away),
    Claim(6, "the KL term stops both", "NSR stays away from 0, σ² + μ² ≈ 1",
          "NSR over training and against eq. 2, and σ² + mean μ² in each dimension of the VAE", kl_stops_both),
    Claim(7, "the KL term stops a unique z per x", "identification accuracy is low",
          "P[the most likely of N x given z ~ q(z|x) is that x] of the VAE, against 1/√N", no_unique_code),
    Claim(8, "similar x are packed together", "the VAE's codes are better neighbours",
          "trustworthiness and kNN accuracy, VAE against AE", similar_together),
    Claim(9, "interpolation is smooth", "the VAE's steps are more even and its paths more realistic",
          "unevenness U - 1 and excess distance, VAE against AE", smooth_interpolation),
    Claim(10, "the latent space is filled", "sampling the VAE's prior beats the AE with a fitted mixture",
          "energy distance, coverage, recall and diversity, in data space", prior_is_filled),
    Claim(11, "eq. 10 alone is inadequate", "a decoder trained on prior draws decodes the mean everywhere",
          "diversity and squared error of decoder-only", decoder_alone_fails),
    Claim(12, "eq. 13 is eq. 4", "a linear VAE at λ = 2s² is probabilistic PCA with a tight bound",
          "error per dimension over s², and log-likelihood minus ELBO", bounds_agree),
    Claim(13, "sampling estimates eq. 2 well enough", "the number of draws makes little difference",
          "held-out squared error at S = 1, 5 and 20 draws per step", sampling_suffices),
    Claim(14, "too much λ collapses the code", "active units fall to 0",
          "active units at the smallest and the largest λ", too_much_weight),
    Claim(15, "likelihood prefers simple pictures", "a picture's own average is likelier than the picture",
          "share of held-out pictures whose ELBO is below that of their 3×3 average (arXiv 1810.09136)",
          likelihood_prefers_simple),
)  # fmt: skip
