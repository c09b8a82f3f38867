"""The conformance suite of samplers fails each planted fault under the check that is about it."""

import pytest
import torch
from torch.distributions import Independent, MultivariateNormal, Normal

from bench.conformance.sampler import CHECKS, check_sampler
from bench.contracts.sampler import Sampler


class Good(Sampler):
    """N(m, S)."""

    unimodal = True

    def fit(self, codes, generator):
        return MultivariateNormal(codes.mean(0), torch.cov(codes.T))


class Unknown(Good):
    spaces = ("sphere",)


class NoDensity(Good):
    def fit(self, codes, generator):
        return codes


class Narrow(Good):
    def fit(self, codes, generator):
        return MultivariateNormal(codes.mean(0)[:2], torch.eye(2))


class Standard(Good):
    def fit(self, codes, generator):
        return Independent(Normal(codes.mean(0), 0.5 * codes.std(0)), 1)


class OwnSeed(Good):
    def fit(self, codes, generator):
        torch.seed()
        return MultivariateNormal(codes.mean(0) + 1e-3 * torch.randn(codes.shape[1]), torch.cov(codes.T))


class OneMode(Good):
    unimodal = False


class Unnormalised(Good):
    def fit(self, codes, generator):
        density = super().fit(codes, generator)
        whole = density.log_prob
        density.log_prob = lambda z: whole(z) + 0.2
        return density


def test_a_good_one_passes_and_the_check_of_two_modes_does_not_apply():
    outcomes = {check.name: check.passed for check in check_sampler(Good(), 2)}
    assert [name for name, passed in outcomes.items() if passed is not True] == ["it keeps two modes apart"]
    assert len(outcomes) == len(CHECKS)


@pytest.mark.parametrize(
    ("kind", "name", "why"),
    [
        (Unknown, "it declares the code spaces that it can be fitted in", "sphere; known: euclidean"),
        (NoDensity, "fit returns a torch distribution", "fit returns Tensor"),
        (Narrow, "draws are finite and have the codes' shape", "expected (4000, 3)"),
        (Standard, "it fits a normal distribution", "covariance"),
        (OwnSeed, "equal generators give equal draws", "other draws"),
        (OneMode, "it keeps two modes apart", "between two modes"),
        (Unnormalised, "log_prob is a density", "and not to 1"),
    ],
)
def test_a_fault_fails_its_check(kind, name, why):
    failed = {check.name: check.detail for check in check_sampler(kind()) if check.passed is False}
    assert why in failed[name], failed
