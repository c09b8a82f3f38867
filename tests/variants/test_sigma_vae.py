"""σ-VAE: at its start it is the VAE; with another σ a negative ELBO in nats; the best s² is the mean squared error."""

import math

import pytest
import torch
from zoo import NAT, Draw64, assert_other_loss, assert_same_loss, data, model_of, number, terms

from bench.errors import Incompatible, UsageError

D = 6


@pytest.mark.parametrize("cost", ["squared", "gaussian"])
def test_with_its_first_sigma_it_is_the_vae(cost):
    exact = 0.0 if cost == "squared" else 1e-12  # a constant is taken off and added again
    assert_same_loss(model_of("sigma-vae", cost=cost), model_of("vae", cost=cost), exact)
    moved = model_of("sigma-vae", cost=cost)
    with torch.no_grad():
        moved.log_ratio.fill_(0.5)
    assert_other_loss(moved, model_of("vae", cost=cost))


def test_it_starts_at_half_of_lambda_and_not_at_one():
    assert math.isclose(model_of("sigma-vae").decoder_variance, NAT / 2)
    assert math.isclose(model_of("sigma-vae", kl_weight=3.0).decoder_variance, 1.5)
    assert math.isclose(model_of("sigma-vae", cost="gaussian").decoder_variance, NAT)


@pytest.mark.parametrize("cost", ["squared", "gaussian"])
def test_the_loss_is_lambda_times_a_negative_elbo_up_to_a_constant(cost):
    x, losses, elbos = data(), [], []
    for ratio in (0.0, 0.7, -1.2):
        model, draw = model_of("sigma-vae", cost=cost), Draw64()
        with torch.no_grad():
            model.log_ratio.fill_(ratio)
        found = terms(model, x, draw)
        mean, log_variance = model.moments(x)
        z = mean + (0.5 * log_variance).exp() * draw.noted[0][0]
        scale = math.sqrt(model.decoder_variance)
        log_likelihood = torch.distributions.Normal(model.decode(z), scale).log_prob(x).flatten(1).sum(1)
        assert torch.allclose(model.log_likelihood(z, x), log_likelihood, rtol=1e-12)
        losses.append(found["loss"])
        elbos.append(NAT * (found["kl"] - log_likelihood))
    for loss, elbo in zip(losses[1:], elbos[1:], strict=True):
        assert torch.allclose(loss - losses[0], elbo - elbos[0], rtol=1e-9)


def test_the_best_variance_is_the_mean_squared_error():
    model, x = model_of("sigma-vae"), data()
    cost = number(terms(model, x)["reconstruction"].mean())
    with torch.no_grad():
        model.log_ratio.fill_(math.log(cost / D / (NAT / 2)))
    (slope,) = torch.autograd.grad(terms(model, x)["loss"].mean(), [model.log_ratio])
    assert abs(number(slope)) < 1e-12


def test_what_has_no_variance_is_refused():
    with pytest.raises(Incompatible, match="bernoulli"):
        model_of("sigma-vae", cost="bernoulli")
    with pytest.raises(UsageError, match="above 0"):
        model_of("sigma-vae", kl_weight=0.0)
