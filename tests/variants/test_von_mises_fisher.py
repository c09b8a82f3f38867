"""Hyperspherical VAE: the KL is scipy's; without concentration nothing is paid; codes and draws are unit vectors."""

import math

import pytest
import torch
from scipy.special import ive
from zoo import NAT, Draw64, data, model_of, terms

from bench.errors import Incompatible
from bench.parts.sphere import log_area


def test_the_loss_is_cost_and_the_kl_of_bessel_functions():
    model, x = model_of("von-mises-fisher", beta=2.0), data()
    found = terms(model, x)
    kappa = found["kappa"].detach().numpy()
    log_c = 0.5 * torch.log(found["kappa"]) - 1.5 * math.log(2 * math.pi) - found["kappa"]
    log_c = log_c - torch.from_numpy(ive(0.5, kappa)).log()
    kl = found["kappa"] * torch.from_numpy(ive(1.5, kappa) / ive(0.5, kappa)) + log_c + log_area(3)
    assert torch.allclose(found["kl"], kl, rtol=1e-6)
    assert torch.allclose(found["loss"], found["reconstruction"] + 2.0 * NAT * found["kl"], rtol=1e-12)


class Spy(torch.nn.Module):
    """A decoder that notes the codes it is given."""

    def forward(self, z):
        self.seen = z
        return torch.zeros(len(z), 1, 2, 3).double()


def of_raw(raw):
    """A model whose posterior is the same for every x: mean direction e₁, concentration softplus(raw)."""
    model = model_of("von-mises-fisher")
    with torch.no_grad():
        model.encoder[-1].weight.zero_()
        model.encoder[-1].bias.copy_(torch.tensor([2.0, 0, 0, raw, raw, raw]))
    model.decoder = Spy()
    return model


def test_without_concentration_codes_are_uniform_and_cost_nothing():
    model, x = of_raw(-40.0), data(1).expand(20_000, 1, 2, 3)
    found = terms(model, x)
    assert found["kl"].abs().max() < 1e-10
    z = model.decoder.seen
    assert torch.allclose(z.norm(dim=-1), torch.ones(()).double())
    assert torch.allclose(z.mean(0), torch.zeros(3).double(), atol=5 / 20_000**0.5)
    assert torch.allclose(torch.cov(z.t()), torch.eye(3).double() / 3, atol=0.02)


def test_with_much_of_it_codes_are_their_mean():
    model = of_raw(2000.0)
    terms(model, data())
    expected = torch.tensor([1.0, 0, 0]).double().expand(7, 3)
    assert torch.allclose(model.decoder.seen, expected, atol=0.3)
    assert torch.equal(model.encode(data()), expected)


def test_codes_are_unit_vectors_and_stay_so():
    model, x = model_of("von-mises-fisher"), data()
    assert torch.allclose(model.encode(x).norm(dim=-1), torch.ones(7).double())
    assert torch.allclose(model.project(model.encode(x)), model.encode(x), atol=1e-15)
    assert torch.allclose(model.project(3 * model.encode(x)), model.encode(x))


def test_the_gradient_reaches_the_concentration_through_the_draw():
    model, x = model_of("von-mises-fisher", beta=0.0), data()
    (slope,) = torch.autograd.grad(terms(model, x, Draw64())["loss"].sum(), [model.encoder[-1].bias])
    assert slope[3:].abs().min() > 1e-6


def test_one_dimension_is_refused():
    with pytest.raises(Incompatible, match="2 or more"):
        model_of("von-mises-fisher", latent=1)
