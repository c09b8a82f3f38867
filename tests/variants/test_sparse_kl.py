"""Sparse autoencoder: without weight one with codes in (0, 1); the penalty by hand, its minimum, a batch of one."""

import math

import torch
from zoo import NAT, assert_other_loss, data, model_of, terms


def test_without_weight_it_is_a_plain_autoencoder_with_sigmoid_codes():
    model, plain, x = model_of("sparse-kl", weight=0.0), model_of("ae"), data()
    assert torch.equal(terms(model, x)["loss"], plain.reconstruction_cost(plain.encoder(x).sigmoid(), x))
    assert_other_loss(model_of("sparse-kl"), model)


def test_the_penalty_is_the_kl_of_coins_by_hand():
    model, x = model_of("sparse-kl", rho=0.2, weight=3.0), data()
    found, expected = terms(model, x), 0.0
    for share in model.encode(x).mean(0).tolist():
        expected += 0.2 * math.log(0.2 / share) + 0.8 * math.log(0.8 / (1 - share))
    assert torch.allclose(found["sparsity"], torch.tensor(expected).double().expand(len(x)), rtol=1e-6)
    assert torch.allclose(found["loss"], found["reconstruction"] + 3.0 * NAT * found["sparsity"], rtol=1e-12)


def test_the_penalty_is_zero_where_the_means_are_rho_and_positive_elsewhere():
    model, x = model_of("sparse-kl", rho=0.2), data()
    with torch.no_grad():
        model.encoder[-1].weight.zero_()
        model.encoder[-1].bias.fill_(math.log(0.2 / 0.8))
        assert terms(model, x)["sparsity"].abs().max() < 1e-12
        model.encoder[-1].bias[0] += 0.5
        assert terms(model, x)["sparsity"].min() > 1e-3


def test_it_is_finite_where_a_code_is_always_on_or_off():
    model, x = model_of("sparse-kl"), data(1)
    with torch.no_grad():
        model.encoder[-1].bias[:2] = torch.tensor([1e4, -1e4], dtype=torch.float64)
    loss = terms(model, x)["loss"]
    assert loss.isfinite().all()
    assert all(g.isfinite().all() for g in torch.autograd.grad(loss.sum(), list(model.parameters())))


def test_valid_codes_are_those_in_the_unit_cube():
    model = model_of("sparse-kl")
    assert torch.equal(model.project(model.encode(data())), model.encode(data()))
    assert model.project(torch.tensor([-1.0, 0.25, 7.0])).tolist() == [0.0, 0.25, 1.0]
