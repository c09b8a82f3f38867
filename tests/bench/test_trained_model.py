"""A trained model is given rows in the user's own units and layout, and sees what it was trained on."""

import numpy as np
import pytest
from torch import nn

from bench.data.array_like import arrange
from bench.data.split_arrays import split_arrays
from bench.errors import UsageError
from bench.trained_model import TrainedModel

RNG = np.random.default_rng(0)


class Flat(nn.Module):
    """The code is the data."""

    prior = None

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
