"""Conditional prior: at its start, or with one class, it is the VAE; the KL is torch's; frequencies are counted."""

import torch
from torch.distributions import Independent, Normal, kl_divergence
from zoo import NAT, assert_other_loss, assert_same_loss, data, labels, model_of, outcome


def test_with_equal_classes_at_the_standard_normal_it_is_the_vae():
    assert_same_loss(model_of("conditional-prior", beta=2.0), model_of("vae", beta=2.0))


def moved():
    model = model_of("conditional-prior", beta=2.0)
    with torch.no_grad():
        model.prior_mean.copy_(torch.linspace(-2, 2, 9).reshape(3, 3))
        model.prior_log_variance.copy_(torch.linspace(1, -1, 9).reshape(3, 3))
    return model


def test_each_example_pays_the_kl_from_its_classs_prior():
    model, x, y = moved(), data(), labels()
    assert_other_loss(model, model_of("vae", beta=2.0))
    found = outcome(model, x)[0]
    for row, label in enumerate(y.tolist()):
        prior = Normal(model.prior_mean[label], (0.5 * model.prior_log_variance[label]).exp())
        kl = kl_divergence(model.posterior(x[row : row + 1]), prior).sum()
        assert torch.allclose(found["kl"][row], kl, rtol=1e-6)
    assert torch.allclose(found["loss"], found["reconstruction"] + 2.0 * NAT * found["kl"], rtol=1e-12)


def test_the_prior_is_the_mixture_by_frequency():
    model, y = moved(), torch.tensor([0, 2, 2, 2, 2, 2, 1])
    counts = outcome(model, data(), y=y)[1]["counts"]
    assert counts.tolist() == [2.0, 2.0, 6.0]
    model.counts.copy_(counts)
    z = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)).double()
    parts = Independent(Normal(model.prior_mean, (0.5 * model.prior_log_variance).exp()), 1)
    expected = (parts.log_prob(z[:, None]).exp() * torch.tensor([0.2, 0.2, 0.6])).sum(-1).log()
    assert torch.allclose(model.prior().log_prob(z), expected, rtol=1e-6)
    assert not model.prior().log_prob(z).requires_grad
