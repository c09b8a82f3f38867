"""Kinds decoded rightly and squared errors of numbers alone, by hand on a table whose model is planted."""

import numpy as np
import pandas as pd
import pytest
import torch

from bench.contracts.dataset import Split
from bench.contracts.model import Model
from bench.losses import ReconstructionCost
from bench.metrics.kinds import Kinds
from bench.spec.registry import Registry

TRUTH = {
    "kinds": {"colour": [1, 2, 3], "size": [4, 5]},
    "flags": [1, 2, 3, 4, 5, 6],
}  # 0 a number, 6 marks what is missing
RNG = np.random.default_rng(0)


def rows(colours, sizes, numbers):
    colour, size = np.eye(4)[colours][:, :3], np.eye(3)[sizes][:, :2]  # 3 and 2 are kinds that training has not
    return np.hstack([np.reshape(numbers, (-1, 1)), colour, size, np.zeros((len(colours), 1))]).astype(np.float32)


TRAIN = rows([0, 0, 1, 2], [1, 1, 1, 0], [0, 1, 2, 3])
TEST = rows([0, 1, 2, 3], [0, 0, 1, 2], [0.0, 1.0, 2.0, 3.0])


def evaluated(toolbox, decode, truth=TRUTH):
    """The metric of a model that encodes rows as they are."""
    split = Split(TRAIN, TRAIN[:0], TEST, truth=truth)
    model = Model("planted", 7, (7,), ReconstructionCost("squared"), lambda x: x, decode, decode)
    found = toolbox.evaluate(model, split, Kinds())
    return {name: one.value if one.value is not None else one.reason for name, one in found.items()}


def test_a_model_without_error_has_all_kinds_and_no_error(toolbox):
    found = evaluated(toolbox, lambda z: z)
    assert found["kinds_accuracy"] == 1 and found["numbers_mse"] == 0
    # Most frequent in training: colour 0 (one of the three known cells), size 1 (one of three).
    assert found["kinds_baseline"] == pytest.approx(2 / 6)


def test_wrong_kinds_and_wrong_numbers_do_not_mix(toolbox):
    def swapped(z):  # colours 0 and 1 change places, numbers are off by 0.5
        return z[:, [0, 2, 1, 3, 4, 5, 6]] + torch.tensor([0.5, 0, 0, 0, 0, 0, 9])

    found = evaluated(toolbox, swapped)
    assert found["kinds_accuracy"] == pytest.approx(4 / 6)  # colour: only the third of three; size: all three
    assert found["numbers_mse"] == pytest.approx(0.25)


def test_a_constant_decoder_has_the_baseline(toolbox):
    usual = torch.tensor([1.5, 0.5, 0.25, 0.25, 0.25, 0.75, 0.0])
    found = evaluated(toolbox, lambda z: usual.expand(len(z), -1))
    assert found["kinds_accuracy"] == found["kinds_baseline"] == pytest.approx(2 / 6)


def test_without_columns_of_text_it_does_not_apply(toolbox):
    found = evaluated(toolbox, lambda z: z, {})
    assert set(found.values()) == {"the data have no column of text that became columns of 0 and 1"}
    only = evaluated(toolbox, lambda z: z, {"kinds": {"all": list(range(7))}, "flags": list(range(7))})
    assert only["numbers_mse"] == "the table has no column of numbers"


def test_direction_and_range_are_declared():
    declared = {value.name: (value.higher_is_better, value.range) for value in Kinds.values}
    assert declared == {
        "kinds_accuracy": (True, "[0, 1]"), "kinds_baseline": (None, "[0, 1]"), "numbers_mse": (False, "[0, inf)"),
    }  # fmt: skip


def test_a_table_says_which_of_its_columns_are_kinds(tmp_path):
    load = Registry.discover().load("dataset", "file")
    frame = pd.DataFrame({"kind": ["a", "b", "c"] * 20, "x": RNG.normal(size=60), "on": ["yes", "no"] * 30})
    frame.loc[[1, 7], "x"] = None
    frame.to_csv(tmp_path / "t.csv", index=False)
    split = load(str(tmp_path / "t.csv"), missing="indicator")
    assert split.truth["kinds"] == {"kind": [2, 3, 4], "on": [5, 6]} and split.truth["flags"] == [1, 2, 3, 4, 5, 6]
    assert (np.asarray(split.test)[:, 2:5].sum(1) == 1).all() and "kinds_accuracy" in split.description
    frame[["x"]].dropna().to_csv(tmp_path / "n.csv", index=False)
    assert load(str(tmp_path / "n.csv")).truth == {}
