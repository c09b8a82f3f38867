"""FSQ: all codes enumerated, nearest by brute force, many levels approach the bounded autoencoder."""

import itertools

import pytest
import torch
from zoo import data, model_of, number, slopes, terms

from bench.parts.quantise import bounded


def grid(levels):
    """Every code of three dimensions."""
    values = [(i - levels // 2) / (levels // 2) for i in range(levels)]
    return torch.tensor(list(itertools.product(values, repeat=3)), dtype=torch.float64)


@pytest.mark.parametrize("levels", [3, 4, 7])
def test_every_code_of_the_grid_is_reached_and_no_other(levels):
    model, codes = model_of("fsq", levels=levels), grid(levels)
    assert torch.equal(model.project(codes), codes) and len(codes.unique(dim=0)) == levels**3
    line = torch.linspace(-9, 9, 4001, dtype=torch.float64)
    steps = (model.project(bounded(line, levels)) + 1) * (levels // 2)
    assert steps.round().unique().tolist() == list(range(levels))
    assert torch.allclose(steps, steps.round(), atol=1e-9) and (steps.diff() > -1e-9).all()


@pytest.mark.parametrize("levels", [3, 4, 7])
def test_a_projection_is_the_nearest_of_all_codes(levels):
    z = torch.randn(200, 3, generator=torch.Generator().manual_seed(1)).double()
    nearest = grid(levels)[torch.cdist(z, grid(levels)).argmin(1)]
    assert torch.equal(model_of("fsq", levels=levels).project(z), nearest)


@pytest.mark.parametrize("levels", [3, 4, 7])
def test_zero_is_a_code_and_the_bound_is_a_tanh(levels):
    z = torch.tensor([-50.0, 0.0, 50.0]).double()
    low, centre, high = bounded(z, levels)
    assert abs(number(centre)) < 1e-12
    half = levels // 2
    assert -0.5 < number(low) * half + half < 0.5 and -0.5 < number(high) * half - (levels - 1) // 2 < 0.501


def test_codes_of_data_are_on_the_grid_and_reconstructed_from_there():
    model, x = model_of("fsq", levels=3), data()
    codes = model.encode(x)
    assert torch.equal(codes, codes.round()) and torch.equal(model.project(codes), codes)
    assert torch.allclose(terms(model, x)["loss"], model.reconstruction_cost(codes, x), rtol=1e-12)


def test_many_levels_are_an_autoencoder_with_a_tanh():
    """The grid's step is 2/(n-1): loss and gradient go to those of the bounded code."""
    levels = 100_001
    model, plain, x = model_of("fsq", levels=levels), model_of("ae"), data()
    z = bounded(plain.encoder(x), levels)
    found, expected = terms(model, x)["loss"], plain.reconstruction_cost(z, x)
    assert torch.allclose(found, expected, atol=1e-4)
    ours, theirs = slopes(model, found), slopes(plain, expected)
    assert all(torch.allclose(ours[name], theirs[name], atol=1e-4) for name in theirs)
    assert any(value.abs().max() > 1e-2 for value in theirs.values())
