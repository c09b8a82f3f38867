"""The von Mises-Fisher law against scipy: normaliser, KL, draws, and the gradient of draws."""

import math

import pytest
import torch
from scipy.special import ive
from scipy.stats import vonmises_fisher

from bench.parts.sphere import PROPOSALS, Cosine, UniformOnSphere, VonMisesFisher, log_area, unit

KAPPAS = torch.tensor([1e-3, 0.3, 2.0, 30.0, 300.0, 1000.0]).double()


def bessel_kl(kappa, dimension):
    """κ I_{L/2}/I_{L/2-1} + ln C_L(κ) + ln area, by scipy's scaled Bessel functions."""
    order = dimension / 2 - 1
    log_c = order * math.log(kappa) - dimension / 2 * math.log(2 * math.pi) - math.log(ive(order, kappa)) - kappa
    return kappa * ive(order + 1, kappa) / ive(order, kappa) + log_c + log_area(dimension)


@pytest.mark.parametrize("dimension", [2, 3, 8, 20, 64])
def test_the_kl_is_that_of_bessel_functions(dimension):
    expected = torch.tensor([bessel_kl(float(kappa), dimension) for kappa in KAPPAS]).double()
    assert torch.allclose(Cosine(dimension).kl(KAPPAS), expected, rtol=1e-8, atol=1e-8)
    assert torch.allclose(Cosine(dimension).kl(KAPPAS.float()).double(), expected, rtol=1e-4, atol=1e-4)


def test_without_concentration_it_is_uniform():
    kappa = torch.zeros(1).double().requires_grad_()
    kl = Cosine(4).kl(kappa)
    (slope,) = torch.autograd.grad(kl.sum(), [kappa])
    assert kl.abs() < 1e-12 and slope.abs() < 1e-12
    q = VonMisesFisher(unit(torch.ones(1, 4).double()), torch.zeros(1).double(), Cosine(4))
    z = unit(torch.randn(5, 1, 4, generator=torch.Generator().manual_seed(0)).double())
    assert torch.allclose(q.log_prob(z), UniformOnSphere(4, z).log_prob(z), rtol=1e-10)


def test_the_density_is_scipys():
    direction = unit(torch.tensor([[1.0, -2.0, 0.5]]).double())
    q = VonMisesFisher(direction, torch.tensor([7.0]).double(), Cosine(3))
    z = unit(torch.randn(6, 1, 3, generator=torch.Generator().manual_seed(0)).double())
    expected = vonmises_fisher(direction[0].numpy(), 7.0).logpdf(z[:, 0].numpy())
    assert torch.allclose(q.log_prob(z)[:, 0], torch.from_numpy(expected), rtol=1e-9)


def draws(kappa, dimension, count=40_000):
    generator = torch.Generator().manual_seed(1)
    normal = torch.randn(PROPOSALS, count, dimension, generator=generator).double()
    uniform = torch.rand(PROPOSALS, count, generator=generator).double()
    return Cosine(dimension).draw(kappa.expand(count), normal, uniform)


@pytest.mark.parametrize("dimension", [2, 3, 10])
@pytest.mark.parametrize("kappa", [0.5, 5.0, 100.0])
def test_cosines_have_the_mean_and_its_slope(dimension, kappa):
    kappa = torch.tensor(kappa).double().requires_grad_()
    w = draws(kappa, dimension)
    expected = Cosine(dimension).mean(kappa[None])
    assert (w.mean() - expected).abs() < 5 * w.std() / len(w) ** 0.5
    (slope,) = torch.autograd.grad(w.mean(), [kappa])
    (exact,) = torch.autograd.grad(expected.sum(), [kappa])
    assert math.isclose(float(slope), float(exact), rel_tol=0.05)


def test_the_slope_keeps_the_quantile():
    """F(w; κ), by a fine sum, stays what it is when κ moves and w with it."""
    cosine, kappa, step = Cosine(5), torch.tensor([4.0]).double(), 1e-2

    def below(w, kappa):
        grid = torch.linspace(-1, 1, 400_001).double()
        density = (kappa * (grid - 1)).exp() * (1 - grid.square()).clamp_min(0)
        return float(density[grid <= w].sum() / density.sum())

    for w in (-0.3, 0.4, 0.9):
        slope = float(cosine._slope(torch.tensor([w]).double(), kappa))
        assert math.isclose(below(w + slope * step, 4.0 + step), below(w, 4.0), abs_tol=5e-5)


def test_draws_lie_on_the_sphere_around_their_mean():
    direction = unit(torch.tensor([[1.0, -2.0, 0.5, 1.0]]).double())
    with torch.random.fork_rng():
        torch.manual_seed(0)
        z = VonMisesFisher(direction, torch.tensor([3.0]).double(), Cosine(4)).sample((20_000,))
        flat = UniformOnSphere(4, z).sample((20_000,))
    assert torch.allclose(z.norm(dim=-1), torch.ones(()).double()) and z.shape == (20_000, 1, 4)
    expected = Cosine(4).mean(torch.tensor([3.0]).double()) * direction[0]
    assert torch.allclose(z.mean((0, 1)), expected, atol=5 / 20_000**0.5)
    assert torch.allclose(flat.mean(0), torch.zeros(4).double(), atol=5 / 20_000**0.5)
    assert torch.allclose(flat.norm(dim=-1), torch.ones(()).double())
