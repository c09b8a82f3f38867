"""VampPrior: one pseudo-input at N(0, I) is the VAE; the prior is the mixture of its posteriors."""

import torch
from zoo import Draw64, assert_other_loss, data, model_of, number, terms


def test_one_component_at_the_standard_normal_is_a_one_draw_vae():
    model, plain = model_of("vamp-prior", components=1, hidden=()), model_of("iwae", samples=1, hidden=())
    assert_other_loss(model, plain)
    with torch.no_grad():
        model.pseudo_inputs.zero_()  # the encoder is linear, so that its posterior has the bias as parameters
        for each in (model, plain):
            each.encoder[1].bias.zero_()
    one, other = (terms(each, data(), Draw64(1)) for each in (model, plain))
    assert torch.allclose(one["loss"], other["loss"], rtol=1e-12)


def test_the_loss_takes_the_density_of_the_prior_it_declares():
    model, x, draw = model_of("vamp-prior", components=4, beta=2.0), data(), Draw64()
    found = terms(model, x, draw)
    mean, log_variance = model.moments(x)
    z = mean + (0.5 * log_variance).exp() * draw.noted[0][0]
    log_q = torch.distributions.Normal(mean, (0.5 * log_variance).exp()).log_prob(z).sum(-1)
    assert torch.allclose(found["kl"], log_q - model.prior().log_prob(z), rtol=1e-10)
    per_input = torch.stack(
        [model.posterior(model.pseudo_inputs[k : k + 1]).log_prob(z).sum(-1).exp() for k in range(4)]
    )
    assert torch.allclose(model.prior().log_prob(z), (per_input.sum(0) / 4).log(), rtol=1e-10)


def test_pseudo_inputs_are_learned():
    model = model_of("vamp-prior")
    (slope,) = torch.autograd.grad(terms(model, data())["loss"].sum(), [model.pseudo_inputs])
    assert slope.flatten(1).ne(0).any(1).all()
    assert not model.prior().log_prob(torch.zeros(3).double()).requires_grad


def test_draws_have_the_mixtures_mean():
    prior = model_of("vamp-prior", components=3).prior()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        draws = prior.sample((20_000,))
    assert torch.allclose(draws.mean(0), prior.mean, atol=5 * number(prior.stddev.max()) / 20_000**0.5)
