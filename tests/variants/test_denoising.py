"""Denoising: noise 0 is the plain autoencoder, the loss is that of a hand-made corruption, codes are of clean data."""

import pytest
import torch
from zoo import Draw64, assert_other_loss, assert_same_loss, data, model_of, terms

from bench.errors import UsageError


@pytest.mark.parametrize("corruption", ["gaussian", "masking"])
def test_without_noise_it_is_the_plain_autoencoder(corruption):
    assert_same_loss(model_of("denoising", noise=0.0, corruption=corruption), model_of("ae"))
    assert_other_loss(model_of("denoising", corruption=corruption), model_of("ae"))


def test_the_expected_cost_of_a_linear_model_is_that_of_the_formula():
    """E‖W(x + sε) - x‖² = ‖Wx + b - x‖² + s²‖W‖², W the product of both matrices."""
    model, x, noise = model_of("denoising", noise=0.3, hidden=()), data(3), 0.3
    weight = model.decoder[0].weight @ model.encoder[1].weight
    clean = (model.decode(model.encode(x)) - x).flatten(1).square().sum(1)
    expected = clean + noise**2 * weight.square().sum()
    found = terms(model, x.repeat(20_000, 1, 1, 1))["loss"].reshape(-1, 3)
    assert ((found.mean(0) - expected).abs() < 5 * found.std(0) / len(found) ** 0.5).all()


def test_masking_sets_the_given_share_to_zero_and_keeps_the_rest():
    model, x, draw = model_of("denoising", noise=0.25, corruption="masking"), data(), Draw64()
    found = terms(model, x, draw)["loss"]
    (uniform,) = draw.noted
    z = model.encoder(torch.where(uniform < 0.25, torch.zeros_like(x), x))
    assert torch.equal(found, model.reconstruction_cost(z, x))


def test_evaluation_takes_codes_of_clean_data():
    x = data()
    assert torch.equal(model_of("denoising", noise=5.0).encode(x), model_of("ae").encode(x))


@pytest.mark.parametrize("params", [{"noise": -1.0}, {"corruption": "salt"}, {"noise": 2.0, "corruption": "masking"}])
def test_parameters_out_of_range_are_refused(params):
    with pytest.raises(UsageError):
        model_of("denoising", **params)
