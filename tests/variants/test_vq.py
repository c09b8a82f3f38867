"""VQ: codes are the nearest by brute force; averages with decay 0 are a step of k-means; each term by hand."""

import itertools

import pytest
import torch
from zoo import NAT, assert_same_loss, data, model_of, number, outcome, terms

from bench.errors import Incompatible


def brute_force(z, codebook):
    """The nearest of all products of codes, part by part, to one z (L,)."""
    every = [torch.cat(parts) for parts in itertools.product(*codebook)]
    return min(every, key=lambda code: number((code - z).square().sum()))


@pytest.mark.parametrize("groups", [1, 3])
def test_codes_are_the_nearest_of_all(groups):
    model, x = model_of("vq", codes=4, groups=groups), data()
    for z, code in zip(model.encoder(x), model.encode(x), strict=True):
        assert torch.equal(code, brute_force(z, model.codebook))
    assert torch.equal(model.project(model.encode(x)), model.encode(x))
    assert model.project(torch.zeros(2, 5, 3).double()).shape == (2, 5, 3)


@pytest.mark.parametrize("update", ["ema", "gradient"])
def test_the_loss_by_hand_does_not_depend_on_the_batchs_size(update):
    model, x = model_of("vq", commitment=0.5, update=update), data()
    z, e = model.encoder(x), model.encode(x)
    distance = (z - e).square().sum(1)
    weight = 1.5 if update == "gradient" else 0.5
    expected = model.reconstruction_cost(e, x) + weight * NAT * distance
    assert torch.allclose(terms(model, x)["loss"], expected, rtol=1e-12)
    twice = terms(model, torch.cat([x, x]))["loss"]
    assert torch.allclose(twice.mean(), expected.mean(), rtol=1e-12)


def test_a_codebook_that_holds_every_code_is_the_plain_autoencoder_with_that_gradient():
    model, plain, x = model_of("vq", codes=7), model_of("ae"), data()
    model.codebook.copy_(plain.encode(x).detach()[None])
    assert_same_loss(model, plain, tolerance=1e-13)


def test_gradients_of_both_distances_go_their_own_ways():
    model, x = model_of("vq", update="gradient", codes=5, commitment=0.5), data()
    z, e = model.encoder(x), model.encode(x)
    found = terms(model, x)
    (slope,) = torch.autograd.grad((found["loss"] - found["reconstruction"]).sum(), [model.codebook], retain_graph=True)
    expected = torch.zeros_like(model.codebook)
    for one, code in zip(z.detach(), e.detach(), strict=True):
        index = (model.codebook[0] - code).abs().sum(-1).argmin()
        expected[0, index] += 2 * NAT * (code - one)
    assert torch.allclose(slope, expected, rtol=1e-10)
    (bias,) = torch.autograd.grad((found["loss"] - found["reconstruction"]).sum(), [model.encoder[-1].bias])
    assert torch.allclose(bias, NAT * (z - e).sum(0), rtol=1e-10)  # 2 · 0.5


@pytest.mark.parametrize("groups", [1, 3])
def test_averages_with_decay_zero_are_a_step_of_k_means(groups):
    model, x = model_of("vq", codes=4, groups=groups, decay=0.0), data()
    parts, codebook = model.encoder(x).detach().unflatten(-1, (groups, -1)), model.codebook.clone()
    buffers = outcome(model, x)[1]
    for group in range(groups):
        nearest = torch.cdist(parts[:, group], codebook[group]).argmin(1)
        for code in range(4):
            mine = parts[nearest == code, group]
            expected = mine.mean(0) if len(mine) else codebook[group, code]
            assert torch.allclose(buffers["codebook"][group, code], expected, rtol=1e-10), code
            assert buffers["counts"][group, code] == (len(mine) or 1)
    assert torch.equal(model.codebook, codebook)


def test_averages_by_loops_over_many_batches():
    model = model_of("vq", codes=3, decay=0.8)
    total, count = model.codebook[0].clone(), torch.ones(3).double()
    for seed in range(5):
        x = data(seed=seed)
        z = model.encoder(x).detach()
        nearest = torch.cdist(z, model.codebook[0]).argmin(1)
        for code in range(3):
            mine = z[nearest == code]
            if len(mine):
                total[code] = 0.8 * total[code] + 0.2 * mine.sum(0)
                count[code] = 0.8 * count[code] + 0.2 * len(mine)
        for name, value in outcome(model, x)[1].items():
            model.get_buffer(name).copy_(value)
        assert torch.allclose(model.codebook[0], total / count[:, None], rtol=1e-9)


def test_a_codebook_starts_as_wide_as_a_prior():
    assert 0.8 < number(model_of("vq", codes=500).codebook.std()) < 1.2


def test_groups_that_do_not_divide_the_code_are_refused():
    with pytest.raises(Incompatible, match="groups=2 does not divide"):
        model_of("vq", groups=2)
