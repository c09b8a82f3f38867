"""The critic's cost is least at the log density ratio, where it tells the Jensen-Shannon divergence."""

import math

import torch

from bench.parts.critics import critic, critic_cost

GRID = torch.linspace(-12, 12, 4001, dtype=torch.float64)
REAL, FAKE = (torch.distributions.Normal(mean, scale) for mean, scale in ((0.0, 1.0), (1.5, 0.7)))
STEP = float(GRID[1] - GRID[0])


def expected_cost(logit):
    """E_p of the cost's first part and E_q of its second, by quadrature."""
    far = torch.full_like(logit, -1e9)
    real = critic_cost(logit, far) * REAL.log_prob(GRID).exp()
    fake = critic_cost(-far, logit) * FAKE.log_prob(GRID).exp()
    return float((real + fake).sum()) * STEP


def test_the_best_critic_of_two_normals_is_their_log_density_ratio():
    best = REAL.log_prob(GRID) - FAKE.log_prob(GRID)
    least = expected_cost(best)
    assert all(expected_cost(best + change) > least + 1e-6 for change in (0.1, -0.1, 0.1 * GRID, -0.1 * GRID))
    both = torch.stack([REAL.log_prob(GRID), FAKE.log_prob(GRID)])
    middle = both.logsumexp(0) - math.log(2)
    divergence = float((both.exp() * (both - middle)).sum()) * STEP / 2
    assert abs(least - 2 * (math.log(2) - divergence)) < 1e-7


def test_a_critic_that_cannot_tell_costs_two_bits():
    assert math.isclose(float(critic_cost(torch.zeros(()), torch.zeros(()))), 2 * math.log(2), rel_tol=1e-6)


def test_a_critic_gives_one_logit_per_code():
    network = critic(3, 16, layers=2)
    assert network(torch.zeros(5, 4, 3)).shape == (5, 4, 1)
    assert sum(isinstance(layer, torch.nn.Linear) for layer in network) == 3
