"""Errors of single held-out rows are those behind test_mse, of the same rows for every model."""

import numpy as np
import pytest
import torch

from bench.contracts.dataset import Split
from bench.contracts.model import Model
from bench.evaluate import figure_arrays as arrays
from bench.losses import ReconstructionCost

D = 6


def model(factor):
    return Model("m", D, (D,), ReconstructionCost("squared"), encode=lambda x: x, decode=lambda z: factor * z)


def test_row_errors_are_those_of_test_rows_in_one_order(monkeypatch):
    x = np.random.default_rng(0).normal(size=(90, D)).astype(np.float32)
    split = Split(x[:40], x[40:50], x[50:], description="rows")
    with torch.no_grad():
        whole = arrays._row_errors(model(0.5), split)
    assert whole == pytest.approx((0.25 * split.test**2).mean(1), rel=1e-5)
    monkeypatch.setattr(arrays, "ERROR_ROWS", 10)
    with torch.no_grad():
        first, second = (arrays._row_errors(model(factor), split) for factor in (0.5, 0.0))
    assert len(first) == 10 and second == pytest.approx(4 * first, rel=1e-5)
