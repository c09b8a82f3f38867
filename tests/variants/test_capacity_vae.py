"""Capacity: at capacity 0 and γ = 1 it is the VAE; |mean KL - C| by hand below and above C; C grows with progress."""

import torch
from zoo import NAT, assert_other_loss, assert_same_loss, data, model_of, terms


def test_without_capacity_it_is_the_vae():
    assert_same_loss(model_of("capacity-vae", capacity=0.0, gamma=1.0), model_of("vae"))
    assert_other_loss(model_of("capacity-vae", capacity=2.0, gamma=1.0), model_of("vae"))


def test_before_the_first_step_it_is_a_beta_vae_with_weight_gamma():
    beta = model_of("vae", beta=7.0)
    assert_same_loss(model_of("capacity-vae", capacity=5.0, gamma=7.0), beta, tolerance=1e-12, progress=0.0)


def test_the_mean_penalty_is_the_distance_of_the_mean_kl_from_the_capacity():
    for capacity, progress, reached in ((0.01, 1.0, 0.01), (30.0, 1.0, 30.0), (30.0, 0.125, 7.5)):
        model = model_of("capacity-vae", capacity=capacity, gamma=3.0, ramp=0.5)
        found = terms(model, data(), progress=progress)
        expected = found["reconstruction"].mean() + 3.0 * NAT * (found["kl"].mean() - reached).abs()
        assert torch.allclose(found["loss"].mean(), expected, rtol=1e-12)


def test_below_its_capacity_the_kl_is_pushed_up():
    found = terms(model_of("capacity-vae", capacity=30.0), data())
    assert torch.autograd.grad(found["loss"].mean(), found["kl"], allow_unused=True)[0].lt(0).all()
