"""Cramér-Wold: without weight the plain autoencoder; the distance by quadrature over directions and over the line."""

import math

import pytest
import torch
from scipy.special import hyp1f1
from zoo import NAT, assert_other_loss, assert_same_loss, data, model_of, number, terms

from bench.errors import Incompatible
from bench.parts.divergences import cramer_wold


def test_without_weight_it_is_the_plain_autoencoder():
    assert_same_loss(model_of("cramer-wold", weight=0.0), model_of("ae"))
    assert_other_loss(model_of("cramer-wold"), model_of("ae"))


def test_the_loss_adds_the_logarithm_of_the_distance():
    model, x = model_of("cramer-wold", weight=3.0), data()
    z = model.encode(x)
    expected = model.reconstruction_cost(z, x) + 3.0 * NAT * cramer_wold(z).log()
    assert torch.allclose(terms(model, x)["loss"], expected, rtol=1e-12)


def by_quadrature(z, directions=4000):
    """The mean over directions of the squared L² distance of smoothed densities, on a fine grid of the line."""
    grid = torch.linspace(-14, 14, 1401).double()
    step, gamma = number(grid[1] - grid[0]), (4 / (3 * len(z))) ** 0.4
    units = torch.randn(directions, z.shape[1], generator=torch.Generator().manual_seed(0)).double()
    units /= units.norm(dim=1, keepdim=True)
    prior = torch.distributions.Normal(0.0, (1 + gamma) ** 0.5).log_prob(grid).exp()
    found = []
    for unit in units:
        kernel = torch.distributions.Normal((z @ unit)[:, None], gamma**0.5).log_prob(grid).exp().mean(0)
        found.append(number((kernel - prior).square().sum()) * step)
    return torch.tensor(found).double()


@pytest.mark.parametrize("scale", [0.3, 1.0, 2.0])
def test_the_distance_is_the_mean_over_directions_in_many_dimensions(scale):
    z = scale * torch.randn(6, 20, generator=torch.Generator().manual_seed(1)).double() + 0.2
    found = by_quadrature(z, 600)
    error = 5 * number(found.std()) / len(found) ** 0.5
    assert math.isclose(number(cramer_wold(z)), number(found.mean()), rel_tol=0.03, abs_tol=error)


@pytest.mark.parametrize("scale", [0.3, 1.0, 2.0])
def test_each_mean_over_directions_is_nearly_kummers_function(scale):
    """The mean of e^{-(vᵀz)² s} over directions is ₁F₁(½; L/2; -‖z‖² s)."""
    z = scale * torch.randn(6, 60, generator=torch.Generator().manual_seed(1)).double() + 0.2
    gamma = (4 / 18) ** 0.4
    pairs = hyp1f1(0.5, 30, -(torch.cdist(z, z).square() / (4 * gamma)).numpy()) / math.sqrt(4 * math.pi * gamma)
    width = 1 + 2 * gamma
    cross = hyp1f1(0.5, 30, -(z.square().sum(1) / (2 * width)).numpy()) / math.sqrt(2 * math.pi * width)
    expected = pairs.mean() + 1 / math.sqrt(4 * math.pi * (1 + gamma)) - 2 * cross.mean()
    assert math.isclose(number(cramer_wold(z)), expected, rel_tol=0.04)


def test_the_closed_form_by_loops():
    z = torch.randn(4, 3, generator=torch.Generator().manual_seed(3)).double()
    gamma, rows = (4 / 12) ** 0.4, z.tolist()
    own = [(gamma + sum((a - b) ** 2 for a, b in zip(x, y, strict=True)) / 3) ** -0.5 for x in rows for y in rows]
    cross = [(gamma + 0.5 + sum(a * a for a in x) / 3) ** -0.5 for x in rows]
    expected = (sum(own) / 16 + (1 + gamma) ** -0.5 - 2 * sum(cross) / 4) / (2 * math.sqrt(math.pi))
    assert math.isclose(number(cramer_wold(z)), expected, rel_tol=1e-9)


def test_it_is_least_at_draws_of_the_prior():
    z = torch.randn(400, 8, generator=torch.Generator().manual_seed(2)).double()
    assert all(cramer_wold(z) < cramer_wold(other) for other in (0.7 * z, 1.4 * z, z + 0.5))
    assert number(cramer_wold(z)) > 0 and cramer_wold(z[:1]).isfinite()


def test_one_dimension_is_refused():
    with pytest.raises(Incompatible, match="2 dimensions"):
        model_of("cramer-wold", latent=1)
