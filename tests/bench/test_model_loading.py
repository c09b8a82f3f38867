"""A model is loaded from a run: the cell that is meant, the code that may run, refused where either changed."""

import contextlib
import functools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from runs import execute, written

from bench import model_loading
from bench.errors import UsageError
from bench.provenance.code import Part

#: The runs of this file are our own.
load_model = functools.partial(model_loading.load_model, trust=True)

PLUGIN = """from bench.contracts.variant import Variant
from plug_helper import factor


class Plug(Variant):
    def loss(self, batch, draw):
        return {"loss": self.reconstruction_cost(self.encode(batch.x), batch.x)}

    def encode(self, x):
        return factor() * self.encoder(x)
"""
NETS = """from torch import nn


def make(data_shape, head_width, latent_dim):
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(6, head_width), nn.Tanh())
    return encoder, nn.Sequential(nn.Linear(latent_dim, 6), nn.Unflatten(-1, data_shape))
"""
METRIC = """from bench import Metric, Value


class Odd(Metric):
    family = "objective"
    values = (Value(name="odd_number", summary="a number", higher_is_better=True),)

    def compute(self, view):
        return {"odd_number": 3.0}
"""


@pytest.fixture(scope="module")
def code(tmp_path_factory):
    """A folder on the path with a plugin, its helper, a network and a metric."""
    folder = tmp_path_factory.mktemp("code")
    (folder / "plugins").mkdir()
    files = {"plugins/plug": PLUGIN, "plug_helper": "def factor():\n    return 1.0\n", "plug_nets": NETS,
             "plugins/odd": METRIC}  # fmt: skip
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield folder


@pytest.fixture(scope="module")
def run(code, tmp_path_factory):
    """A run of `ae` and `plug` on two data sets, with a network of one's own."""
    directory = tmp_path_factory.mktemp("trained") / "run"
    data = ["linear-gaussian[d=6,n=300]", "linear-gaussian[d=6,n=200]"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.runs.runner.report_run", lambda run: [])
        patch.setattr("bench.runs.runner.measure_core", lambda *arguments: None)
        outcome = execute(directory, variant=["ae", "plug"], dataset=data, seeds=1, steps=5, metrics="test_mse",
                          network="plug_nets:make", plugins=[code / "plugins"])  # fmt: skip
    assert outcome.n_failed == 0
    return directory


ONE = "linear-gaussian[d=6,n=200]"
ROWS = np.random.default_rng(0).normal(size=(5, 6))


@contextlib.contextmanager
def edited(path, old, new):
    before = path.read_text()
    assert old in before
    path.write_text(before.replace(old, new))
    try:
        yield
    finally:
        path.write_text(before)


@pytest.mark.parametrize(
    ("file", "old", "new", "variants"),
    [
        ("plugins/plug.py", "factor() * self", "2 * factor() * self", {"plug"}),
        ("plug_helper.py", "1.0", "500.0", {"plug"}),
        ("plug_nets.py", "nn.Tanh", "nn.ReLU", {"plug", "ae"}),
    ],
)
def test_code_that_changed_since_is_refused_and_named(run, code, file, old, new, variants):
    for variant in ("ae", "plug"):
        before = load_model(run, variant, dataset=ONE).encode(ROWS)
        with edited(code / file, old, new):
            if variant not in variants:
                np.testing.assert_array_equal(load_model(run, variant, dataset=ONE).encode(ROWS), before)
                continue
            with pytest.raises(UsageError) as raised:
                load_model(run, variant, dataset=ONE)
            text = str(raised.value)
            assert (
                f"{variant} with seed 0 was trained with other code than is here now: {Path(file).name} changed" in text
            )
            assert "run it again" in text and "changed='allow'" in text and "\n" not in text
            now = load_model(run, variant, dataset=ONE, changed="allow").encode(ROWS)
            assert now.shape == before.shape and not np.allclose(now, before)
        np.testing.assert_array_equal(load_model(run, variant, dataset=ONE).encode(ROWS), before)


def test_a_comment_is_no_change(run, code):
    for name in ("plugins/plug.py", "plug_helper.py", "plug_nets.py"):
        with edited(code / name, "\n", "  # a comment\n"):
            load_model(run, "plug", dataset=ONE)


def test_a_changed_built_in_network_is_refused(run, monkeypatch):
    """As if a file of the package had another digest than when the run was made."""
    real = model_loading.model_code

    def changed(*arguments):
        parts = real(*arguments)
        files = tuple((name, "other" if name.endswith("build.py") else digest) for name, digest in parts["model"].files)
        return parts | {"model": Part(files)}

    monkeypatch.setattr(model_loading, "model_code", changed)
    with pytest.raises(UsageError, match=r"now: bench/networks/build\.py changed \(model\); run it again"):
        load_model(run, "ae", dataset=ONE)


def test_without_a_record_of_the_code_it_says_so(run, tmp_path):
    shutil.copytree(run, tmp_path / "old")
    path = tmp_path / "old" / "cells.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text(written(*({k: v for k, v in one.items() if k != "code"} for one in records)))
    with pytest.raises(UsageError, match="ae with seed 0 has no record of the code it was trained with"):
        load_model(tmp_path / "old", "ae", dataset=ONE)
    load_model(tmp_path / "old", "ae", dataset=ONE, changed="allow")


def test_several_cells_name_what_tells_them_apart_and_unplanned_ones_do_not_count(run, tmp_path):
    with pytest.raises(UsageError, match=r"'ae' with seed 0 means several cells: .*; give dataset=, e\.g\."):
        load_model(run, "ae")
    with pytest.raises(UsageError, match="unknown data set of ae 'digits'; "):
        load_model(run, "ae", dataset="digits")
    with pytest.raises(UsageError, match="unknown changed 'maybe'"):
        load_model(run, "ae", changed="maybe")
    shutil.copytree(run, tmp_path / "later")
    path = tmp_path / "later" / "plan.json"
    plan = json.loads(path.read_text())
    plan["cells"] = [cell for cell in plan["cells"] if cell["dataset_label"] == ONE]
    path.write_text(json.dumps(plan))
    assert load_model(tmp_path / "later", "ae").info["dataset_label"] == ONE


def test_plugins_that_moved(run, code, tmp_path):
    """A built-in variant needs none of them; one's own is found where the user says."""
    (code / "plugins").rename(tmp_path / "moved")
    try:
        before = load_model(run, "ae", dataset=ONE).encode(ROWS)
        assert np.isfinite(before).all()
        with pytest.raises(UsageError, match=r"variant 'plug' is not in .*plugins any more; .* with plugins="):
            load_model(run, "plug", dataset=ONE)
        assert load_model(run, "plug", dataset=ONE, plugins=tmp_path / "moved" / "plug.py").encode(ROWS).shape == (5, 2)
    finally:
        (tmp_path / "moved").rename(code / "plugins")


def test_a_setting_whose_value_is_the_default_is_found_as_it_was_asked_for():
    assert model_loading._as_labelled("vae[beta=1]") == "vae"
    assert model_loading._as_labelled("vae[beta=1.0,samples=2]") == "vae[samples=2]"
    assert model_loading._as_labelled("mine[weight=3]") == "mine[weight=3]"
    assert model_loading._as_labelled("vae[") == "vae["
