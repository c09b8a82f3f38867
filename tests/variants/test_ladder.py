"""Ladder: with a constant p(z₁|z₂) it is the VAE exactly; both KL terms are torch's; the prior's density and draws."""

import pytest
import torch
from torch.distributions import Normal, kl_divergence
from zoo import NAT, Draw64, assert_other_loss, assert_same_loss, data, model_of, number, terms

from bench.errors import Incompatible


def test_with_a_constant_lower_prior_it_is_the_vae():
    model = model_of("ladder", beta=2.0)
    assert model.lower_prior(torch.ones(1).double()).abs().max() < 0.2
    with torch.no_grad():
        for value in model.lower_prior[-1].parameters():
            value.zero_()
    assert_same_loss(model, model_of("vae", beta=2.0))
    assert_other_loss(moved(), model_of("vae", beta=2.0))


def moved():
    model = model_of("ladder", beta=2.0)
    with torch.no_grad():
        for value in model.lower_prior[-1].parameters():
            value.copy_(torch.randn(value.shape, generator=torch.Generator().manual_seed(1)) * 0.4)
    return model


def test_both_kl_terms_are_torchs():
    model, x, draw = moved(), data(), Draw64()
    found = terms(model, x, draw)
    mean, log_variance = model.moments(x)
    scale = (0.5 * log_variance).exp()
    upper = (mean + scale * draw.noted[0][0])[:, :1]
    out = model.lower_prior(upper)
    below = Normal(out[:, :2], (0.5 * out[:, 2:]).exp())
    kl = kl_divergence(Normal(mean[:, :1], scale[:, :1]), Normal(0.0, 1.0)).sum(-1)
    kl = kl + kl_divergence(Normal(mean[:, 1:], scale[:, 1:]), below).sum(-1)
    assert torch.allclose(found["kl"], kl, rtol=1e-6)
    assert torch.allclose(found["loss"], found["reconstruction"] + 2.0 * NAT * found["kl"], rtol=1e-12)


def test_the_kl_is_that_from_the_declared_prior_in_the_mean():
    model, x = moved(), data(1)
    found = terms(model, x.expand(40_000, 1, 2, 3))["kl"].mean()
    q = model.posterior(x)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        z = q.sample((40_000,))[:, 0]
    ratio = q.log_prob(z).sum(-1) - model.prior().log_prob(z)
    assert abs(number(found - ratio.mean())) < 5 * number(ratio.std()) / 200


def test_draws_have_the_density_that_is_declared():
    """E_p of q/p is 1 for any q: here a wide normal."""
    prior, wide = moved().prior(), Normal(torch.zeros(3).double(), 0.7)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        z = prior.sample((40_000,))
    ratio = (wide.log_prob(z).sum(-1) - prior.log_prob(z)).exp()
    assert abs(number(ratio.mean()) - 1) < 5 * number(ratio.std()) / 200
    assert number(ratio.std()) > 0.1


def test_lower_draws_follow_the_upper_ones():
    """(z₁ - m(z₂))/s(z₂) is standard normal and knows nothing of z₂."""
    model = moved()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        z = model.prior().sample((40_000,))
    upper = z[:, :1]
    centre, spread = model.below(upper)
    noise = (z[:, 1:] - centre) * (-0.5 * spread).exp()
    assert centre.std(0).min() > 0.02 and torch.cat([upper, noise], 1).mean(0).abs().max() < 5 / 200
    joint = torch.cov(torch.cat([upper, noise], 1).t())
    assert torch.allclose(joint, torch.eye(3).double(), atol=5 * 2**0.5 / 200)


def test_one_dimension_is_refused():
    with pytest.raises(Incompatible, match="2 or more"):
        model_of("ladder", latent=1)
