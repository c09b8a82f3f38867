"""Hyperbolic VAE: for curvature → 0 it is the VAE; draws by the hyperboloid model; the density by the Jacobian."""

import math

import pytest
import torch
from torch.distributions import Normal
from zoo import NAT, Draw64, assert_other_loss, assert_same_loss, data, model_of, terms

from bench.parts.hyperbolic import from_ball, log_volume, shifted, to_ball


def test_without_curvature_it_is_a_one_draw_vae():
    assert_same_loss(model_of("poincare", curvature=1e-8), model_of("iwae", samples=1), tolerance=1e-6)
    assert_other_loss(model_of("poincare", curvature=1.0), model_of("iwae", samples=1))


def lorentz(point, other):
    return -point[0] * other[0] + (point[1:] * other[1:]).sum()


def exponential(point, tangent):
    """exp of a tangent vector on the hyperboloid of curvature -1."""
    size = lorentz(tangent, tangent).clamp_min(1e-300).sqrt()
    return torch.cosh(size) * point + torch.sinh(size) / size * tangent


@pytest.mark.parametrize("curvature", [0.1, 1.0, 2.5])
def test_a_draw_is_transported_and_followed_as_on_the_hyperboloid(curvature):
    generator, root = torch.Generator().manual_seed(0), math.sqrt(curvature)
    for _ in range(5):
        mean, v = (torch.randn(3, generator=generator).double() for _ in range(2))
        origin, zero = torch.tensor([1.0, 0, 0, 0]).double(), torch.zeros(1).double()
        centre = exponential(origin, torch.cat([zero, root * mean]))
        tangent = torch.cat([zero, root * v])
        moved = tangent + lorentz(centre, tangent) / (1 - lorentz(origin, centre)) * (origin + centre)
        z = exponential(centre, moved)
        distance = torch.acosh(z[0])
        expected = distance / torch.sinh(distance) * z[1:] / root
        assert torch.allclose(shifted(v[None], mean[None], curvature)[0][0], expected, rtol=1e-6)


@pytest.mark.parametrize("curvature", [0.1, 2.5])
def test_the_log_determinant_is_that_of_the_jacobian(curvature):
    generator = torch.Generator().manual_seed(1)
    for _ in range(5):
        mean, v = (torch.randn(1, 3, generator=generator).double() for _ in range(2))
        jacobian = torch.autograd.functional.jacobian(lambda one: shifted(one[None], mean, curvature)[0][0], v[0])  # noqa: B023
        found = shifted(v, mean, curvature)[1]
        assert torch.allclose(found, torch.linalg.slogdet(jacobian)[1], rtol=1e-6, atol=1e-7)


def test_the_volume_factor_is_that_of_polar_coordinates():
    u = torch.tensor([[0.3, 0.0, 0.4], [3.0, 4.0, 0.0]]).double()
    expected = [2 * math.log(math.sinh(r) / r) for r in (0.5, 5.0)]
    assert torch.allclose(log_volume(u, 1.0), torch.tensor(expected, dtype=torch.float64), rtol=1e-8)


def test_coordinates_go_to_the_ball_and_back_up_to_its_edge():
    u = torch.randn(50, 3, generator=torch.Generator().manual_seed(2)) * 3
    assert to_ball(u, 1.0).norm(dim=-1).max() <= 1
    assert torch.allclose(from_ball(to_ball(u.double(), 0.5), 0.5), u.double(), rtol=1e-6, atol=1e-6)
    far = torch.tensor([[1e4, 0.0, 0.0]], requires_grad=True)
    back = from_ball(to_ball(far, 1.0), 1.0)
    (slope,) = torch.autograd.grad(back.sum(), [far])
    assert back.isfinite().all() and slope.isfinite().all()


def test_the_bound_by_hand_and_the_density_of_draws():
    model, x, draw = model_of("poincare", beta=2.0, curvature=1.0), data(), Draw64()
    found = terms(model, x, draw)
    mean, log_variance = model.moments(x)
    v = (0.5 * log_variance).exp() * draw.noted[0]
    z, change = shifted(v, mean, 1.0)
    log_q = Normal(0.0, (0.5 * log_variance).exp()).log_prob(v).sum(-1) - change
    kl = (log_q - Normal(0.0, 1.0).log_prob(z).sum(-1))[0]
    assert torch.allclose(found["loss"], model.reconstruction_cost(z, x) + 2.0 * NAT * kl, rtol=1e-10)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        z, log_q = model.posterior(x).sample_and_log_prob((3000,))
    wide = Normal(mean, 0.8)  # E_q of r/q is 1 for any density r
    ratio = (wide.log_prob(z).sum(-1) - log_q).exp()
    assert ((ratio.mean(0) - 1).abs() < 5 * ratio.std(0) / 3000**0.5).all()


def test_the_code_is_the_mean_and_has_a_gradient_at_the_origin():
    model, x = model_of("poincare"), data()
    assert torch.equal(model.encode(x), model.moments(x)[0])
    zero = torch.zeros(1, 3).double().requires_grad_()
    z, change = shifted(zero, torch.zeros(1, 3).double(), 1.0)
    (slope,) = torch.autograd.grad((z.sum() + change.sum()), [zero])
    assert torch.allclose(slope, torch.ones(1, 3).double(), atol=1e-5)
