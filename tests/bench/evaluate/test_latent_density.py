"""Draws with their log density: one source, whatever the distribution can say of itself."""

import math

import torch
from torch.distributions import Distribution, Independent, MultivariateNormal, Normal

from bench.evaluate.latent_density import draw, draw_with_log_prob, has_density, joint_kl


class Along(Distribution):
    """N(loc, 1) whose density is known along its draws only, as of a flow that cannot be inverted."""

    def __init__(self, loc):
        super().__init__(loc.shape[:-1], loc.shape[-1:], validate_args=False)
        self.loc = loc

    def sample_and_log_prob(self, shape=()):
        normal = Normal(self.loc, 1.0, validate_args=False)
        z = normal.sample(shape)
        return z, normal.log_prob(z).sum(-1)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_draws_come_with_the_density_of_whole_codes():
    loc, scale = torch.randn(6, 3, generator=generator()), 0.5 * torch.ones(6, 3)
    normal = Normal(loc, scale)
    kinds = [normal, Independent(normal, 1), MultivariateNormal(loc, torch.diag_embed(scale**2)), Along(loc)]
    for kind in kinds:
        z, log_q = draw_with_log_prob(kind, (4,), generator(1))
        spread = 1.0 if isinstance(kind, Along) else 0.5
        expected = (-0.5 * ((z - loc) / spread).square() - math.log(spread) - 0.5 * math.log(2 * math.pi)).sum(-1)
        assert z.shape == (4, 6, 3)
        torch.testing.assert_close(log_q, expected, rtol=1e-5, atol=1e-4)
        assert torch.equal(z, draw(kind, (4,), generator(1)))
    assert [has_density(kind) for kind in kinds] == [True, True, True, False]


def test_kl_of_a_density_along_draws_is_that_of_its_normal():
    loc = torch.tensor([[0.0, 0.0], [2.0, -1.0]])
    kl = joint_kl(Along(loc), Normal(torch.zeros(2), torch.ones(2)), generator(), draws=20_000)
    torch.testing.assert_close(kl, 0.5 * loc.square().sum(-1), rtol=0, atol=0.06)


def test_drawing_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    draw_with_log_prob(Along(torch.zeros(2, 3)), (5,), generator())
    has_density(Along(torch.zeros(2, 3)))
    assert torch.equal(before, torch.get_rng_state())
