"""Codes that are not all of R^L, other priors than N(0, I), densities along draws: no number without a meaning."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch.distributions import Distribution, MultivariateNormal, Normal

from bench.contracts.metric import NEEDS
from bench.evaluate.control_models import pca
from bench.losses import ReconstructionCost
from bench.metrics.aggregate_posterior import AggregatePosterior
from bench.metrics.annealed import Annealed
from bench.metrics.collapse import Collapse
from bench.metrics.functional.classify import LabelledCodes, _drawn_neighbours, knn_accuracy
from bench.metrics.functional.disentangle import factorvae_score
from bench.metrics.functional.neighbour_ranks import neighbour_ranks, trustworthiness
from bench.metrics.functional_rank import FunctionalRank
from bench.metrics.identification import Identification
from bench.metrics.importance import Importance
from bench.metrics.interpolation import Interpolation
from bench.metrics.neighbourhood import Neighbourhood
from bench.metrics.rate import Rate
from bench.metrics.second_moment import SecondMoment

S2 = 0.25
SQUARED = ReconstructionCost("squared")


@pytest.fixture
def split(toolbox):
    return toolbox.gaussian_split(n_train=200, n_test=100)


def test_what_needs_all_of_the_code_space_says_so(toolbox, split):
    model = dataclasses.replace(toolbox.linear_vae(S2), euclidean=False)
    measured = toolbox.evaluate(model, split, Annealed(), FunctionalRank(), AggregatePosterior())
    for name in ("ais_log_likelihood", "functional_rank", "functional_rank_aggregate", "whitened_sliced_w2"):
        assert measured[name].value is None
        assert measured[name].reason == "not every point of the code space is a code"
    assert measured["prior_sliced_w2"].value is not None


def test_codes_of_a_finite_set_are_not_ranked_by_paths_that_are_their_decodes_alone(
    toolbox, digits_split, digits_shared
):
    """Such a path has no interior to lie far from data; how it jumps is measured all the same."""
    free = pca(digits_split, 4, SQUARED)
    steps = dataclasses.replace(free, decode=lambda z: free.decode(2 * z.sign()), discrete=True, euclidean=False)
    measured, plain = (toolbox.evaluate(one, digits_split, Interpolation(), shared=digits_shared)
                       for one in (steps, free))  # fmt: skip
    for name in ("interp_excess", "interp_excess_classifier", "interp_excess_same", "interp_excess_cross"):
        assert measured[name].value is None and measured[name].reason == NEEDS["path"] != plain[name].reason
    assert plain["interp_excess_classifier"].value is not None
    assert measured["interp_unevenness"].value > 2 > plain["interp_unevenness"].value


def test_distances_to_the_prior_are_in_its_own_units(toolbox, gaussian_split):
    """Codes and prior under one affine map give the same distances, and half the codes' spread is seen in both."""
    base = toolbox.linear_vae(S2)
    A = torch.tensor(np.random.default_rng(0).standard_normal((6, 6))).float() * 30
    plain = dataclasses.replace(
        base, posterior=None, prior=lambda: Normal(torch.zeros(6), torch.full((6,), 0.5), validate_args=False)
    )
    turned = dataclasses.replace(
        plain,
        encode=lambda x: base.encode(x) @ A.T,
        prior=lambda: MultivariateNormal(torch.zeros(6), 0.25 * A @ A.T, validate_args=False),
    )
    one, other = (toolbox.evaluate(model, gaussian_split, AggregatePosterior()) for model in (plain, turned))
    assert other["prior_sliced_w2"].value == pytest.approx(one["prior_sliced_w2"].value, rel=0.05)
    assert other["prior_sliced_w2_null"].value == pytest.approx(one["prior_sliced_w2_null"].value, rel=0.4)
    assert one["prior_sliced_w2"].value > 5 * one["prior_sliced_w2_null"].value


def test_a_prior_that_does_not_vary_where_codes_do_is_no_unit(toolbox, split):
    flat = torch.tensor([1.0, 1, 1, 1, 1, 1e-9])
    model = dataclasses.replace(toolbox.linear_vae(0.01), prior=lambda: Normal(torch.zeros(6), flat))
    measured = toolbox.evaluate(model, split, AggregatePosterior())
    assert "do not vary" in measured["prior_mmd"].reason and "do not vary" in measured["prior_sliced_w2"].reason
    still = dataclasses.replace(model, prior=lambda: Normal(torch.zeros(6), 0 * flat, validate_args=False))
    assert "constant" in toolbox.evaluate(still, split, AggregatePosterior())["prior_mmd"].reason


def test_thresholds_follow_the_scale_of_the_prior(toolbox, split):
    """z → z/100 with the prior: as many active units, the same FactorVAE score of the same codes."""
    base = toolbox.linear_vae(S2)

    def posterior(x):
        q = base.posterior(x)
        return Normal(q.loc / 100, q.scale / 100)

    small = dataclasses.replace(
        base, encode=lambda x: base.encode(x) / 100, posterior=posterior,
        decode=lambda z: base.decode(100 * z), prior=lambda: Normal(torch.zeros(6), torch.full((6,), 0.01)),
    )  # fmt: skip
    one, other = (toolbox.evaluate(model, split, Collapse())["active_units"].value for model in (base, small))
    assert one == other == 5
    rng = np.random.default_rng(0)
    factors = rng.integers(0, 4, (4000, 3))
    codes = np.concatenate([factors - 1.5, 0.1 * rng.standard_normal((4000, 1))], 1)
    scores = [
        factorvae_score(codes * scale, factors, np.random.default_rng(1), 0.05 * scale**2 * np.ones(4))
        for scale in (1.0, 0.01)
    ]
    assert scores[0] == scores[1] > 0.9


def test_second_moments_are_those_of_the_standard_normal_only(toolbox, split):
    model = toolbox.linear_vae(S2)
    assert toolbox.evaluate(model, split, SecondMoment())["second_moment_error"].value < 1e-3
    other = dataclasses.replace(model, prior=lambda: Normal(torch.zeros(6), torch.full((6,), 2.0)))
    assert toolbox.evaluate(other, split, SecondMoment())["second_moment_error"].reason == "the prior is not N(0, I)"


class Along(Distribution):
    """A posterior that gives its densities with its draws alone."""

    def __init__(self, normal):
        super().__init__(normal.loc.shape[:1], normal.loc.shape[1:], validate_args=False)
        self.normal = normal

    def sample_and_log_prob(self, shape=()):
        z = self.normal.sample(shape)
        return z, self.normal.log_prob(z).sum(-1)


def test_a_density_along_draws_gives_bounds_and_no_table_of_densities(toolbox, split):
    base = toolbox.linear_vae(S2)
    along = dataclasses.replace(base, posterior=lambda x: Along(base.posterior(x)))
    metrics = [Importance(), Identification(), Rate()]
    metrics[0].rows = 30
    one, other = (toolbox.evaluate(model, split, *metrics) for model in (base, along))
    assert other["iwae_5000"].value == pytest.approx(one["iwae_5000"].value, abs=1e-3)
    assert other["rate"].value == pytest.approx(one["rate"].value, abs=0.2)
    for name in ("identification_accuracy", "mutual_information_low"):
        assert one[name].value is not None
        assert "along its own draws only" in other[name].reason
    assert other["mutual_information_high"].value is not None


def discrete(toolbox, codes_of, posterior=None):
    model = toolbox.linear_vae(S2, latent_dim=2)
    return dataclasses.replace(
        model, encode=codes_of, posterior=posterior, prior=None, discrete=True, euclidean=False
    )  # fmt: skip


def test_the_rate_is_the_kl_or_the_entropy_of_discrete_codes(toolbox, gaussian_split):
    ell = toolbox.eigenvalues
    kl = 0.5 * sum(math.log(value / S2) for value in ell if value > S2)
    assert toolbox.evaluate(toolbox.linear_vae(S2), gaussian_split, Rate())["rate"].value == pytest.approx(kl, abs=1e-3)

    def quadrants(x):
        return (x[:, :2] > 0).float()  # independent signs of centred normals: four codes, ln 4

    found = toolbox.evaluate(discrete(toolbox, quadrants), gaussian_split, Rate())["rate"].value
    share = np.unique(gaussian_split.test[:, :2] > 0, axis=0, return_counts=True)[1] / 2000
    assert found == pytest.approx(-(share * np.log(share)).sum() + 3 / 4000, rel=1e-5)
    assert found == pytest.approx(math.log(4), abs=0.01)
    fine = toolbox.evaluate(discrete(toolbox, lambda x: x[:, :2]), gaussian_split, Rate())["rate"]
    assert fine.status == "too_few" and "2000 distinct codes" in fine.reason
    plain = dataclasses.replace(toolbox.linear_vae(S2), posterior=None)
    assert "neither" in toolbox.evaluate(plain, gaussian_split, Rate())["rate"].reason


def test_coinciding_codes_are_ranked_in_random_order():
    """Codes that say nothing are worth what chance is, in whatever order their rows come: T = 1 - E[penalty]."""
    data = torch.arange(60.0)[:, None]  # neighbours in the data are neighbours in the order of rows
    ranks = neighbour_ranks(data)
    constant = torch.zeros(60, 1)
    chance = [
        trustworthiness(ranks, neighbour_ranks(torch.randn(60, 1, generator=torch.Generator().manual_seed(s))), 5)
        for s in range(20)
    ]
    found = [trustworthiness(ranks, neighbour_ranks(constant, torch.Generator().manual_seed(s)), 5) for s in range(20)]
    assert np.mean(found) == pytest.approx(np.mean(chance), abs=4 * np.std(chance) / 20**0.5)
    tied = neighbour_ranks(constant, torch.Generator().manual_seed(0))
    assert not (tied[0, 2:] == tied[1, 2:]).all()  # a new order for every row
    assert (tied.sort(1).values == torch.arange(60)).all() and (tied.diagonal() == 0).all()


def test_neighbourhoods_of_discrete_codes_do_not_depend_on_the_order_of_equal_rows(toolbox, gaussian_split):
    model = discrete(toolbox, lambda x: (x[:, :2] > 0).float())
    values = [
        toolbox.evaluate(model, gaussian_split, Neighbourhood())[n].value for n in ("trustworthiness", "continuity")
    ]
    assert all(0.5 < value < 1 for value in values)


def test_which_of_coinciding_codes_vote_is_drawn_for_every_query():
    """One cell, 30 % of class 1, whose rows come first: ten fixed voters would all be of class 1."""
    n = 400
    labels = (np.arange(n) < 0.3 * n).astype(int)
    rng = np.random.default_rng(0)
    codes = {"train": torch.zeros(n, 2), "test": torch.zeros(1000, 2)}
    codes["train"][-1] = 5.0  # so that the codes vary
    found = knn_accuracy(LabelledCodes(codes, {"train": labels, "test": (rng.random(1000) < 0.3).astype(int)}))
    assert 0.55 < found < 0.75
    voters = _drawn_neighbours(
        np.zeros((20, 2)), np.array([[0.0, 0.0], [5.0, 5.0]]), (np.arange(n) == n - 1).astype(int), 10, 0
    )
    assert len(np.unique(np.sort(voters, 1), axis=0)) == 20 and not (voters == n - 1).any()


def test_distinct_codes_vote_as_before(digits_split):
    labels = {part: getattr(digits_split, f"{part}_labels") for part in ("train", "test")}
    codes = {part: torch.as_tensor(getattr(digits_split, part).reshape(-1, 64)) for part in labels}
    plain = knn_accuracy(LabelledCodes(codes, labels))
    doubled = {**codes, "train": torch.cat([codes["train"], codes["train"][:1]])}
    twice = LabelledCodes(doubled, {**labels, "train": np.append(labels["train"], labels["train"][0])})
    assert knn_accuracy(twice) == pytest.approx(plain, abs=0.006)
