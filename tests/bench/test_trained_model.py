"""A trained model is given rows in the user's own units and layout, and sees what it was trained on."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from bench.data.array_like import arrange
from bench.data.split_arrays import split_arrays
from bench.errors import UsageError
from bench.evaluate.latent_density import GaussianFit
from bench.trained_model import TrainedModel

RNG = np.random.default_rng(0)


class Flat(nn.Module):
    """The code is the data."""

    prior = project = None

    def __init__(self, shape):
        super().__init__()
        self.data_shape, self.latent_dim = tuple(shape), int(np.prod(shape))

    def encode(self, x):
        return x.flatten(1)

    def decode(self, z):
        return z.reshape(-1, *self.data_shape)


RAW = {
    "table": RNG.normal(5, 3, (40, 4)),
    "large offsets": 1.7e9 + RNG.normal(0, 1, (40, 4)),
    "whole numbers": RNG.integers(-9, 9, (40, 4)),
    "constant column": np.where([0, 0, 1, 0], 5.0, RNG.normal(5, 3, (40, 4))),
    "channels last": RNG.integers(0, 256, (40, 5, 6, 3), dtype=np.uint8),
    "channels first": RNG.integers(0, 256, (40, 3, 5, 6), dtype=np.uint8),
    "grey": RNG.integers(0, 256, (40, 5, 6), dtype=np.uint8),
}


@pytest.mark.parametrize("name", RAW)
def test_raw_rows_become_what_was_trained_on(name):
    raw = RAW[name]
    split = split_arrays(raw, validation=0, test=1)
    model = TrainedModel(Flat(split.data_shape), split.shift, split.scale, {})
    codes = model.encode(raw)
    trained = {row.tobytes() for row in split.train} | {row.tobytes() for row in split.test}
    assert {row.tobytes() for row in codes} == trained
    np.testing.assert_allclose(model.reconstruct(raw), arrange(raw).astype(float), rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize("name", RAW)
def test_no_rows_have_the_shape_of_rows(name):
    split = split_arrays(RAW[name], validation=0, test=1)
    model = TrainedModel(Flat(split.data_shape), split.shift, split.scale, {})
    none = np.zeros((0, *split.data_shape))
    assert model.encode(none).shape == (0, model.variant.latent_dim)
    assert model.reconstruct(none).shape == (0, *split.data_shape)


def test_a_column_constant_in_training_is_the_same_for_every_row_given_later():
    raw = RAW["constant column"]
    split = split_arrays(raw, validation=0, test=1)
    model = TrainedModel(Flat(split.data_shape), split.shift, split.scale, {})
    changed = raw.copy()
    changed[:, 2] = 77
    np.testing.assert_array_equal(model.encode(changed), model.encode(raw))
    np.testing.assert_allclose(model.reconstruct(changed), raw, atol=1e-5)


def test_rows_of_another_shape_are_refused():
    model = TrainedModel(Flat((3, 5, 6)), 0.0, 255.0, {})
    for shape in ((2, 5, 6, 4), (2, 6, 5, 3), (2, 89), (0,), ()):
        with pytest.raises(UsageError):
            model.encode(np.zeros(shape))


def test_the_score_of_a_row_is_minus_its_mean_squared_error_as_it_was_trained_on():
    class Half(Flat):
        def encode(self, x):
            return x.flatten(1) / 2

    model = TrainedModel(Half((2, 2, 1)), 3.0, 2.0, {})
    raw = RNG.normal(3, 2, (700, 2, 2, 1))
    expected = -np.square((raw.reshape(700, 4) - 3) / 2 / 2).mean(1)
    np.testing.assert_allclose(model.score_samples(raw), expected, rtol=1e-5)
    np.testing.assert_allclose(model.score_samples(raw.reshape(700, 4)), expected, rtol=1e-5)
    assert model.score(raw) == pytest.approx(expected.mean()) and model.score_samples(raw[:0]).shape == (0,)
    np.testing.assert_array_equal(model.transform(raw), model.encode(raw))
    np.testing.assert_array_equal(model.inverse_transform(raw.reshape(700, 4)), model.decode(raw.reshape(700, 4)))


def test_a_variant_may_declare_its_own_score_which_test_errors_do_not_follow():
    class Tall(Flat):
        def anomaly_score(self, x):
            return x.flatten(1).amax(1)

    model, raw = TrainedModel(Tall((2,)), 3.0, 2.0, {}), RNG.normal(3, 2, (700, 2))
    np.testing.assert_allclose(model.score_samples(raw), -((raw.max(1) - 3) / 2), rtol=1e-5)
    assert model.score(raw) == pytest.approx(0, abs=1e-9)


def test_codes_that_are_not_valid_are_moved_before_they_are_decoded():
    class Bounded(Flat):
        def project(self, z):
            return z.clamp(max=1)

    codes = GaussianFit.of(torch.tensor([[4.0, 0.0], [6.0, 1.0], [5.0, -3.0]]))
    model = TrainedModel(Bounded((2,)), 0.0, 1.0, {}, codes)
    np.testing.assert_array_equal(model.decode([[3.0, -3.0]]), [[1.0, -3.0]])
    assert model.sample(50).max() <= 1
    np.testing.assert_allclose(model.score_samples([[3.0, 1.0], [0.5, -3.0]]), [-2.0, 0.0])


def test_without_a_prior_draws_come_from_the_gaussian_of_the_training_codes():
    codes = torch.from_numpy(RNG.normal(size=(60, 2)) @ RNG.normal(size=(2, 3)) + 4)  # within a plane
    model = TrainedModel(Flat((3,)), np.zeros(3), np.ones(3), {"variant": "flat"}, GaussianFit.of(codes))
    draws = model.sample(20_000, seed=5).astype(float)
    np.testing.assert_allclose(draws.mean(0), codes.mean(0), atol=0.05)
    np.testing.assert_allclose(np.cov(draws.T), np.cov(codes.T), atol=0.1)
    assert np.linalg.matrix_rank(draws - draws.mean(0), tol=1e-2) == 2
    np.testing.assert_array_equal(model.sample(5, seed=5), model.sample(5, seed=5))
    assert not np.array_equal(model.sample(5, seed=6), model.sample(5, seed=5))
    with pytest.raises(UsageError, match="flat declares no prior to sample from, and no Gaussian"):
        TrainedModel(Flat((3,)), 0.0, 1.0, {"variant": "flat"}).sample(5)
    with pytest.raises(UsageError, match="n=0 is not a whole number of at least 1"):
        model.sample(0)


@pytest.mark.parametrize(
    "rows",
    [
        torch.ones(2, 4, requires_grad=True),
        torch.ones(2, 4, dtype=torch.bfloat16),
        pd.DataFrame(np.ones((2, 4), dtype=int)),
        [["1", "1.0", 1, 1.0]] * 2,
        np.ones((4, 2), dtype=">f4").T,
    ],
    ids=lambda rows: f"{type(rows).__name__}-{getattr(rows, 'dtype', '')}",
)
def test_rows_and_codes_may_come_in_any_container(rows):
    model = TrainedModel(Flat((4,)), np.zeros(4), np.ones(4), {})
    np.testing.assert_array_equal(model.encode(rows), np.ones((2, 4)))
    np.testing.assert_array_equal(model.decode(rows), np.ones((2, 4)))


@pytest.mark.parametrize(
    "rows, message",
    [
        (np.ones((2, 4)) * 1j, "complex128"),
        (np.zeros((2, 4), dtype="M8[D]"), "datetime64"),
        ([["1_0", 2, 3, 4]], r"column 0 holds text \('1_0'\)"),
        (pd.DataFrame({"t": pd.date_range("2020", periods=2)}), "datetime64"),
        (torch.eye(4).to_sparse(), "to_dense"),
        (None, "NoneType is not an array"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_rows_and_codes_that_are_no_numbers_are_one_line(rows, message):
    model = TrainedModel(Flat((4,)), np.zeros(4), np.ones(4), {})
    for call, what in ((model.encode, "X"), (model.decode, "Z")):
        with pytest.raises(UsageError, match=f"^{what}: .*{message}"):
            call(rows)
