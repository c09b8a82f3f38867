"""InfoVAE: at α = 0, scale = 1 it is the VAE; both weights by hand; a negative weight is refused."""

import pytest
import torch
from zoo import NAT, Draw64, assert_other_loss, assert_same_loss, data, model_of, terms

from bench.errors import UsageError
from bench.parts.divergences import mmd


def test_without_the_divergence_it_is_the_vae():
    assert_same_loss(model_of("info-vae", alpha=0.0, scale=1.0), model_of("vae"))
    assert_other_loss(model_of("info-vae", alpha=0.0, scale=20.0), model_of("vae"))
    assert_other_loss(model_of("info-vae", alpha=1.0, scale=0.0), model_of("vae"))


def test_the_loss_weighs_kl_and_divergence_of_the_draws_that_are_decoded():
    model, x, draw = model_of("info-vae", alpha=0.25, scale=4.0), data(), Draw64()
    found = terms(model, x, draw)
    noise, prior = draw.noted
    mean, log_variance = model.moments(x)
    z = mean + (0.5 * log_variance).exp() * noise[0]
    expected = model.reconstruction_cost(z, x) + NAT * (0.75 * found["kl"] + 3.25 * mmd(z, prior))
    assert torch.allclose(found["loss"], expected, rtol=1e-12)


def test_weights_below_zero_are_refused():
    with pytest.raises(UsageError, match="the sum must reach 1"):
        model_of("info-vae", alpha=0.5, scale=0.25)
