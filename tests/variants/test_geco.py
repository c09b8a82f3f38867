"""GECO: its first step is the VAE's; the multiplier follows the moving average by loops and settles at the bound."""

import math

import pytest
import torch
from zoo import NAT, assert_other_loss, assert_same_loss, data, model_of, number, outcome, terms

from bench.errors import Incompatible, UsageError


def test_with_its_first_multiplier_it_is_the_vae():
    assert_same_loss(model_of("geco"), model_of("vae"))
    moved = model_of("geco")
    moved.log_multiplier.fill_(1.0)
    assert_other_loss(moved, model_of("vae"))


def test_without_rate_it_stays_the_vae():
    model = model_of("geco", rate=0.0)
    for name, value in outcome(model, data())[1].items():
        model.get_buffer(name).copy_(value)
    assert_same_loss(model, model_of("vae"))


def test_average_and_multiplier_by_loops():
    model, x = model_of("geco", tolerance=0.5, rate=0.2, decay=0.9), data()
    average, log_multiplier, bound = 0.0, 0.0, 0.5 * 6 * NAT / 2
    for _ in range(4):
        found, buffers = outcome(model, x)
        expected = math.exp(log_multiplier) * found["reconstruction"] + NAT * found["kl"]
        assert torch.allclose(found["loss"], expected, rtol=1e-12)
        average = 0.9 * average + 0.1 * (number(found["reconstruction"].mean()) / bound - 1)
        log_multiplier += 0.2 * average
        for name, value in buffers.items():
            model.get_buffer(name).copy_(value)
        assert math.isclose(number(model.average), average, rel_tol=1e-9)
        assert math.isclose(number(model.log_multiplier), log_multiplier, rel_tol=1e-9)
    assert math.isclose(model.decoder_variance, NAT / 2 / math.exp(log_multiplier), rel_tol=1e-9)


def test_a_reconstruction_on_the_bound_leaves_the_multiplier():
    x = data()
    cost = number(terms(model_of("geco"), x)["reconstruction"].mean())
    model = model_of("geco", tolerance=cost / (6 * NAT / 2))
    assert abs(number(outcome(model, x)[1]["log_multiplier"])) < 1e-12


def test_what_has_no_bound_is_refused():
    with pytest.raises(Incompatible, match="squared"):
        model_of("geco", cost="bernoulli")
    with pytest.raises(UsageError, match="above 0"):
        model_of("geco", kl_weight=0.0)
