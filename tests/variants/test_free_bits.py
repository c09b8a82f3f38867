"""Free bits: with none it is the VAE; the paid nats by hand; a dimension below δ has no gradient from its KL."""

import torch
from zoo import NAT, assert_other_loss, assert_same_loss, data, model_of, number, terms

from bench.losses import gaussian_kl


def test_without_free_nats_it_is_the_vae():
    assert_same_loss(model_of("free-bits", nats=0.0), model_of("vae"))
    assert_other_loss(model_of("free-bits", nats=1.0), model_of("vae"))


def test_each_dimension_pays_the_larger_of_its_batch_mean_and_delta():
    x = data()
    means = sorted(gaussian_kl(*model_of("vae").moments(x)).mean(0).tolist())
    nats = (means[1] + means[2]) / 2
    found = terms(model_of("free-bits", beta=2.0, nats=nats), x)
    paid = sum(max(mean, nats) for mean in means)
    expected = number(found["reconstruction"].mean()) + 2.0 * NAT * paid
    assert abs(number(found["loss"].mean()) - expected) < 1e-12


def test_with_many_free_nats_the_gradient_is_the_reconstructions_alone():
    model, x = model_of("free-bits", nats=1e3), data()
    found = terms(model, x)
    parameters = list(model.parameters())
    by_loss = torch.autograd.grad(found["loss"].mean(), parameters, retain_graph=True)
    by_cost = torch.autograd.grad(found["reconstruction"].mean(), parameters)
    assert all(torch.equal(one, other) for one, other in zip(by_loss, by_cost, strict=True))
