"""Counts are taken as log(1 + count), in the data and in the trained model alike; negative ones are refused."""

import numpy as np
import pandas as pd
import pytest
from runs import execute

import bench
from bench.data.array_like import Names
from bench.data.counts import log_counts
from bench.errors import DataError, UsageError
from bench.spec.registry import Registry

load = Registry.discover().load("dataset", "file")
COUNTS = np.random.default_rng(0).poisson(np.exp(np.random.default_rng(1).normal(3, 1.5, size=(120, 1))), size=(120, 4))


@pytest.mark.parametrize("kind", ["csv", "npy"])
def test_the_data_are_standardised_logarithms(tmp_path, kind):
    path = tmp_path / f"t.{kind}"
    np.save(path, COUNTS) if kind == "npy" else pd.DataFrame(COUNTS).add_prefix("c").to_csv(path, index=False)
    split = load(str(path), scale="log1p")
    back = np.expm1(np.concatenate([split.train, split.validation, split.test]) * split.scale + split.shift)
    np.testing.assert_allclose(np.sort(back, axis=0), np.sort(COUNTS, axis=0), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(split.train.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(split.train.std(0), 1, rtol=1e-5)
    assert "counts as log(1 + count)" in split.description


def test_a_model_of_a_run_takes_and_gives_counts(tmp_path, no_report):
    np.save(tmp_path / "t.npy", COUNTS)
    data = [f"file[path={tmp_path / 't.npy'},scale=log1p]"]
    run = execute(tmp_path / "run", variant=["ae"], dataset=data, seeds=1, steps=40, batch_size=None,
                  metrics="test_mse")  # fmt: skip
    model, split = bench.load_model(run.directory, "ae"), load(str(tmp_path / "t.npy"), scale="log1p")
    (record,) = run.store.records().values()
    order = np.random.default_rng(0).permutation(120)[:24]  # the test rows
    assert -model.score(COUNTS[order]) == pytest.approx(record["metrics"]["test_mse"]["value"], rel=1e-5)
    np.testing.assert_allclose(model.standardised(COUNTS[order]), split.test, atol=1e-6)
    codes = model.encode(COUNTS[:5])
    logs = np.log1p(model.decode(codes))
    inside = model.variant.decode(bench.load_model(run.directory, "ae").variant.encoder(_tensor(model, COUNTS[:5])))
    np.testing.assert_allclose(logs, inside.numpy() * split.scale + split.shift, rtol=1e-4)
    with pytest.raises(DataError, match=r"X: the value at row 1, column 2 is negative \(-3\)"):
        model.encode(np.where(np.arange(20).reshape(5, 4) == 6, -3, COUNTS[:5]))


def _tensor(model, rows):
    import torch

    return torch.from_numpy(model.standardised(rows))


def test_an_estimator_of_counts_is_one_of_their_logarithms_and_its_file_remembers(tmp_path):
    quick = {"steps": 30, "latent_dim": 2, "network": "mlp[hidden=[8]]"}
    own = bench.Autoencoder("ae", scale="log1p", **quick).fit(COUNTS)
    logs = bench.Autoencoder("ae", scale="standard", **quick).fit(np.log1p(COUNTS))
    np.testing.assert_array_equal(own.transform(COUNTS), logs.transform(np.log1p(COUNTS)))
    np.testing.assert_allclose(own.reconstruct(COUNTS), np.expm1(logs.reconstruct(np.log1p(COUNTS))), rtol=1e-6)
    own.save(tmp_path / "own.safetensors")
    again = bench.Autoencoder.load(tmp_path / "own.safetensors")
    np.testing.assert_array_equal(again.reconstruct(COUNTS), own.reconstruct(COUNTS))
    with pytest.raises(ValueError, match="is for counts"):
        bench.Autoencoder("ae", scale="log1p", **quick).fit(COUNTS - 1.0)


def test_what_is_no_count_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"t: the value at row 1, column 'b' is negative \(-0.5\), and scale=log1p is"):
        log_counts(np.array([[0.0, 1.0], [2.0, -0.5]]), Names(["a", "b"], what="t"))
    pd.DataFrame({"a": range(60), "kind": ["x", "y"] * 30}).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(UsageError, match="'kind=x' is no count"):
        load(str(tmp_path / "t.csv"), scale="log1p")
    np.save(tmp_path / "t.npy", COUNTS)
    for options in ({"window": 8}, {"memory_limit": 100}):
        with pytest.raises(UsageError, match="scale=log1p"):
            load(str(tmp_path / "t.npy"), scale="log1p", **options)
