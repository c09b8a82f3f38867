"""The examples do what they say: with few steps here, which show that they run, and little of how well."""

import functools
import importlib.util
from pathlib import Path

import pytest

import bench

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def example(no_report, monkeypatch):
    """`example(name)` is the module in `examples/`, imported as nothing else is; its runs start no process."""
    monkeypatch.setattr("bench.run", functools.partial(bench.run, n_jobs=1))

    def load(name):
        spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


def test_tumours_stand_out_from_healthy_rows(example, capsys):
    assert example("anomalies_in_a_table").main(steps=150) > 0.8
    assert "malignant rows are flagged" in capsys.readouterr().out


def test_pictures_are_drawn(example):
    drawn = example("pictures_in_a_folder").main(steps=20, n=600)
    assert drawn.shape == (16, 1, 8, 8) and 10 < drawn.mean() < 245


def test_an_idea_becomes_a_table(example):
    table = example("from_idea_to_table").main(steps=20, seeds=2)
    assert "shell-ae" in table and r"energy\_fit" in table and table.count(r"\pm") == 1 + 4  # one in the caption


def test_methods_on_sequences_are_measured_and_the_hypothesis_is_tested(example, capsys):
    found = example("methods_on_sequences").main(steps=20, seeds=3)
    rows = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines()}
    assert (found.variant, found.against, found.metric, found.n) == ("my-wae", "vae", "slope_error", 3)
    assert 0 <= found.p <= 1 and "before any result" in found.declared
    assert rows["metric"] == ["energy_fit", "slope_error", "test_mse", "test_neg_elbo"]
    assert [text == "n/a" for text in rows["my-vq"]] == [False, False, False, True]
    assert "n/a" not in rows["my-sigma-vae"]  # its own likelihood
