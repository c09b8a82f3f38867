"""WAE-MMD: without weight it is the plain autoencoder; the loss by hand; codes of the prior have mean divergence 0."""

import torch
from zoo import NAT, Draw64, assert_other_loss, assert_same_loss, data, model_of, terms

from bench.parts.divergences import mmd


def test_without_weight_it_is_the_plain_autoencoder():
    assert_same_loss(model_of("wae-mmd", weight=0.0), model_of("ae"))
    assert_other_loss(model_of("wae-mmd"), model_of("ae"))


def test_the_loss_is_cost_and_weighted_divergence():
    model, x, draw = model_of("wae-mmd", weight=3.0), data(), Draw64()
    found, z = terms(model, x, draw)["loss"], model.encode(x)
    expected = model.reconstruction_cost(z, x) + 3.0 * NAT * mmd(z, draw.noted[0])
    assert torch.allclose(found, expected, rtol=1e-12)


def test_it_declares_the_prior_it_is_drawn_to():
    prior = model_of("wae-mmd").prior()
    assert torch.equal(prior.mean, torch.zeros(3).double()) and torch.equal(prior.stddev, torch.ones(3).double())
