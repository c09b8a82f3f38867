"""Identification: separate and equal posteriors, ln N as the ceiling, the mutual information of a linear model."""

import dataclasses
import math

import pytest
import torch
from torch.distributions import Independent, Normal

from bench.metrics.functional.identify import log_density_table, scores_of_table
from bench.metrics.identification import Identification


def test_table_against_single_densities():
    mean, scale = torch.randn(6, 2), torch.rand(6, 2) + 0.1
    z = torch.randn(6, 2)
    table = log_density_table(Normal(mean, scale), z)
    for i in range(6):
        for j in range(6):
            assert table[i, j].item() == pytest.approx(Normal(mean[j], scale[j]).log_prob(z[i]).sum().item(), rel=1e-5)
    assert torch.allclose(table, log_density_table(Independent(Normal(mean, scale), 1), z))


def test_separate_and_equal_posteriors():
    apart = torch.full((50, 50), -1e4)
    apart.fill_diagonal_(0)
    identified, information = scores_of_table(apart)
    assert identified.mean() == 1 and information.mean().item() == pytest.approx(math.log(50))
    identified, information = scores_of_table(torch.zeros(50, 50))
    assert identified.mean().item() == pytest.approx(1 / 50)  # a tie is no identification
    assert information.mean().item() == pytest.approx(0, abs=1e-6)


def test_information_of_the_linear_optimum(toolbox, gaussian_split):
    """I(x; z) = Σ ½ ln(ℓⱼ/s²) = E KL there; with few nats the estimate reaches it from below."""
    s2 = 1.0
    truth = sum(0.5 * math.log(value / s2) for value in toolbox.eigenvalues if value > s2)
    measured = toolbox.evaluate(toolbox.linear_vae(s2), gaussian_split, Identification())
    assert measured["mutual_information_high"].value == pytest.approx(truth, abs=1e-3)
    assert measured["mutual_information_low"].value == pytest.approx(truth, abs=0.03)
    assert measured["identification_accuracy"].value < 0.05
    assert measured["collapsed_dimensions"].value == 3  # ℓ = .8, .3 and .2 are below s²


def test_many_nats_read_as_ln_n(toolbox, gaussian_split):
    base = toolbox.linear_vae(1e-4, latent_dim=6)
    measured = toolbox.evaluate(base, gaussian_split, Identification())
    assert measured["mutual_information_low"].value == pytest.approx(math.log(2000), abs=0.01)
    assert measured["mutual_information_high"].value > 15
    assert measured["identification_accuracy"].value > 0.99


def test_collapsed_posterior(toolbox, gaussian_split):
    nothing = dataclasses.replace(
        toolbox.linear_vae(1.0), posterior=lambda x: Normal(torch.zeros(len(x), 6), torch.ones(len(x), 6))
    )
    measured = toolbox.evaluate(nothing, gaussian_split, Identification())
    assert measured["identification_accuracy"].value == pytest.approx(1 / 2000)
    assert measured["collapsed_dimensions"].value == 6
