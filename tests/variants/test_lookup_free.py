"""Look-up-free: without weights a straight-through binary autoencoder; entropies by enumerating all codes."""

import itertools
import math

import torch
from zoo import NAT, assert_other_loss, data, model_of, slopes, terms

CODES = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=3))).double()


def test_without_weights_it_is_a_binary_autoencoder_with_the_gradient_of_its_codes():
    model, plain, x = model_of("lookup-free", weight=0.0, commitment=0.0), model_of("ae"), data()
    z = plain.encoder(x)
    c = z.sign().detach().requires_grad_()
    expected = plain.reconstruction_cost(c, x)
    found = terms(model, x)["loss"]
    assert torch.allclose(found, expected, rtol=1e-12)
    (by_code,) = torch.autograd.grad(expected.mean(), [c])
    (by_bias,) = torch.autograd.grad((z * by_code).sum(), [plain.encoder[-1].bias])
    assert torch.allclose(slopes(model, found)["encoder.3.bias"], by_bias, rtol=1e-10)
    assert_other_loss(model_of("lookup-free"), model)


def test_entropies_are_those_of_all_codes_enumerated():
    model, x, temperature = model_of("lookup-free", weight=2.0, commitment=0.5, temperature=0.7), data(), 0.7
    found, z = terms(model, x), model.encoder(x)
    p = (-(z[:, None] - CODES).square().sum(-1) / temperature).softmax(-1)  # (B, 8)
    sure = -(p * p.log()).sum(-1)
    bits = (p.mean(0)[:, None] * (CODES > 0)).sum(0).tolist()
    used = sum(-b * math.log(b) - (1 - b) * math.log(1 - b) for b in bits)
    assert torch.allclose(found["doubt"], sure - used, rtol=1e-9)
    nearest = CODES[torch.cdist(z, CODES).argmin(1)]
    distance = (z - nearest).square().sum(-1)
    expected = found["reconstruction"] + NAT * (0.5 * distance + 2.0 * found["doubt"])
    assert torch.allclose(found["loss"], expected, rtol=1e-12)


def test_codes_are_the_nearest_of_all_and_stay():
    model, x = model_of("lookup-free"), data()
    z = model.encoder(x)
    assert torch.equal(model.encode(x), CODES[torch.cdist(z, CODES).argmin(1)])
    assert torch.equal(model.project(CODES), CODES)


def test_sure_bits_have_a_finite_gradient():
    model, x = model_of("lookup-free", temperature=1e-6), data()
    found = torch.autograd.grad(terms(model, x)["loss"].sum(), list(model.parameters()))
    assert all(gradient.isfinite().all() for gradient in found)
