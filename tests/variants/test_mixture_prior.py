"""Mixture prior: one component at N(0, I) is the VAE; the loss takes the density of the declared prior."""

import math

import torch
from zoo import Draw64, assert_other_loss, assert_same_loss, data, model_of, number, terms


def test_one_component_is_a_one_draw_vae():
    assert_same_loss(model_of("mixture-prior", components=1), model_of("iwae", samples=1), tolerance=1e-13)
    assert_other_loss(model_of("mixture-prior", components=2), model_of("iwae", samples=1))


def moved(model):
    """The model with another prior than it started from."""
    with torch.no_grad():
        model.prior_logits.copy_(torch.arange(model.components) * 0.4)
        model.prior_log_variance.copy_(torch.linspace(-1, 1, model.prior_log_variance.numel()).reshape(-1, 3))
    return model


def test_the_loss_takes_the_density_of_the_prior_by_loops():
    model, x, draw = moved(model_of("mixture-prior", components=3)), data(), Draw64()
    found = terms(model, x, draw)
    mean, log_variance = model.moments(x)
    z = mean + (0.5 * log_variance).exp() * draw.noted[0][0]
    log_q = torch.distributions.Normal(mean, (0.5 * log_variance).exp()).log_prob(z).sum(-1)
    shares = [math.exp(0.4 * k) / sum(math.exp(0.4 * i) for i in range(3)) for k in range(3)]
    for row, code in enumerate(z.tolist()):
        density = 0.0
        for k, share in enumerate(shares):
            exponent = sum(
                -0.5 * ((c - number(m)) ** 2 / math.exp(number(v)) + number(v) + math.log(2 * math.pi))
                for c, m, v in zip(code, model.prior_mean[k], model.prior_log_variance[k], strict=True)
            )
            density += share * math.exp(exponent)
        assert math.isclose(
            number(found["kl"][row]), number(log_q[row]) - math.log(density), rel_tol=1e-5, abs_tol=1e-6
        )
        assert math.isclose(number(model.prior().log_prob(z[row])), math.log(density), rel_tol=1e-5)


def test_the_prior_is_learned():
    model = moved(model_of("mixture-prior"))
    for name in ("prior_mean", "prior_log_variance", "prior_logits"):
        (slope,) = torch.autograd.grad(terms(model, data())["loss"].sum(), [getattr(model, name)])
        assert slope.ne(0).all(), name
