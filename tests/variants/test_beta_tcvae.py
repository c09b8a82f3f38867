"""β-TCVAE: at β = 1 a one-draw ELBO exactly; the total correlation by loops; its estimate of q(z) is unbiased."""

import itertools
import math

import torch
from zoo import N_TRAIN, NAT, assert_other_loss, assert_same_loss, data, model_of, number, terms

from bench.parts.divergences import aggregate_log_densities


def test_at_beta_one_it_is_a_one_draw_elbo():
    assert_same_loss(model_of("beta-tcvae", beta=1.0), model_of("iwae", samples=1), tolerance=1e-12)
    assert_other_loss(model_of("beta-tcvae", beta=2.0), model_of("iwae", samples=1))


def density(z, mean, log_variance):
    """N(z; mean, e^log_variance) of three numbers."""
    return math.exp(-0.5 * (z - mean) ** 2 / math.exp(log_variance)) / math.sqrt(2 * math.pi * math.exp(log_variance))


def by_loops(z, mean, log_variance, n):
    """ln q(z_i) and Σ_j ln q(z_ij), the own example at weight 1/n and the rest shared, by plain loops."""
    rows, width = len(z), len(z[0])
    joint, marginals = [], []
    for i in range(rows):
        share = [1 / n if m == i else (n - 1) / n / (rows - 1) for m in range(rows)]
        table = [[density(z[i][j], mean[m][j], log_variance[m][j]) for j in range(width)] for m in range(rows)]
        joint.append(math.log(sum(share[m] * math.prod(table[m]) for m in range(rows))))
        marginals.append(sum(math.log(sum(share[m] * table[m][j] for m in range(rows))) for j in range(width)))
    return joint, marginals


def test_the_total_correlation_is_that_of_loops():
    model, x = model_of("beta-tcvae", beta=3.0), data()
    found = terms(model, x)
    mean, log_variance = model.moments(x)
    z = torch.randn(7, 3, generator=torch.Generator().manual_seed(0)).double() * (0.5 * log_variance).exp() + mean
    joint, marginals = by_loops(z.tolist(), mean.tolist(), log_variance.tolist(), N_TRAIN)
    ours = aggregate_log_densities(z, mean, log_variance, N_TRAIN)
    assert torch.allclose(ours[0], torch.tensor(joint).double(), rtol=1e-6)
    assert torch.allclose(ours[1], torch.tensor(marginals).double(), rtol=1e-6)
    expected = found["reconstruction"] + NAT * (found["kl"] + 2.0 * found["total_correlation"])
    assert torch.allclose(found["loss"], expected, rtol=1e-12)


def test_the_estimate_of_the_aggregate_density_is_unbiased_over_all_batches():
    generator = torch.Generator().manual_seed(3)
    n, rows = 6, 3
    mean, log_variance, z = (torch.randn(n, 1, generator=generator).double() for _ in range(3))
    exact = sum(density(number(z[0]), number(m), number(v)) for m, v in zip(mean, log_variance, strict=True)) / n
    estimates = []
    for others in itertools.combinations(range(1, n), rows - 1):
        batch = [0, *others]
        joint, marginals = aggregate_log_densities(z[batch], mean[batch], log_variance[batch], n)
        assert torch.allclose(joint, marginals, atol=1e-12)  # one dimension
        estimates.append(math.exp(joint[0]))
    assert abs(sum(estimates) / len(estimates) - exact) < 1e-12


def test_the_order_of_a_batch_does_not_matter():
    """Weights that belong on the diagonal and lie in one column show here."""
    generator = torch.Generator().manual_seed(4)
    z, mean, log_variance = (torch.randn(5, 2, generator=generator).double() for _ in range(3))
    order = torch.tensor([3, 0, 4, 1, 2])
    plain = aggregate_log_densities(z, mean, log_variance, 9)
    shuffled = aggregate_log_densities(z[order], mean[order], log_variance[order], 9)
    for one, other in zip(plain, shuffled, strict=True):
        assert torch.allclose(one[order], other, atol=1e-12)


def test_a_batch_of_one_has_no_total_correlation():
    assert terms(model_of("beta-tcvae"), data(1))["total_correlation"].abs().max() < 1e-12
