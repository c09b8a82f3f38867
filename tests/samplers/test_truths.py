"""Samplers against known densities: closed forms, moments, shares of modes, codes in a subspace; and bad input."""

import pytest
import torch
from torch.distributions import MultivariateNormal

from bench.errors import UsageError
from bench.evaluate.ex_post import density_draws, fitted_density, gaussian_density
from bench.evaluate.samplers import built_samplers
from bench.spec.call import parse_call
from bench.spec.registry import Registry

REGISTRY = Registry.discover()


def sampler(text):
    (call,) = REGISTRY.samplers_for([parse_call(text)])
    return built_samplers(REGISTRY, [call])[call.name]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_gaussian_of_normal_codes_is_the_closed_form():
    mixing = torch.tensor([[1.0, 0.0], [0.8, 0.3]], dtype=torch.float64)
    codes = (torch.randn(4000, 2, generator=generator(), dtype=torch.float64) @ mixing.T + 3).float()
    density = sampler("gaussian").fit(codes, generator())
    exact = MultivariateNormal(codes.double().mean(0), torch.cov(codes.double().T))
    torch.testing.assert_close(density.log_prob(codes), exact.log_prob(codes.double()), rtol=1e-5, atol=1e-5)


def test_a_mixture_of_one_component_is_the_gaussian():
    codes = torch.randn(500, 3, generator=generator()) * torch.tensor([2.0, 1.0, 0.1])
    one = sampler("mixture[components=1]").fit(codes, generator())
    torch.testing.assert_close(one.log_prob(codes), gaussian_density(codes).log_prob(codes), rtol=0, atol=2e-2)


@pytest.mark.parametrize(("name", "slack"), [("mixture[components=2]", 0.03), ("two-stage[steps=600,lr=0.01]", 0.12)])
def test_two_gaussians_keep_their_moments_and_shares(name, slack):
    """The two-stage VAE, whose decoder is continuous, draws a bridge between the modes: its slack is wider."""
    noise, second = torch.randn(3000, 2, generator=generator(1)), torch.rand(3000, 1, generator=generator(2)) < 0.25
    codes = torch.where(second, torch.tensor([6.0, 0.0]) + 0.5 * noise, noise)
    drawn = density_draws(fitted_density(sampler(name).fit, codes, generator()), codes, 20_000, generator(3))
    share = [float((part[:, 0] > 3).float().mean()) for part in (drawn, codes)]
    assert share[0] == pytest.approx(share[1], abs=slack)
    spread = codes.std(0)
    torch.testing.assert_close(drawn.mean(0) / spread, codes.mean(0) / spread, rtol=0, atol=slack)
    scale = spread[:, None] * spread
    torch.testing.assert_close(torch.cov(drawn.T) / scale, torch.cov(codes.T) / scale, rtol=0, atol=2 * slack)
    if slack < 0.1:
        for mode, place, width in ((drawn[:, 0] > 3, 6.0, 0.5), (drawn[:, 0] < 3, 0.0, 1.0)):
            assert float(drawn[mode][:, 0].mean()) == pytest.approx(place, abs=0.05)
            assert float(drawn[mode][:, 1].std()) == pytest.approx(width, abs=0.04)


@pytest.mark.parametrize("name", ["gaussian", "mixture", "two-stage[steps=20]"])
def test_codes_in_a_plane_have_draws_in_that_plane_and_no_density(name):
    flat = torch.randn(300, 2, generator=generator()) @ torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, -1.0]])
    density = fitted_density(sampler(name).fit, flat, generator())
    drawn = density_draws(density, flat, 500, generator(1))
    torch.testing.assert_close(drawn[:, 2], drawn[:, 0] - drawn[:, 1], rtol=0, atol=1e-4)
    with pytest.raises(NotImplementedError):
        density.log_prob(flat)


def test_codes_without_a_density_are_refused():
    for codes, why in ((torch.full((200, 2), 3.0), "constant"), (torch.full((200, 2), torch.nan), "not finite")):
        with pytest.raises(ValueError, match=why):
            sampler("gaussian").fit(codes, generator())


def test_a_flow_without_its_library_is_one_line(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"maf needs zuko, which is not installed"):
        REGISTRY.load("sampler", "maf")()


@pytest.mark.parametrize("text", ["mixture[components=0]", "maf[steps=0]", "maf[lr=0]", "two-stage[hidden=0]"])
def test_parameters_out_of_range_are_refused(text):
    with pytest.raises(UsageError):
        sampler(text)
