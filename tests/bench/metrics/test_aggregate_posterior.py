"""Aggregate posterior, occupancy and functional rank: closed forms of the linear optimum, brute force, POT."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch.distributions import Independent, MultivariateNormal, Normal

from bench.evaluate.control_models import pca
from bench.losses import ReconstructionCost
from bench.metrics.aggregate_posterior import AggregatePosterior
from bench.metrics.functional.aggregate import (
    aggregate_moments,
    is_standard_normal,
    moment_kl,
    sliced_w2,
    sliced_w2_to_normal,
    unit_projections,
)
from bench.metrics.functional.effective_rank import effective_rank, pullback_metric
from bench.metrics.functional.mmd import cubic_polynomial, inverse_multiquadratic, mmd_squared
from bench.metrics.functional.occupancy import occupancy, occupancy_null
from bench.metrics.functional_rank import FunctionalRank
from bench.metrics.occupancy import Occupancy

S2 = 0.25


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("kernel", [inverse_multiquadratic(3), cubic_polynomial])
def test_mmd_against_the_double_sum(kernel, monkeypatch):
    x, y = torch.randn(25, 3, generator=generator(0)), torch.randn(25, 3, generator=generator(1)) + 0.5
    monkeypatch.setattr("bench.metrics.functional.mmd._CHUNK_NUMBERS", 175)  # several ragged chunks
    total = 0.0
    for i in range(25):
        for j in range(25):
            if i != j:
                pairs = ((x, x, 1), (y, y, 1), (x, y, -1), (y, x, -1))
                total += sum(sign * kernel(a[i : i + 1].double(), b[j : j + 1].double()).item() for a, b, sign in pairs)
    assert mmd_squared(x, y, kernel)[0] == pytest.approx(total / (25 * 24), rel=1e-4, abs=1e-6)  # float32 kernels


def test_mmd_is_unbiased_and_its_error_is_the_spread():
    kernel = inverse_multiquadratic(2)

    def sample(seed, shift):
        return torch.randn(150, 2, generator=generator(seed)) + shift

    null = [mmd_squared(sample(s, 0), sample(1000 + s, 0), kernel)[0] for s in range(40)]
    assert np.mean(null) == pytest.approx(0, abs=4 * np.std(null) / 40**0.5)
    shifted = [mmd_squared(sample(s, 0), sample(1000 + s, 0.7), kernel) for s in range(40)]
    stated = np.mean([error for _, error in shifted])
    assert 0.6 < stated / np.std([value for value, _ in shifted]) < 1.6


def test_sliced_w2_of_a_shift_and_against_pot():
    x = torch.randn(200, 3, generator=generator())
    projections = unit_projections(3, 400, generator(1))
    shift = torch.tensor([1.0, -2.0, 0.5])
    distance, _ = sliced_w2(x, x + shift, projections)
    assert distance == pytest.approx((projections.T @ shift).square().mean().sqrt().item(), rel=1e-4)
    ot = pytest.importorskip("ot")
    y = torch.randn(200, 3, generator=generator(2)) * 1.5
    theirs = ot.sliced_wasserstein_distance(
        x.double().numpy(), y.double().numpy(), projections=projections.double().numpy()
    )
    assert sliced_w2(x, y, projections)[0] == pytest.approx(float(theirs), rel=1e-4)


def test_sliced_w2_to_the_normal_vanishes_for_its_sample():
    projections = unit_projections(4, 200, generator(1))
    near, far = torch.randn(20_000, 4, generator=generator()), torch.randn(20_000, 4, generator=generator()) * 2
    assert sliced_w2_to_normal(near, projections)[0] < 0.03
    assert sliced_w2_to_normal(far, projections)[0] == pytest.approx(1, abs=0.03)  # |2σ - σ|


def test_moment_kl_is_the_kl_of_the_normals():
    mean, root = torch.tensor([0.3, -1.0]), torch.tensor([[1.2, 0.0], [0.4, 0.5]])
    q = MultivariateNormal(mean, root @ root.T)
    expected = torch.distributions.kl_divergence(q, MultivariateNormal(torch.zeros(2), torch.eye(2)))
    assert moment_kl(mean, root @ root.T) == pytest.approx(expected.item(), rel=1e-5)
    assert moment_kl(mean, torch.diag(torch.tensor([1.0, 0.0]))) is None


def test_linear_optimum_matches_its_prior(toolbox, gaussian_split):
    """Var μ + E σ² = 1 in every dimension, live or dead."""
    model = toolbox.linear_vae(S2)
    mean, covariance = aggregate_moments(toolbox.view(model, gaussian_split), "test")
    assert mean.numpy() == pytest.approx(np.zeros(6), abs=1e-4)
    assert covariance.numpy() == pytest.approx(np.eye(6), abs=1e-4)
    measured = toolbox.evaluate(model, gaussian_split, AggregatePosterior())
    assert measured["prior_moment_kl"].value == pytest.approx(0, abs=1e-4)
    assert measured["prior_mmd"].value == pytest.approx(0, abs=5 * measured["prior_mmd"].error + 1e-4)
    assert measured["prior_sliced_w2"].value == pytest.approx(measured["prior_sliced_w2_null"].value, rel=0.3)
    shifted = dataclasses.replace(model, posterior=lambda x: Normal(model.encode(x) + 1.0, 0.5 * torch.ones(len(x), 6)))
    worse = toolbox.evaluate(shifted, gaussian_split, AggregatePosterior())
    assert worse["prior_mmd"].value > 20 * worse["prior_mmd"].error
    assert worse["prior_sliced_w2"].value > 5 * measured["prior_sliced_w2"].value


def test_aggregate_moments_of_a_correlated_posterior(toolbox, gaussian_split):
    view = toolbox.view(toolbox.gauge(toolbox.linear_vae(S2)), gaussian_split)
    plain = toolbox.view(toolbox.linear_vae(S2), gaussian_split)
    _, covariance = aggregate_moments(view, "test")
    A = view.codes("test").double().T @ torch.linalg.pinv(plain.codes("test").double().T)  # up to dead directions
    live = (plain.codes("test").std(0) > 0).double()
    assert torch.isfinite(A).all() and live.sum() == 5
    assert torch.linalg.eigvalsh(covariance).min() > 0


def test_standard_normal_is_recognised():
    assert is_standard_normal(Normal(torch.zeros(2), torch.ones(2)), 2)
    assert is_standard_normal(Independent(Normal(torch.zeros(2), torch.ones(2)), 1), 2)
    assert not is_standard_normal(Normal(torch.zeros(2), 2 * torch.ones(2)), 2)
    assert not is_standard_normal(MultivariateNormal(torch.zeros(2), torch.eye(2)), 2)


def test_occupancy_has_its_null_under_the_prior(toolbox, digits_split):
    n = 2000
    values = [occupancy(torch.randn(n, 2, generator=generator(seed)), 32) for seed in range(10)]
    null = occupancy_null(n, 1024)
    assert null == pytest.approx(1 - math.exp(-n / 1024), abs=1e-3)
    assert np.mean(values) == pytest.approx(null, abs=4 * np.std(values) / 10**0.5)
    assert occupancy(torch.zeros(50, 2), 32) == 1 / 1024
    assert occupancy(torch.full((5, 2), 100.0), 32) == 1 / 1024  # beyond the last cell's inner edge


def test_occupancy_needs_a_plane(toolbox, gaussian_split):
    assert "2" in toolbox.evaluate(toolbox.linear_vae(S2), gaussian_split, Occupancy())["occupancy"].reason
    plane = toolbox.evaluate(toolbox.linear_vae(S2, latent_dim=2), gaussian_split, Occupancy())
    assert plane["occupancy"].value == pytest.approx(plane["occupancy_null"].value, abs=0.03)


def expected_rank(spectrum: np.ndarray) -> float:
    shares = spectrum / spectrum.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def test_functional_rank_of_linear_models(toolbox, gaussian_split):
    ell = toolbox.eigenvalues[:5]  # the live ones at s² = .25
    measured = toolbox.evaluate(toolbox.linear_vae(S2), gaussian_split, FunctionalRank())
    assert measured["functional_rank_aggregate"].value == pytest.approx(expected_rank(ell - S2), rel=1e-3)
    assert measured["functional_rank"].value == pytest.approx(expected_rank((ell - S2) ** 2 / ell), rel=1e-3)
    linear = pca(gaussian_split, 4, ReconstructionCost("squared"))
    found = toolbox.evaluate(linear, gaussian_split, FunctionalRank())["functional_rank"].value
    assert found == pytest.approx(expected_rank(toolbox.eigenvalues[:4]), rel=1e-3)


def test_pullback_metric_against_full_jacobians():
    network = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 5)).requires_grad_(False)
    codes = torch.randn(7, 3, generator=generator())
    jacobians = torch.stack([torch.autograd.functional.jacobian(network, z) for z in codes])  # (7, 5, 3)
    expected = torch.einsum("ndi,ndj->ij", jacobians, jacobians) / 7
    assert pullback_metric(network, codes).numpy() == pytest.approx(expected.numpy(), rel=1e-4)


def test_a_decoder_that_ignores_its_code_has_no_rank():
    pullback = pullback_metric(lambda z: torch.ones(*z.shape[:-1], 4), torch.randn(5, 3, generator=generator()))
    assert effective_rank(torch.eye(3), pullback) is None


def test_prior_mmd_does_not_depend_on_the_scale_or_the_axes_of_the_prior(toolbox, gaussian_split):
    """Codes and prior under one affine map: whitened by the prior, the discrepancy is the same."""
    base = toolbox.linear_vae(S2)
    A = torch.tensor(np.random.default_rng(0).standard_normal((6, 6))).float() * 30
    narrow = dataclasses.replace(
        base, posterior=None, prior=lambda: Normal(torch.zeros(6), torch.full((6,), 0.5), validate_args=False)
    )
    turned = dataclasses.replace(
        narrow,
        encode=lambda x: base.encode(x) @ A.T,
        prior=lambda: MultivariateNormal(torch.zeros(6), 0.25 * A @ A.T, validate_args=False),
    )
    found = [toolbox.evaluate(model, gaussian_split, AggregatePosterior())["prior_mmd"] for model in (narrow, turned)]
    noise = 4 * (found[0].error ** 2 + found[1].error ** 2) ** 0.5
    assert found[1].value == pytest.approx(found[0].value, abs=noise)
    assert found[0].value > 3 * noise  # half the codes' scale is seen
