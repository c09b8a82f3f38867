"""Hamiltonian VAE: no steps is the VAE; steps are reversible, all together keep volume; the bound by hand."""

import math

import pytest
import torch
from torch.distributions import Normal
from zoo import NAT, Draw64, assert_other_loss, assert_same_loss, data, model_of, number, terms

from bench.errors import UsageError
from bench.parts.flows import cooling_roots, leapfrog


def test_without_steps_it_is_a_one_draw_vae():
    assert_same_loss(model_of("hamiltonian", steps=0), model_of("iwae", samples=1), tolerance=1e-12)
    assert_other_loss(model_of("hamiltonian"), model_of("iwae", samples=1))


def start(rows=4):
    generator = torch.Generator().manual_seed(0)
    return (torch.randn(rows, 3, generator=generator).double() for _ in range(2))


def test_the_way_back_leads_to_the_start():
    z, momentum = start()
    sizes, ones = torch.full((3, 3), 0.2).double(), torch.ones(3).double()
    there, last = leapfrog(z, momentum, torch.sin, sizes, ones)
    back, first = leapfrog(there, -last, torch.sin, sizes, ones)
    assert (there - z).abs().max() > 0.1
    assert torch.allclose(back, z, atol=1e-12) and torch.allclose(first, -momentum, atol=1e-12)


def test_cooling_ends_at_one_and_follows_the_square_of_the_step():
    roots = cooling_roots(torch.tensor(0.25).double(), 4)
    expected = [1 / ((1 - 4) * k**2 / 16 + 4) for k in range(5)]
    assert torch.allclose(roots, torch.tensor(expected).double()) and roots[0] == 0.25 and roots[-1] == 1


def test_steps_keep_volume():
    model, x = model_of("hamiltonian", step_size=0.3), data(1)
    z, momentum = start(1)

    def both(state):
        return torch.cat(model.moved(state[None, :3], state[None, 3:], x), -1)[0]

    jacobian = torch.autograd.functional.jacobian(both, torch.cat([z, momentum], -1)[0])
    assert math.isclose(number(torch.linalg.det(jacobian)), 1.0, rel_tol=1e-10)
    assert (jacobian - torch.eye(6).double()).abs().max() > 0.1


def test_one_step_by_hand_on_the_joint_density():
    model, x = model_of("hamiltonian", steps=1, step_size=0.1, kl_weight=0.4), data(2)
    z, momentum = start(2)

    def slope(code):
        code = code.detach().requires_grad_()
        log_joint = -(model.decode(code) - x).flatten(1).square().sum(1) / 0.4 + Normal(0.0, 1.0).log_prob(code).sum(1)
        return -torch.autograd.grad(log_joint.sum(), [code])[0]

    root = number(torch.sigmoid(model.raw_root))
    half = momentum / root - 0.05 * slope(z)
    there = z + 0.1 * half
    found = model.moved(z, momentum, x)
    assert torch.allclose(found[0], there, rtol=1e-6)
    assert torch.allclose(found[1], root * (half - 0.05 * slope(there)), rtol=1e-6)


def test_the_bound_by_hand():
    model, x, draw = model_of("hamiltonian", beta=2.0, step_size=0.2), data(), Draw64()
    found = terms(model, x, draw)
    (noise, momentum), normal = draw.noted, Normal(0.0, 1.0)
    mean, log_variance = model.moments(x)
    first = mean + (0.5 * log_variance).exp() * noise[0]
    z, last = model.moved(first, momentum, x)
    log_q = Normal(mean, (0.5 * log_variance).exp()).log_prob(first) + normal.log_prob(momentum)
    kl = (log_q - normal.log_prob(z) - normal.log_prob(last)).sum(-1)
    expected = model.reconstruction_cost(z, x) + 2.0 * NAT * kl
    assert torch.allclose(found["loss"], expected, rtol=1e-10)


def test_small_steps_tighten_the_bound_and_sizes_are_learned():
    x, losses = data(1).expand(3000, 1, 2, 3), []
    for steps in (0, 3):
        model = model_of("hamiltonian", steps=steps, step_size=0.1)
        with torch.no_grad():
            model.decoder[-2].weight.mul_(3)  # so that the posterior is far from q
        losses.append(terms(model, x)["loss"])
    gain = losses[0] - losses[1]
    assert number(gain.mean()) > 3 * number(gain.std()) / 3000**0.5
    model = model_of("hamiltonian")
    found = torch.autograd.grad(terms(model, data())["loss"].sum(), [model.raw_sizes, model.raw_root])
    assert all(gradient.ne(0).all() for gradient in found)


def test_weights_of_draws_average_to_the_evidence():
    """E p(x, z)/q is p(x) whatever the steps: the evidence of a decoder that ignores z is its likelihood."""
    model, x = model_of("hamiltonian", kl_weight=0.5, steps=3, step_size=0.5), data(2)
    with torch.no_grad():
        model.decoder[0].weight.zero_()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            z, log_q = model.posterior(x).sample_and_log_prob((2000,))
        weights = (Normal(0.0, 1.0).log_prob(z).sum(-1) - log_q).exp()
    assert z.shape == (2000, 2, 3) and log_q.shape == (2000, 2)
    assert ((weights.mean(0) - 1).abs() < 5 * weights.std(0) / 2000**0.5).all()


def test_draws_come_with_the_density_of_start_and_momenta():
    model, x = model_of("hamiltonian", step_size=0.3), data()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        z, log_q = model.posterior(x).sample_and_log_prob((4,))
        torch.manual_seed(0)
        noise, momentum = torch.randn(2, 4, 7, 3, dtype=torch.float64)
    mean, log_variance = model.moments(x)
    q, normal = Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0)
    first = q.loc + q.scale * noise
    expected, last = model.moved(first, momentum, x)
    assert torch.allclose(z, expected, rtol=1e-12)
    log_ratio = q.log_prob(first) + normal.log_prob(momentum) - normal.log_prob(last)
    assert torch.allclose(log_q, log_ratio.sum(-1), rtol=1e-10)


def test_a_weight_of_zero_is_refused():
    with pytest.raises(UsageError, match="above 0"):
        model_of("hamiltonian", beta=0.0)
