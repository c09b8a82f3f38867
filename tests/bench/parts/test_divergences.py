"""Divergences against double loops, and what they are where the answer is known."""

import torch

from bench.parts.divergences import SCALES, coin_kl, covariance, mmd, sliced_wasserstein, squared_distances


def points(rows, seed, shift=0.0, width=3):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, width, generator=generator).double() + shift


def kernel(one, other):
    squared = float((one - other).square().sum())
    return sum(scale * 2 * len(one) / (scale * 2 * len(one) + squared) for scale in SCALES)


def test_mmd_is_the_double_loop_over_distinct_pairs():
    z, p = points(5, 0, 0.7), points(5, 1)
    own = [kernel(s[i], s[j]) for s in (z, p) for i in range(5) for j in range(5) if i != j]
    cross = [kernel(one, other) for one in z for other in p]
    expected = sum(own) / 20 - 2 * sum(cross) / 25
    assert abs(float(mmd(z, p)) - expected) < 1e-12


def test_mmd_of_equal_laws_averages_zero_and_of_others_does_not():
    null = torch.stack([mmd(points(20, 2 * seed), points(20, 2 * seed + 1)) for seed in range(300)])
    assert abs(float(null.mean())) < 4 * float(null.std()) / 300**0.5
    assert float(null.min()) < 0  # unbiased, so not always positive
    assert float(mmd(points(20, 0, 1.0), points(20, 1))) > float(null.mean() + 5 * null.std())


def test_a_batch_of_one_has_a_finite_gradient_towards_the_prior():
    z, p = points(1, 0, 3.0).requires_grad_(), points(1, 1)
    (slope,) = torch.autograd.grad(mmd(z, p), [z])
    assert slope.isfinite().all() and (slope * (z - p)).sum() > 0


def test_coinciding_codes_have_a_finite_gradient():
    z = torch.zeros(4, 3).double().requires_grad_()
    (slope,) = torch.autograd.grad(mmd(z, points(4, 1)), [z])
    assert slope.isfinite().all()


def test_distances_are_those_of_a_loop_and_never_negative():
    z, p = points(4, 0).float() + 1000, points(3, 1).float() + 1000
    assert (squared_distances(z, z) >= 0).all()
    found = squared_distances(points(4, 0), points(3, 1))
    assert torch.allclose(found, torch.cdist(points(4, 0), points(3, 1)).square(), rtol=1e-10)
    assert squared_distances(z, p).shape == (4, 3)


def test_sliced_distance_of_a_shift_is_its_mean_squared_projection():
    z, directions, shift = points(6, 0), points(50, 3), torch.tensor([1.0, -2.0, 0.5]).double()
    unit = directions / directions.norm(dim=-1, keepdim=True)
    expected = (unit @ shift).square().mean()
    assert torch.allclose(sliced_wasserstein(z, z + shift, directions), expected, rtol=1e-10)


def test_the_covariance_is_divided_by_the_number_of_rows():
    z = points(9, 0)
    assert torch.allclose(covariance(z), torch.cov(z.t(), correction=0), rtol=1e-12)
    assert torch.equal(covariance(z[:1]), torch.zeros(3, 3).double())


def test_coins_are_compared_in_nats():
    assert abs(float(coin_kl(0.5, torch.tensor(0.25).double())) - 0.143841036225890) < 1e-12
    assert abs(float(coin_kl(0.2, torch.tensor(0.2).double()))) < 1e-15
