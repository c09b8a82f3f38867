"""IWAE: one draw is a one-draw ELBO; every estimator by loops; DReG's and the bound's gradients agree in the mean."""

import math

import pytest
import torch
from zoo import NAT, Draw64, assert_other_loss, assert_same_loss, data, model_of, number, terms

from bench.errors import UsageError
from bench.losses import gaussian_kl
from bench.parts.importance import weighted_bound


def test_one_draw_has_the_vaes_mean():
    """ln q/p of one draw has the closed-form KL as its mean: u averages to the VAE's loss over many draws."""
    model, vae, x = model_of("iwae", samples=1, groups=40_000), model_of("vae"), data(2)
    draw = Draw64()
    found, kl = terms(model, x, draw), gaussian_kl(*model.moments(x)).sum(-1)
    ratio = found["kl"]
    assert torch.allclose(ratio, kl, atol=5 * 2 / 200)
    z = model.draw_codes(*model.moments(x), Draw64(), 40_000)
    expected = vae.reconstruction_cost(z, x) + NAT * ratio
    assert torch.allclose(found["loss"], expected, rtol=1e-10)


def test_the_corners_are_one_draw_bounds():
    one = model_of("iwae", samples=1, groups=4)
    assert_same_loss(model_of("iwae", samples=4, mix=1.0), one, tolerance=1e-12)
    assert_same_loss(model_of("iwae", samples=4, groups=1, mix=0.0), model_of("iwae", samples=4))
    assert_other_loss(model_of("iwae", samples=4), one)


def by_loops(model, x, noise):
    """u of every draw and example, from densities written out: a table [draw][row]."""
    mean, log_variance = model.moments(x)
    table = []
    for epsilon in noise:
        z = mean + (0.5 * log_variance).exp() * epsilon
        cost = (model.decode(z) - x).flatten(1).square().sum(1)
        rows = []
        for i in range(len(x)):
            log_q = sum(
                -0.5 * (math.log(2 * math.pi) + number(v) + (number(c) - number(m)) ** 2 / math.exp(number(v)))
                for c, m, v in zip(z[i], mean[i], log_variance[i], strict=True)
            )
            log_p = sum(-0.5 * (math.log(2 * math.pi) + number(c) ** 2) for c in z[i])
            rows.append(number(cost[i]) + NAT * (log_q - log_p))
        table.append(rows)
    return table


def bound(values):
    """-λ ln mean e^{-u/λ}: a mean over the draws of a set, not over the sets."""
    return -NAT * math.log(sum(math.exp(-u / NAT) for u in values) / len(values))


@pytest.mark.parametrize(("samples", "groups"), [(1, 1), (4, 1), (1, 3), (3, 2)])
def test_bounds_of_sets_of_draws_by_loops(samples, groups):
    model, x, draw = model_of("iwae", samples=samples, groups=groups), data(3), Draw64()
    found, table = terms(model, x, draw)["loss"], by_loops(model, x, draw.noted[0])
    for row in range(3):
        sets = [[table[m * samples + k][row] for k in range(samples)] for m in range(groups)]
        assert math.isclose(number(found[row]), sum(bound(one) for one in sets) / groups, rel_tol=1e-9)


def test_ciwae_mixes_bound_and_mean():
    model, x, draw = model_of("iwae", samples=3, mix=0.3), data(3), Draw64()
    found, table = terms(model, x, draw)["loss"], by_loops(model, x, draw.noted[0])
    for row in range(3):
        draws = [table[k][row] for k in range(3)]
        expected = 0.7 * bound(draws) + 0.3 * sum(draws) / 3
        assert math.isclose(number(found[row]), expected, rel_tol=1e-9)


def test_piwae_gives_the_decoder_all_draws_and_the_encoder_sets():
    model, x, draw = model_of("iwae", samples=2, groups=3, estimator="piwae"), data(3), Draw64()
    found, table = terms(model, x, draw), by_loops(model, x, draw.noted[0])
    for row in range(3):
        draws = [table[k][row] for k in range(6)]
        assert math.isclose(number(found["loss"][row]), bound(draws), rel_tol=1e-9)
        sets = sum(bound(draws[2 * m : 2 * m + 2]) for m in range(3)) / 3
        assert math.isclose(number(found["loss_encoder"][row]), sets, rel_tol=1e-9)
    assert model.players == {"loss": ("decoder.",), "loss_encoder": ("encoder.",)}


def test_dregs_decoder_has_the_bounds_gradient():
    ours, bound_ = model_of("iwae", samples=4, estimator="dreg"), model_of("iwae", samples=4)
    found, expected = terms(ours, data(), Draw64(2))["loss"], terms(bound_, data(), Draw64(2))["loss"]
    assert torch.allclose(found, expected, rtol=1e-12)
    for one, other in zip(
        torch.autograd.grad(found.mean(), list(ours.decoder.parameters())),
        torch.autograd.grad(expected.mean(), list(bound_.decoder.parameters())),
        strict=True,
    ):
        assert torch.allclose(one, other, rtol=1e-10, atol=1e-14)


def encoder_slopes(estimator, blocks=60, rows=400):
    """The encoder's gradient by its own term at one example, one estimate per block of draws: (blocks, parameters)."""
    model, x = model_of("iwae", samples=3, estimator=estimator, kl_weight=1.0), data(1).expand(rows, 1, 2, 3)
    found = []
    for block in range(blocks):
        result = terms(model, x, Draw64(block))
        slopes = torch.autograd.grad(
            result["loss_encoder" if estimator == "dreg" else "loss"].mean(), list(model.encoder.parameters())
        )
        found.append(torch.cat([slope.flatten() for slope in slopes]))
    return torch.stack(found)


def test_dregs_mean_gradient_is_the_bounds_and_varies_less():
    ours, theirs = encoder_slopes("dreg"), encoder_slopes("iwae")
    error = ((ours.var(0) + theirs.var(0)) / len(ours)).sqrt()
    assert ((ours.mean(0) - theirs.mean(0)).abs() <= 5 * error + 1e-12).all()
    assert ours.mean(0).norm() > 20 * error.norm() / len(error) ** 0.5
    assert ours.var(0).sum() < theirs.var(0).sum()


def test_the_bound_of_a_model_with_two_states_rises_with_the_draws_to_the_evidence():
    """q = (.3, .7), p(x, z) = (.2, .1): the mean bound over all sets of draws, enumerated."""
    q, joint = (0.3, 0.7), (0.2, 0.1)
    means = []
    for draws in (1, 2, 6):
        total = 0.0
        for sets in range(2**draws):
            states = [sets >> k & 1 for k in range(draws)]
            u = torch.tensor([math.log(q[s] / joint[s]) for s in states], dtype=torch.float64)
            total -= math.prod(q[s] for s in states) * number(weighted_bound(u, 1.0))
        means.append(total)
    elbo = sum(q[s] * math.log(joint[s] / q[s]) for s in (0, 1))
    assert math.isclose(means[0], elbo, rel_tol=1e-12)
    assert means[0] < means[1] < means[2] < math.log(0.3)


def test_more_draws_than_numbers_can_hold_apart_stay_finite():
    u = torch.tensor([1e4, 2e4, 3e4])
    assert torch.allclose(weighted_bound(u, 1e-3), torch.tensor(1e4 + 1e-3 * math.log(3)))


@pytest.mark.parametrize("params", [{"kl_weight": 0.0}, {"samples": 0}, {"estimator": "dreg", "mix": 0.5}])
def test_parameters_out_of_range_are_refused(params):
    with pytest.raises(UsageError):
        model_of("iwae", **params)
