"""The Gaussian of a model's codes: that of `coverage_fit`, where it is wanted, and kept by a checkpoint."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.distributions import Normal

from bench.contracts.dataset import Split
from bench.contracts.model import Model
from bench.errors import UsageError
from bench.evaluate.code_density import code_density, density_of, density_tensors
from bench.evaluate.model_view import View
from bench.evaluate.reference_data import SharedData
from bench.losses import ReconstructionCost

RNG = np.random.default_rng(0)
ROWS = (RNG.normal(size=(50, 2)) @ RNG.normal(size=(2, 3)) + 5).astype(np.float32)  # one direction is dead
COST = ReconstructionCost("squared")
MODEL = Model("identity", 3, (3,), COST, encode=lambda x: x, decode=lambda z: z)


def shared(train=ROWS):
    return SharedData(Split(train, ROWS[:5], ROWS[:5]), COST, 3)


def test_it_is_the_gaussian_of_the_codes_of_training_rows():
    density = code_density(MODEL, shared())
    np.testing.assert_allclose(density.mean, ROWS.mean(0), rtol=1e-5)
    covariance = density.directions * density.scales**2 @ density.directions.T
    np.testing.assert_allclose(covariance, np.cov(ROWS.T), rtol=1e-4, atol=1e-6)
    assert torch.equal(density.mean, View(MODEL, shared()).fit.mean)


def test_there_is_none_where_a_prior_is_drawn_from_or_no_finite_codes_are():
    prior = dataclasses.replace(MODEL, prior=lambda: Normal(torch.zeros(3), torch.ones(3)))
    broken = dataclasses.replace(MODEL, encode=lambda x: x / 0)
    without = dataclasses.replace(MODEL, encode=None)
    assert [code_density(model, shared()) for model in (prior, broken, without)] == [None] * 3
    assert code_density(MODEL, shared(ROWS[:1])) is None


def test_a_checkpoint_gives_it_back():
    density = code_density(MODEL, shared())
    again = density_of(density_tensors(density), 3, "it")
    for name in ("mean", "directions", "scales"):
        assert torch.equal(getattr(again, name), getattr(density, name))
    assert density_tensors(None) == {} and density_of({"weight": np.zeros(3)}, 3, "it") is None


@pytest.mark.parametrize(
    "change",
    [
        {"data.code_mean": np.zeros(2)},
        {"data.code_mean": np.zeros(3, np.float32)},
        {"data.code_directions": np.zeros((3, 1))},
        {"data.code_scales": np.zeros(())},
        {"data.code_scales": np.array([1.0, np.nan])},
        {"data.code_directions": np.zeros((3, 2), "<U2")},
        {"data.code_mean": np.zeros((3, 0))},
    ],
    ids=str,
)
def test_what_is_no_gaussian_is_refused(change):
    whole = density_tensors(code_density(MODEL, shared()))
    assert whole["data.code_directions"].shape == (3, 2)
    with pytest.raises(UsageError, match="it is damaged"):
        density_of(whole | change, 3, "it")


@pytest.mark.parametrize("name", ["data.code_mean", "data.code_directions", "data.code_scales"])
def test_a_part_of_one_is_refused(name):
    whole = density_tensors(code_density(MODEL, shared()))
    with pytest.raises(UsageError, match="it is damaged"):
        density_of({key: value for key, value in whole.items() if key != name}, 3, "it")
