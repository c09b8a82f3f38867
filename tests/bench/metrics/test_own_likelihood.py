"""A likelihood that the variant declares gives every value that the cost's gives, and the same where it is the same."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch.distributions import Normal, StudentT

from bench.contracts.dataset import Split
from bench.evaluate.latent_density import joint_log_prob
from bench.losses import ReconstructionCost
from bench.metrics.annealed import Annealed
from bench.metrics.functional.importance import PAIRED, log_likelihood, prior_bound
from bench.metrics.importance import Importance
from bench.metrics.objective import Objective
from bench.metrics.validation import Validation

S2 = 0.25


def declared(model, density):
    """`model` with a likelihood of its own, p(x|z) = density(decode(z)), and no λ."""

    def own(z, x):
        return density(model.decode(z)).log_prob(x).sum(-1)

    return dataclasses.replace(model, log_likelihood=own, kl_weight=None)


def short():
    importance, annealed = Importance(), Annealed()
    importance.rows = annealed.rows = 30
    annealed.temperatures = 10
    return importance, annealed, Objective(), Validation()


def test_the_likelihood_of_the_cost_declared_as_ones_own_gives_the_same_values(toolbox):
    split = toolbox.gaussian_split(n_train=200, n_test=100)
    base = toolbox.linear_vae(S2)
    own = dataclasses.replace(declared(base, lambda mean: Normal(mean, S2**0.5)), variance=S2)
    one, other = (toolbox.evaluate(model, split, *short()) for model in (base, own))
    for name in ("test_neg_elbo", "iwae_1", "iwae_100", "iwae_5000", "iwae_gap_100", "ais_log_likelihood"):
        slack = 4 * (one[name].error or 0) + 1e-3
        assert other[name].value == pytest.approx(one[name].value, abs=slack), name
    assert other["decoder_variance"].value == S2
    spread = 8 * other["prior_bound"].error  # of 200 draws
    assert other["prior_bound"].value == pytest.approx(one["prior_bound"].value, abs=spread)
    assert "draws data" in other["ais_gap"].reason and one["ais_gap"].value is not None


def test_selection_and_elbo_take_the_declared_likelihood(toolbox):
    """-E ln p(x|Z) + E KL, which for a normal of variance s² has a closed form."""
    split = toolbox.gaussian_split(n_train=200, n_test=100)
    own = declared(toolbox.linear_vae(S2), lambda mean: Normal(mean, 0.8))
    measured = toolbox.evaluate(own, split, Validation(), Objective())
    ell = toolbox.eigenvalues
    error = (ell > S2).sum() * S2 + ell[ell <= S2].sum()
    kl = 0.5 * sum(math.log(value / S2) for value in ell if value > S2)
    expected = 4 * math.log(2 * math.pi * 0.64) + error / (2 * 0.64) + kl
    for name in ("val_calibrated_neg_elbo", "test_neg_elbo"):  # the parts have the same moments
        assert measured[name].value == pytest.approx(expected, abs=4 * measured[name].error + 1e-3), name


def test_a_heavy_tailed_likelihood_is_integrated_exactly(toolbox, gaussian_split):
    """One code dimension: IWAE at 5,000 draws against quadrature over z."""
    own = declared(toolbox.linear_vae(S2, latent_dim=1), lambda mean: StudentT(2.5, mean, 0.5))
    near = np.argsort(np.square(gaussian_split.test).sum(1))[:10]  # where the encoder's Gaussian covers p(z|x)
    few = Split(gaussian_split.train, gaussian_split.validation, gaussian_split.test[near])
    found = toolbox.evaluate(own, few, Importance())["iwae_5000"]
    x = toolbox.shared(few, 1).rows("test").x
    grid = torch.linspace(-8, 8, 4001)[:, None, None]  # (S, 1, 1)
    joint = own.log_likelihood(grid.expand(-1, len(x), 1), x) + joint_log_prob(own.prior(), grid)
    exact = torch.logsumexp(joint + math.log(16 / 4000), 0).mean()
    assert found.value == pytest.approx(float(exact), abs=4 * found.error + 2e-3)


@pytest.mark.parametrize("cost", [ReconstructionCost("laplace", 0.5), ReconstructionCost("student-t", 0.5, 3.0)])
def test_costs_that_are_densities_have_every_likelihood(cost, toolbox):
    split = toolbox.gaussian_split(n_train=200, n_test=100)
    model = dataclasses.replace(toolbox.linear_vae(S2), cost=cost, kl_weight=5.0)
    own = declared(model, cost.distribution)
    one, other = (toolbox.evaluate(each, split, *short()) for each in (model, own))
    for name in ("test_neg_elbo", "iwae_100", "prior_bound", "ais_log_likelihood", "val_calibrated_neg_elbo"):
        slack = 4 * (one[name].error + other[name].error) if name.startswith("ais") else 1e-3  # other draws
        assert other[name].value == pytest.approx(one[name].value, abs=slack), name
    assert "no decoder variance" in one["decoder_variance"].reason
    assert one["ais_gap"].value > 0


def test_the_bound_of_equation_9_is_the_mean_over_pairs(toolbox, gaussian_split):
    own = declared(toolbox.linear_vae(S2), lambda mean: StudentT(3.0, mean, 0.5))
    x, z = torch.as_tensor(gaussian_split.test[:20]), torch.randn(PAIRED + 50, 6)
    pairs = log_likelihood(own, z[:PAIRED, None].expand(-1, 20, 6), x)
    assert prior_bound(own, x, z)[0] == pytest.approx(float(pairs.mean()), rel=1e-5)


def test_grey_pixels_have_a_likelihood_where_the_variant_declares_one(toolbox, gaussian_split):
    model = dataclasses.replace(toolbox.linear_vae(S2), cost=ReconstructionCost("bernoulli"))
    own = declared(model, lambda mean: Normal(mean, 0.5))
    measured = toolbox.evaluate(own, gaussian_split, Objective())
    assert measured["test_neg_elbo"].value is not None
    assert "of its own" in measured["bernoulli_bound"].reason
