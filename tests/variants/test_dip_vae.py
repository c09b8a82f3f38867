"""DIP-VAE: without weights it is the VAE; the penalty by numpy's covariance, of means (I) or of draws (II)."""

import numpy as np
import pytest
import torch
from zoo import NAT, assert_other_loss, assert_same_loss, data, model_of, terms

from bench.errors import UsageError


@pytest.mark.parametrize("version", ["i", "ii"])
def test_without_weights_it_is_the_vae(version):
    assert_same_loss(model_of("dip-vae", version=version, weight=0.0, diagonal_weight=0.0), model_of("vae"))
    assert_other_loss(model_of("dip-vae", version=version, weight=1e6, diagonal_weight=0.0), model_of("vae"))
    assert_other_loss(model_of("dip-vae", version=version, weight=0.0), model_of("vae"))


@pytest.mark.parametrize("version", ["i", "ii"])
def test_the_penalty_is_that_of_numpys_covariance(version):
    model, x = model_of("dip-vae", version=version, beta=2.0, weight=3.0, diagonal_weight=0.7), data()
    found = terms(model, x)
    mean, log_variance = (value.detach().numpy() for value in model.moments(x))
    matrix = np.cov(mean, rowvar=False, bias=True)
    if version == "ii":
        matrix = matrix + np.diag(np.exp(log_variance).mean(0))
    penalty = 0.0
    for i in range(3):
        for j in range(3):
            penalty += 0.7 * (matrix[i, i] - 1) ** 2 if i == j else 3.0 * matrix[i, j] ** 2
    expected = found["reconstruction"] + 2.0 * NAT * (found["kl"] + penalty)
    assert torch.allclose(found["loss"], expected, rtol=1e-12)


def test_a_batch_of_one_has_a_gradient():
    model = model_of("dip-vae")
    found = torch.autograd.grad(terms(model, data(1))["loss"].sum(), list(model.parameters()))
    assert all(gradient.isfinite().all() for gradient in found)


def test_an_unknown_version_is_refused():
    with pytest.raises(UsageError):
        model_of("dip-vae", version="iii")
