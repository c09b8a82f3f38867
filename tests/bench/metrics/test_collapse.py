"""Collapse: the linear VAE's signal fraction, KL per dimension and active units; dead dimensions; eq. 5."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from torch.distributions import Independent, MultivariateNormal, Normal

from bench.evaluate.latent_density import GaussianFit, draw, factorised_kl, joint_kl
from bench.metrics.collapse import Collapse, signal_and_noise

S2 = 0.25


def test_linear_optimum(toolbox, gaussian_split):
    measured = toolbox.evaluate(toolbox.linear_vae(S2), gaussian_split, Collapse())
    ell = toolbox.eigenvalues[:6]
    for j, value in enumerate(ell):
        live = value > S2
        assert measured[f"kl[{j}]"].value == pytest.approx(0.5 * np.log(value / S2) if live else 0, rel=1e-3, abs=1e-6)
        assert measured[f"signal_fraction[{j}]"].value == pytest.approx(1 - S2 / value if live else 0, rel=1e-4)
        if live:
            assert measured[f"nsr[{j}]"].value == pytest.approx(S2 / (value - S2), rel=1e-3)
        else:
            assert measured[f"nsr[{j}]"].status == "n/a" and measured[f"nsr[{j}]"].reason
    assert measured["active_units"].value == (ell > S2).sum()
    assert measured["kl_total"].value == pytest.approx(0.5 * np.log(ell[ell > S2] / S2).sum(), rel=1e-3)
    assert measured["collapsed"].value == 0


def test_total_collapse_is_stored_with_its_reason(toolbox, digits_split, digits_shared, collapsed_vae, digits_vae):
    measured = toolbox.evaluate(collapsed_vae, digits_split, Collapse(), shared=digits_shared)["collapsed"]
    assert (measured.value, measured.status) == (1.0, "flagged")
    assert "0 active units" in measured.reason
    assert toolbox.evaluate(digits_vae, digits_split, Collapse(), shared=digits_shared)["collapsed"].value == 0


def test_signal_fraction_ignores_the_scale_of_each_dimension():
    generator = torch.Generator().manual_seed(0)
    means, variances = torch.randn(500, 3, generator=generator), torch.rand(500, 3, generator=generator)
    scale = torch.tensor([1e-3, 1.0, 1e3])
    plain, _ = signal_and_noise(means, variances)
    scaled, _ = signal_and_noise(means * scale, variances * scale**2)
    assert scaled == pytest.approx(plain, rel=1e-5)


@pytest.mark.parametrize(("mean", "scale"), [(0.0, 1.0), (1.3, 0.2), (-4.0, 2.5)])
def test_closed_form_kl_against_quadrature(mean, scale):
    q, p = Normal(torch.tensor([[mean]]), torch.tensor([[scale]])), Normal(torch.zeros(1), torch.ones(1))

    def integrand(z):
        log_q = -0.5 * ((z - mean) / scale) ** 2 - np.log(scale)
        return np.exp(log_q) / np.sqrt(2 * np.pi) * (log_q + 0.5 * z**2)

    expected = quad(integrand, mean - 12 * scale, mean + 12 * scale)[0]
    assert factorised_kl(q, p).item() == pytest.approx(expected, abs=1e-6)


def test_kl_of_distributions_without_closed_form_is_estimated():
    from torch.distributions import Categorical, MixtureSameFamily

    generator = torch.Generator().manual_seed(0)
    q = Normal(torch.zeros(400, 2), torch.full((400, 2), 0.5), validate_args=False)
    same = MixtureSameFamily(Categorical(torch.ones(3)), Independent(Normal(torch.zeros(3, 2), torch.ones(3, 2)), 1))
    assert factorised_kl(q, same) is None
    exact = factorised_kl(q, Normal(torch.zeros(2), torch.ones(2))).sum(-1).mean().item()
    assert joint_kl(q, same, generator).mean().item() == pytest.approx(exact, abs=0.05)


def test_draws_do_not_touch_the_global_generator_and_repeat():
    mixture = MultivariateNormal(torch.zeros(2), torch.eye(2))
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first = draw(mixture, (3,), torch.Generator().manual_seed(1))
    assert torch.equal(torch.rand(1), expected)
    assert torch.equal(first, draw(mixture, (3,), torch.Generator().manual_seed(1)))


def test_gaussian_fit_reproduces_moments_and_leaves_dead_directions_out():
    generator = torch.Generator().manual_seed(0)
    codes = torch.randn(3000, 3, generator=generator) @ torch.tensor([[2.0, 1, 0], [0, 0.5, 0], [0, 0, 0]]) + 1
    fit = GaussianFit.of(codes)
    assert fit.rank == 2
    drawn = fit.place(torch.randn(200_000, 3, generator=generator))
    assert drawn.T.cov().numpy() == pytest.approx(codes.T.cov().numpy(), abs=0.05)
    assert fit.whiten(codes).T.cov().numpy() == pytest.approx(np.eye(2), abs=1e-6)
    assert fit.unwhiten(fit.whiten(codes)).numpy() == pytest.approx(codes.numpy(), abs=1e-4)


def test_constant_codes_give_a_point():
    fit = GaussianFit.of(torch.full((10, 3), 2.0))
    assert torch.equal(fit.place(torch.ones(4, 3)), torch.full((4, 3), 2.0))


def test_dead_and_constant_dimensions_do_not_crash(toolbox, gaussian_split):
    base = toolbox.linear_vae(S2)
    still = dataclasses.replace(
        base,
        encode=lambda x: torch.zeros(len(x), 6),
        posterior=lambda x: Normal(torch.zeros(len(x), 6), torch.zeros(len(x), 6), validate_args=False),
    )
    measured = toolbox.evaluate(still, gaussian_split, Collapse())
    assert measured["active_units"].value == 0
    assert measured["signal_fraction_mean"].value is None and measured["signal_fraction_mean"].reason
    assert all(m.value is not None or m.reason for m in measured.values())
