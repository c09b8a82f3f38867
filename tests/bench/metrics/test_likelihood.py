"""Likelihood: exact log p of the linear-Gaussian model from IWAE, AIS and eq. 9; Bernoulli floors; calibration."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch.distributions import Normal

from bench.contracts.dataset import Split
from bench.contracts.model import Model
from bench.evaluate.control_models import constant
from bench.evaluate.evaluate import evaluate
from bench.evaluate.model_view import View
from bench.evaluate.reference_data import SharedData
from bench.losses import ReconstructionCost
from bench.metrics.annealed import Annealed
from bench.metrics.calibration import Calibration
from bench.metrics.functional.annealing import AnnealedChains, simulate
from bench.metrics.functional.importance import (
    importance_bounds,
    log_likelihood,
    log_weights,
    paired_gap,
    prior_bound,
)
from bench.metrics.functional.likelihoods import (
    bernoulli_cost,
    calibrated_gaussian_nll,
    continuous_bernoulli_log_constant,
    entropy_floor,
)
from bench.metrics.importance import Importance, likelihood_x
from bench.metrics.objective import Objective

SQUARED = ReconstructionCost("squared")
S2 = 0.25


def exact_log_p(toolbox, latent_dim: int, x: np.ndarray) -> np.ndarray:
    """log N(x; 0, W Wᵀ + s² I) of the linear model of `toolbox.linear_vae`."""
    variances = np.full(len(toolbox.eigenvalues), S2)
    live = toolbox.eigenvalues[:latent_dim] > S2
    variances[:latent_dim][live] = toolbox.eigenvalues[:latent_dim][live]
    return -0.5 * (np.log(2 * np.pi * variances) + x.astype(float) ** 2 / variances).sum(1)


def test_exact_posterior_has_zero_variance_at_every_k(toolbox, gaussian_split):
    model, x = toolbox.linear_vae(S2), torch.as_tensor(gaussian_split.test[:40])
    weights = log_weights(model, x, 200, torch.Generator().manual_seed(0))
    expected = exact_log_p(toolbox, 6, gaussian_split.test[:40])
    assert weights.numpy() == pytest.approx(np.repeat(expected[:, None], 200, 1), abs=2e-4)
    for bound, error in importance_bounds(weights, (1, 10, 200)).values():
        assert bound == pytest.approx(expected.mean(), abs=1e-4)
        assert error < 1e-4


def test_wrong_posterior_costs_its_kl_at_k_1_and_nothing_in_the_limit(toolbox, gaussian_split):
    """q with inflated σ: IWAE_1 = log p - KL(q ‖ posterior), growing with K towards log p."""
    base, factor = toolbox.linear_vae(S2), 1.5

    def wide(x):
        q = base.posterior(x)
        return Normal(q.loc, q.scale * factor, validate_args=False)

    x = torch.as_tensor(gaussian_split.test[:100])
    weights = log_weights(dataclasses.replace(base, posterior=wide), x, 5000, torch.Generator().manual_seed(0))
    bounds = importance_bounds(weights, (1, 10, 100, 1000, 5000))
    log_p = exact_log_p(toolbox, 6, gaussian_split.test[:100]).mean()
    kl = 6 * (0.5 * (factor**2 - 1) - math.log(factor))
    assert bounds[1][0] == pytest.approx(log_p - kl, abs=4 * bounds[1][1] + 1e-3)
    values = [bounds[count][0] for count in (1, 10, 100, 1000, 5000)]
    assert values == sorted(values)
    assert values[-1] == pytest.approx(log_p, abs=4 * bounds[5000][1] + 2e-3)
    assert 0 < bounds[5000][1] < 0.01


def test_bounds_do_not_overflow():
    weights = torch.full((3, 100), -20_000.0)
    assert importance_bounds(weights, (1, 100))[100][0] == pytest.approx(-20_000)


def test_effective_samples_and_rows(toolbox, gaussian_split):
    few = dataclasses.replace(gaussian_split, test=gaussian_split.test[:100])
    measured = toolbox.evaluate(toolbox.linear_vae(S2), few, Importance())
    assert measured["iwae_effective_samples"].value == pytest.approx(5000, rel=1e-3)
    assert measured["iwae_5000"].value == pytest.approx(measured["iwae_1"].value, abs=1e-3)


def test_every_likelihood_of_the_constant_decoder_agrees_on_the_same_rows(toolbox):
    """It ignores its code, so that ELBO, IWAE at every K, eq. 9 and annealing are one number: ln N(x; x̄, s² I)."""
    split = toolbox.gaussian_split(n_train=500, n_test=120)
    model = constant(split, 3, SQUARED)
    annealed = Annealed()
    annealed.temperatures = 10
    measured = toolbox.evaluate(model, split, Importance(), annealed, Objective())
    s2 = model.decoder_variance
    mean = split.train.mean(0)
    exact = float((-0.5 * ((split.test - mean) ** 2 / s2 + np.log(2 * np.pi * s2)).sum(1)).mean())
    assert measured["likelihood_rows"].value == 120
    assert -measured["test_neg_elbo"].value == pytest.approx(exact, abs=2e-3)
    for name in ("iwae_1", "iwae_100", "iwae_5000", "prior_bound", "ais_log_likelihood"):
        assert measured[name].value == pytest.approx(exact, abs=2e-3), name
    assert measured["iwae_gap_100"].value == pytest.approx(0, abs=1e-4)
    assert measured["iwae_effective_samples_min"].value == pytest.approx(5000, rel=1e-3)


def rows_of(toolbox, n_test: int, wanted="auto", d: int = 8):
    """How many of `n_test` rows of d numbers the likelihoods use."""
    data = np.zeros((n_test, d), np.float32)
    shared = SharedData(Split(data[:2], data[:2], data), SQUARED, 3, likelihood_rows=wanted)
    return len(likelihood_x(View(constant(shared.split, 3, SQUARED), shared)))


def test_likelihoods_use_all_rows_where_that_is_cheap_and_as_many_as_asked_for(toolbox):
    assert rows_of(toolbox, 360, d=64) == 360 and rows_of(toolbox, 9000) == 9000
    assert rows_of(toolbox, 2000, d=64) == 2**29 // (5000 * 64) == 1677
    assert rows_of(toolbox, 2000, d=784) == 500  # MNIST
    assert rows_of(toolbox, 2000, "all", d=784) == 2000
    assert rows_of(toolbox, 2000, 900, d=784) == 900 and rows_of(toolbox, 50, 900) == 50


@pytest.mark.parametrize("asked", [70, "all"])
def test_importance_and_annealing_use_the_same_rows_as_asked_for(toolbox, gaussian_split, asked):
    """The exact values over the first rows of the fixed random order."""
    annealed = Annealed()
    shared = SharedData(gaussian_split, SQUARED, 6, likelihood_rows=asked)
    rows = shared.rows("test").flat[: None if asked == "all" else asked].numpy()
    few = dataclasses.replace(gaussian_split, test=gaussian_split.test[:150])
    if asked == "all":
        shared = SharedData(few, SQUARED, 6, likelihood_rows=asked)
        rows = few.test
    measured = evaluate(toolbox.linear_vae(S2), shared.split, [Importance(), annealed], shared=shared).values
    assert measured["likelihood_rows"].value == len(rows)
    exact = exact_log_p(toolbox, 6, rows).mean()
    assert [measured[name].value for name in ("iwae_1", "iwae_5000")] == pytest.approx([exact, exact], abs=1e-3)
    assert measured["ais_log_likelihood"].value == pytest.approx(exact, abs=0.15)


def test_blocks_of_rows_change_nothing(toolbox, gaussian_split, monkeypatch):
    """64 rows are decoded at a time, so that blocks of 128 see the same draws as one block."""
    model = toolbox.linear_vae(S2)
    wide = dataclasses.replace(
        model, posterior=lambda x: Normal(model.posterior(x).loc, 1.5 * model.posterior(x).scale, validate_args=False)
    )
    few = dataclasses.replace(gaussian_split, test=gaussian_split.test[:300])
    whole = toolbox.evaluate(wide, few, Importance())
    monkeypatch.setattr("bench.metrics.importance._BLOCK", 128)
    parts = toolbox.evaluate(wide, few, Importance())
    assert whole["iwae_1000"].value != whole["iwae_1"].value
    for name, entry in whole.items():
        assert parts[name].value == pytest.approx(entry.value, rel=1e-12), name
        assert (parts[name].error or 0) == pytest.approx(entry.error or 0, rel=1e-9), name


def test_the_paired_gap_is_the_difference_of_bounds_with_less_error(toolbox, gaussian_split):
    """q with inflated σ: what bounds share cancels, and the error of the gap is below that of their difference."""
    base = toolbox.linear_vae(S2)

    def wide(x):
        return Normal(base.posterior(x).loc, base.posterior(x).scale * 1.5, validate_args=False)

    x = torch.as_tensor(gaussian_split.test[:60])
    weights = log_weights(dataclasses.replace(base, posterior=wide), x, 2000, torch.Generator().manual_seed(0))
    bounds = importance_bounds(weights, (1, 100))
    gap, error = paired_gap(weights, 1, 100)
    assert gap == pytest.approx(bounds[100][0] - bounds[1][0], abs=1e-9)
    assert 0 < error < 1.2 * (bounds[1][1] ** 2 + bounds[100][1] ** 2) ** 0.5
    others = [
        paired_gap(
            log_weights(dataclasses.replace(base, posterior=wide), x, 2000, torch.Generator().manual_seed(seed)), 1, 100
        )[0]
        for seed in range(1, 13)
    ]
    assert error == pytest.approx(np.std(others, ddof=1), rel=0.8)


def test_effective_samples_have_a_minimum_and_quantiles(toolbox, gaussian_split):
    """One row in ten is met by a posterior of a fiftieth of the width: the mean hardly shows it, the minimum does."""
    base = toolbox.linear_vae(S2)

    def posterior(x):
        q = base.posterior(x)
        bad = torch.arange(len(x))[:, None] % 10 == 0
        return Normal(q.loc, torch.where(bad, q.scale / 50, q.scale), validate_args=False)

    few = dataclasses.replace(gaussian_split, test=gaussian_split.test[:50])
    measured = toolbox.evaluate(dataclasses.replace(base, posterior=posterior), few, Importance())
    of = {key: measured[f"iwae_effective_samples{key}"].value for key in ("", "_min", "_q10", "_median")}
    assert of["_min"] < 500 < of[""] < of["_median"] == pytest.approx(5000, rel=1e-3)
    assert of["_min"] <= of["_q10"] <= of["_median"]


def test_bernoulli_on_grey_pixels_is_no_likelihood(toolbox, gaussian_split):
    """The sum of cost and KL keeps its name, and binary pixels their likelihood."""
    grey = Split(*(1 / (1 + np.exp(-getattr(gaussian_split, part)[:60])) for part in ("train", "validation", "test")))
    binary = Split(*(np.round(getattr(grey, part)) for part in ("train", "validation", "test")))
    drawn = dataclasses.replace(grey, binarise="dynamic", likelihoods=("bernoulli",))
    model = dataclasses.replace(toolbox.linear_vae(S2), cost=ReconstructionCost("bernoulli"))
    for split, likely in ((grey, False), (binary, True), (drawn, True)):
        measured = toolbox.evaluate(model, split, Objective())
        assert measured["bernoulli_bound"].value is not None
        if likely:
            assert measured["test_neg_elbo"].value == measured["bernoulli_bound"].value
        else:
            assert "no likelihood" in measured["test_neg_elbo"].reason
            assert "no likelihood" in toolbox.evaluate(model, split, Importance())["iwae_1"].reason


def scalar_model(w: float, s2: float) -> Model:
    return Model(
        "scalar",
        1,
        (1,),
        ReconstructionCost("squared"),
        decode=lambda z: w * z,
        decode_params=lambda z: w * z,
        prior=lambda: Normal(torch.zeros(1), torch.ones(1), validate_args=False),
        kl_weight=2 * s2,
    )


@pytest.mark.parametrize(("w", "expected"), [(2.0, -11.606), (0.0, -3.606)])
def test_equation_9_by_its_closed_form(w, expected):
    """w = 2, s = .5, x = 1.3: eq. 9 gives -11.606, and more (-3.606) for a decoder that ignores z."""
    z = torch.randn(200_000, 1, generator=torch.Generator().manual_seed(0))
    bound, error = prior_bound(scalar_model(w, 0.25), torch.tensor([[1.3]]), z)
    assert bound == pytest.approx(expected, abs=4 * error + 1e-3)


@pytest.mark.parametrize("cost", [ReconstructionCost("squared"), ReconstructionCost("bernoulli")])
def test_prior_bound_is_the_mean_over_all_pairs(cost, toolbox, gaussian_split):
    x = torch.as_tensor(gaussian_split.test[:20]).sigmoid()
    z = torch.randn(30, 6, generator=torch.Generator().manual_seed(0))
    model = dataclasses.replace(toolbox.linear_vae(S2), cost=cost)
    pairs = log_likelihood(model, z[:, None].expand(30, 20, 6).contiguous(), x)
    assert prior_bound(model, x, z)[0] == pytest.approx(pairs.mean().item(), rel=1e-5)


def test_fast_bernoulli_likelihood_is_the_cost(toolbox, gaussian_split):
    x = torch.as_tensor(gaussian_split.test[:20]).sigmoid()
    model = dataclasses.replace(toolbox.linear_vae(S2), cost=ReconstructionCost("bernoulli"))
    z = torch.randn(3, 20, 6, generator=torch.Generator().manual_seed(0))
    assert log_likelihood(model, z, x).numpy() == pytest.approx(
        -model.cost(model.decode_params(z), x).numpy(), rel=1e-5
    )


def test_annealed_chains_bracket_the_exact_value(toolbox, gaussian_split):
    model = toolbox.linear_vae(S2)
    z = torch.randn(40, 6, generator=torch.Generator().manual_seed(0))
    z, x = simulate(model, z, torch.Generator().manual_seed(1))
    exact = torch.as_tensor(exact_log_p(toolbox, 6, x.numpy()))

    def errors(temperatures):
        chains = AnnealedChains(model, torch.Generator().manual_seed(2), temperatures)
        steps = chains.step_sizes(x)
        return (chains.forward(x, steps)[0].double() - exact, chains.reverse(x, z, steps)[0].double() - exact)

    for error in errors(300):  # .06 for what annealing of this length leaves, on either side
        assert abs(error.mean()) < 4 * error.std() / 40**0.5 + 0.06
    low, high = errors(4)  # far too little annealing: clearly too low, and clearly too high
    assert low.mean() < -0.3 and high.mean() > 0.3


def test_annealed_row(toolbox, gaussian_split):
    few = dataclasses.replace(gaussian_split, test=gaussian_split.test[:100])
    measured = toolbox.evaluate(toolbox.linear_vae(S2), few, Annealed())
    rows = few.test
    assert measured["ais_log_likelihood"].value == pytest.approx(exact_log_p(toolbox, 6, rows).mean(), abs=0.15)
    assert 0 <= measured["ais_gap"].value < 0.5


def test_the_error_of_the_gap_is_its_spread_over_repetitions(toolbox, gaussian_split):
    few, annealed = dataclasses.replace(gaussian_split, test=gaussian_split.test[:40]), Annealed()
    annealed.temperatures = 4
    found = [toolbox.evaluate(toolbox.linear_vae(S2), few, annealed, seed=seed)["ais_gap"] for seed in range(24)]
    spread = np.std([gap.value for gap in found], ddof=1)
    assert np.mean([gap.error for gap in found]) == pytest.approx(spread, rel=0.5)


def test_bernoulli_floor_and_continuous_bernoulli_by_quadrature():
    from scipy.integrate import quad

    x = torch.tensor([[0.0, 0.3, 1.0]])
    assert entropy_floor(x).item() == pytest.approx(-(0.3 * math.log(0.3) + 0.7 * math.log(0.7)), rel=1e-5)
    perfect = torch.logit(x.clamp(1e-6, 1 - 1e-6))
    assert (bernoulli_cost(perfect, x) - entropy_floor(x)).item() == pytest.approx(0, abs=1e-4)
    for p in (0.5, 0.4999, 0.1, 0.97):
        mass = quad(lambda t, p=p: p**t * (1 - p) ** (1 - t), 0, 1)[0]
        logit = torch.tensor(math.log(p / (1 - p)), dtype=torch.float64)
        assert continuous_bernoulli_log_constant(logit).item() == pytest.approx(-math.log(mass), abs=1e-9)
    assert continuous_bernoulli_log_constant(torch.tensor(0.0)).item() == pytest.approx(math.log(2))


def test_calibrated_gaussian_nll(toolbox, gaussian_split):
    """D_q is the same on train and test, so that NLL = d/2 (ln 2πŝ² + 1) with ŝ² = D_q/d."""
    measured = toolbox.evaluate(toolbox.linear_vae(S2), gaussian_split, Calibration())
    ell = toolbox.eigenvalues
    variance = ((ell > S2).sum() * S2 + ell[ell <= S2].sum()) / 8
    assert measured["gaussian_variance"].value == pytest.approx(variance, rel=0.01)
    assert measured["gaussian_nll"].value == pytest.approx(4 * (math.log(2 * math.pi * variance) + 1), abs=0.06)
    assert measured["bernoulli_excess"].reason == "the reconstruction cost is not bernoulli"
    assert calibrated_gaussian_nll(2.0, 0.5, 3) == pytest.approx(1.5 * math.log(math.pi) + 2)


def test_bernoulli_values_refuse_data_outside_the_unit_interval(toolbox, gaussian_split):
    model = dataclasses.replace(toolbox.linear_vae(S2), cost=ReconstructionCost("bernoulli"))
    assert "[0, 1]" in toolbox.evaluate(model, gaussian_split, Calibration())["bernoulli_excess"].reason
