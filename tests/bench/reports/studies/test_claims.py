"""Every claim can come out supported, contradicted and inconclusive, on planted data."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from bench.reports.studies import CLAIMS, Component
from bench.reports.studies.claim_tests import judge

SEEDS = 10
BY_NUMBER = {claim.number: claim for claim in CLAIMS}
SAE5, SAE20 = "stochastic-ae[samples=5]", "stochastic-ae[samples=20]"


@dataclass
class Planted:
    """Evidence with invented numbers: metrics and courses by (variant, name)."""

    metrics: dict[tuple[str, str], float]
    courses: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)
    noise: float = 1e-4
    kl_weights: dict[str, float] = field(default_factory=dict)
    is_linear: bool = True
    is_squared: bool = True

    def _seeds(self, centre: float, key: tuple) -> np.ndarray:
        rng = np.random.default_rng([ord(letter) for letter in "".join(map(str, key))])
        return centre + self.noise * rng.normal(size=SEEDS)

    def value(self, variant, metric):
        centre = self.metrics.get((variant, metric))
        return None if centre is None else self._seeds(centre, (variant, metric))

    def course(self, variant, term):
        ends = self.courses.get((variant, term))
        return None if ends is None else tuple(self._seeds(end, (variant, term, k)) for k, end in enumerate(ends))


def of(name, **values):
    """{(variant, name): value}; underscores stand for hyphens in variants."""
    return {(variant.replace("_", "-"), name): value for variant, value in values.items()}


def ratios(ae, sae, vae):
    return of("generalisation_ratio", ae=ae, stochastic_ae=sae, vae=vae)


def errors(ae, sae, vae):
    return of("test_mse", ae=ae, stochastic_ae=sae, vae=vae)


def holes(sae):
    return of("hole_fraction_vp", ae=0.3, stochastic_ae=sae) | of("hole_fraction_fit", ae=0.3, stochastic_ae=sae)


def stopped(change, floor, total):
    half = 0.5 * np.log(total / 2)
    metrics = of("log_median_sigma", vae=half) | of("log_rms_mu", vae=half)
    return metrics, {("vae", "log_nsr"): (floor, floor + change), ("stochastic-ae", "log_nsr"): (-6.0, -9.0)}


def neighbours(vae):
    return of("trustworthiness", ae=0.9, vae=0.9 + vae) | of("knn_accuracy", ae=0.9, vae=0.9 + vae)


def paths(gain):
    return of("interp_unevenness", ae=1.05, vae=1.05 - gain) | of("interp_realism", ae=0.95, vae=0.95 - gain)


def filled(gain):
    return (
        of("hole_fraction_mixture", ae=0.3) | of("hole_fraction_prior", vae=0.3 - gain)
        | of("coverage_mixture", ae=0.7) | of("coverage_prior", vae=0.7 + gain)
        | of("recall_mixture", ae=0.7) | of("recall_prior", vae=0.7 + gain) | of("diversity_prior", vae=0.9)
    )  # fmt: skip


def decoder(diversity, error):
    metrics = of("diversity_prior", decoder_only=diversity) | of("test_sse", ae=1.0) | of("test_fvu", ae=0.2)
    return metrics, {("decoder-only", "loss"): (9.0, 5.0 * error)}


def bounds(ratio, gap):
    return of("test_mse_sampled", vae=0.1 * ratio) | of("test_neg_elbo", vae=-3.0) | of("iwae_100", vae=3.0 + gap)


def draws(change):
    return {("stochastic-ae", "test_mse"): 1.0, (SAE5, "test_mse"): 1 - change, (SAE20, "test_mse"): 1 - change}


def units(small, large):
    return {("vae[beta=0.1]", "active_units"): small, ("vae[beta=100]", "active_units"): large}


WEIGHTS = {"vae": 0.2, "vae[beta=0.1]": 0.02, "vae[beta=100]": 20.0}
#: By claim: evidence that supports it, and evidence that contradicts it: metrics, or (metrics, courses).
CASES = {
    1: (ratios(1.4, 1.2, 1.1), ratios(1.2, 1.4, 1.1)),
    2: (errors(1.0, 0.9, 0.8), errors(1.0, 1.0, 1.0)),
    3: (holes(0.1), holes(0.3)),
    4: (({}, {("stochastic-ae", "log_median_sigma"): (-1, -3), ("stochastic-ae", "log_nsr"): (-1, -5)}),
        ({}, {("stochastic-ae", "log_median_sigma"): (-1, -1), ("stochastic-ae", "log_nsr"): (-1, -5)})),
    5: (({}, {("stochastic-ae", "log_rms_mu"): (0, 1)}), ({}, {("stochastic-ae", "log_rms_mu"): (0, 0)})),
    6: (stopped(0.0, -2.0, 1.0), stopped(-1.0, -2.0, 1.0)),
    7: (of("identification_accuracy", vae=0.2), of("identification_accuracy", vae=0.99)),
    8: (neighbours(0.05), neighbours(0.0)),
    9: (paths(0.04), paths(-0.01)),
    10: (filled(0.2), filled(-0.2)),
    11: (decoder(0.01, 1.0), decoder(0.5, 1.0)),
    12: (bounds(1.0, 0.05), bounds(1.0, 2.0)),
    13: (draws(0.001), draws(0.2)),
    14: (units(8.0, 0.0), units(8.0, 6.0)),
}  # fmt: skip


def planted(case, **changes):
    metrics, courses = case if isinstance(case, tuple) else (case, {})
    return Planted(metrics, courses, kl_weights=WEIGHTS, **changes)


def verdict(number, evidence):
    components = BY_NUMBER[number].test(evidence)
    assert not isinstance(components, str), components
    return judge([components])[0].verdict


def test_there_are_fourteen_claims_and_each_has_cases():
    assert sorted(BY_NUMBER) == sorted(CASES) == list(range(1, 15))
    for claim in CLAIMS:
        assert claim.text and claim.prediction and claim.method


@pytest.mark.parametrize("number", sorted(CASES))
def test_a_claim_is_supported_contradicted_and_open_as_planted(number):
    supports, contradicts = CASES[number]
    assert verdict(number, planted(supports)) == "supported"
    assert verdict(number, planted(contradicts)) == "contradicted"
    noise = 2.0 if number == 6 else 1e3  # claim 6 is about logarithms
    assert verdict(number, planted(supports, noise=noise)) == "inconclusive"


@pytest.mark.parametrize("number", sorted(CASES))
def test_a_claim_without_its_cells_says_what_is_missing(number):
    found = BY_NUMBER[number].test(Planted({}))
    assert isinstance(found, str) and found.startswith("needs")


@pytest.mark.parametrize("number", [11, 12])
def test_claims_about_squared_cost_need_it(number):
    assert "squared" in BY_NUMBER[number].test(planted(CASES[number][0], is_squared=False))


def test_the_bounds_need_linear_networks_and_collapse_a_range_of_weights():
    assert "linear" in BY_NUMBER[12].test(planted(CASES[12][0], is_linear=False))
    few = planted(CASES[14][0])
    few.kl_weights = {"vae": 0.1, "vae[beta=5]": 0.5}
    assert "three weights" in BY_NUMBER[14].test(few)


def test_no_effect_contradicts_once_effects_of_interest_are_excluded():
    tight = Component("x", 0.001 * np.random.default_rng(0).normal(size=SEEDS), 0.01, 0.01)
    wide = Component("x", 0.1 * np.random.default_rng(0).normal(size=SEEDS), 0.01, 0.01)
    assert judge([[tight]])[0].verdict == "contradicted"
    assert judge([[wide]])[0].verdict == "inconclusive"


def test_one_seed_decides_nothing():
    assert judge([[Component("x", np.array([5.0]), 0.0, 1.0)]])[0].verdict == "inconclusive"


def test_holm_runs_over_all_claims_judged_together():
    """Alone this effect is significant (p about .02); in a family of fourteen it is not."""
    values = np.random.default_rng(3).normal(size=SEEDS)
    values = (values - values.mean()) / values.std(ddof=1) + 0.9
    close = [Component("x", values, 0.0, 1.0)]
    null = [[Component("y", np.random.default_rng(k).normal(size=SEEDS), 0.0, 1.0)] for k in range(13)]
    assert judge([close])[0].verdict == "supported"
    assert judge([close, *null])[0].verdict == "inconclusive"


def test_wrong_verdicts_are_rare_at_the_threshold():
    """At an effect of exactly the threshold a family of 14 claims gives a verdict at most 5 % of the time."""
    rng = np.random.default_rng(0)
    wrong = []
    for _ in range(600):
        family = [[Component("x", rng.normal(1, 1, SEEDS), 1.0, 1.0)] for _ in range(14)]
        wrong.append(any(outcome.verdict != "inconclusive" for outcome in judge(family)))
    assert np.mean(wrong) <= 0.05 + 3 * (0.05 * 0.95 / 600) ** 0.5
