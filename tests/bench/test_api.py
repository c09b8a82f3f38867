"""`bench.run`, `bench.load` and the lazy package: arrays in, a tidy frame out, the same words as the command line."""

import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import bench
from bench.errors import UsageError
from bench.spec.call import Call
from bench.spec.registry import ARRAYS, Registry
from bench.spec.run import RunSpec

ROOT = Path(__file__).resolve().parents[2]
DATA = np.random.default_rng(0).normal(size=(120, 5)) @ np.random.default_rng(1).normal(size=(5, 5))
LABELS = np.array(["a", "b", "c"])[np.arange(120) % 3]


@pytest.fixture
def executed(monkeypatch):
    """What the runner was called with; the run itself is left out."""
    calls = []

    def execute(run, arrays=None):
        calls.append((run.spec, run.options, run.registry, arrays))
        return types.SimpleNamespace(store="somewhere")

    runner = types.ModuleType("bench.runs.runner")
    runner.execute = execute
    monkeypatch.setitem(sys.modules, "bench.runs.runner", runner)
    monkeypatch.setattr("bench.api._frame", lambda store: store)
    return calls


def test_the_package_offers_its_names_lazily():
    code = "import sys, bench; print(sorted({'torch', 'numpy', 'pandas', 'yaml'} & set(sys.modules)), dir(bench))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.startswith("[] ")
    for name in ("run", "load", "load_model", "Split"):
        assert f"'{name}'" in done.stdout
    assert bench.Split.__module__ == "bench.contracts.dataset"
    with pytest.raises(AttributeError, match="no attribute 'rum'"):
        _ = bench.rum


def test_without_arguments_it_is_the_default_run(executed):
    assert bench.run() == "somewhere"
    ((spec, options, registry, arrays),) = executed
    assert spec == RunSpec().validate(registry) and arrays is None
    assert options.directory(spec) == Path("results") / f"digits-{spec.hash}"


def test_settings_are_those_of_the_command_line(executed, tmp_path):
    bench.run(
        ["ae", Call("vae", {"beta": [1, 2]})], "linear-gaussian", seeds=[1, 5], latent_dim=3, epochs=2,
        recon="gaussian", network="mlp[hidden=[]]", optimizer="sgd", schedule="constant", early_stopping=3,
        batch_size=10, precision="bf16", compile=True, device="cpu", metrics=["test_mse", "kl"], controls=True,
        baseline="ae", output=tmp_path / "x", n_jobs=2, timeout="1m", force=True, quiet=True,
        tensorboard=True,
    )  # fmt: skip
    ((spec, options, registry, _),) = executed
    assert [registry.label("variant", call) for call in spec.variants] == ["ae", "vae", "vae[beta=2]"]
    assert (spec.seeds, spec.train.epochs, spec.train.latent_dim, spec.metrics) == ((1, 5), 2, 3, "test_mse,kl")
    assert (options.output, options.n_jobs, options.timeout, options.force) == (tmp_path / "x", 2, 60.0, True)
    assert (spec.train.precision, spec.train.compile, options.tensorboard) == ("bf16", True, True)


def test_arrays_are_data_whose_content_names_the_cells(executed):
    bench.run("ae", data=DATA, labels=LABELS)
    bench.run("ae", data=DATA, labels=LABELS)
    bench.run("ae", data=DATA + 1e-3 * DATA**2, labels=LABELS)
    (first, _, registry, split), (second, *_), (third, *_) = executed
    assert first.name == ARRAYS and first.hash == second.hash != third.hash
    assert split.data_shape == (5,) and split.label_names == ("a", "b", "c")
    assert first.cells(registry)[0].dataset_label == ARRAYS
    bench.run("ae", data=split)
    assert executed[-1][3] is split and executed[-1][0].hash == first.hash


@pytest.mark.parametrize(
    "same",
    [
        lambda x: np.asfortranarray(x),
        lambda x: np.repeat(x, 2, axis=0)[::2],
        lambda x: np.concatenate([x, x], axis=1)[:, : x.shape[1]],
        lambda x: np.ascontiguousarray(x[::-1])[::-1],
        lambda x: x.astype(">f8"),
        lambda x: torch.from_numpy(np.ascontiguousarray(x.T)).T,
        lambda x: pd.DataFrame(x),
    ],
    ids=["column-major", "every second row", "some columns", "backwards", "big-endian", "tensor", "frame"],
)
def test_how_an_array_lies_in_memory_does_not_matter(executed, same):
    given = same(DATA)
    bench.run("ae", data=DATA)
    bench.run("ae", data=given)
    (first, _, _, plain), (second, _, _, other) = executed
    assert first.hash == second.hash
    for part in ("train", "validation", "test"):
        rows = getattr(other, part)
        assert rows.dtype == np.float32 and np.array_equal(rows, getattr(plain, part))


def test_float64_data_that_do_not_lie_in_one_piece_are_trained_on(tmp_path, monkeypatch):
    monkeypatch.setattr("bench.runs.runner.report_run", lambda directory: [])
    images = np.random.default_rng(2).random((80, 4, 12)).transpose(0, 2, 1)[:, ::2]  # (80, 6, 4), float64
    assert images.dtype == np.float64 and not images.flags.c_contiguous
    settings = {"seeds": 1, "steps": 10, "latent_dim": 2, "batch_size": 16, "metrics": "test_mse", "quiet": True}
    strided = bench.run("ae", data=images, output=tmp_path / "strided", **settings)
    plain = bench.run("ae", data=np.ascontiguousarray(images), output=tmp_path / "plain", **settings)
    assert list(strided.value) == list(plain.value) and strided.value.notna().all()


@pytest.mark.parametrize("n_jobs", [1, 2], ids=["in this process", "in child processes"])
def test_a_device_that_does_not_exist_is_named_before_anything_is_written(tmp_path, n_jobs):
    with pytest.raises(UsageError, match=r"device 'cuda:99' does not exist here .* give --device cpu or auto"):
        bench.run("ae", device="cuda:99", n_jobs=n_jobs, output=tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()


def test_a_file_in_the_place_of_the_directory_is_named_before_the_data_are_looked_at(tmp_path):
    (tmp_path / "taken").write_text("kept")
    with pytest.raises(UsageError, match=r"cannot create .*taken: File exists; a file is in its place; give another"):
        bench.run("ae", "file[path=gone.csv]", output=tmp_path / "taken")
    assert (tmp_path / "taken").read_text() == "kept"


def test_presets_and_files_combine_with_arguments(executed, tmp_path):
    (tmp_path / "mine.yaml").write_text("steps: 7\n")
    bench.run(preset="quick", config=tmp_path / "mine.yaml", seeds=1)
    spec = executed[0][0]
    assert (spec.name, spec.train.steps, spec.seeds, len(spec.variants)) == ("mine", 7, (0,), 5)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"variants": "vea"}, "did you mean vae"),
        ({"data": DATA, "datasets": "digits"}, "both data and datasets"),
        ({"labels": LABELS}, "labels are given without data"),
        ({"data": np.where(DATA > 3, np.nan, DATA)}, "row"),
        ({"data": DATA, "labels": LABELS[:5]}, "label"),
        ({"steps": 1, "epochs": 1}, "both steps and epochs"),
        ({"latent_dim": 0}, "latent_dim=0"),
        ({"seeds": 0}, "at least 1 seed"),
        ({"preset": "nope"}, "unknown preset"),
        ({"preset": ""}, "unknown preset ''"),
        ({"datasets": "data/iris.csv"}, "does not exist (looked in"),
        ({"datasets": f"{ARRAYS}[checksum=x]"}, "give them as data="),
        ({"variants": 5}, "variant=5 cannot be read"),
        ({"plugins": "gone.py"}, "no such file"),
    ],
)
def test_bad_requests_are_usage_errors_before_anything_runs(executed, arguments, expected):
    with pytest.raises(UsageError) as raised:
        bench.run(**arguments)
    assert expected in str(raised.value) and executed == []


def test_a_split_brings_its_labels(executed):
    bench.run("ae", data=DATA)
    with pytest.raises(UsageError, match="brings its own labels"):
        bench.run("ae", data=executed[0][3], labels=LABELS)


def test_from_arrays_to_frame_to_model(tmp_path):
    frame = bench.run(
        ["ae", "vae[beta=[0.5,1]]"], data=DATA, labels=LABELS, seeds=2, steps=20, latent_dim=2, batch_size=32,
        metrics="test_mse,kl", output=tmp_path / "run", quiet=True,
    )  # fmt: skip
    assert frame.attrs["run"] == str(tmp_path / "run")
    errors = frame[frame.metric == "test_mse"]
    assert list(errors.variant_label) == ["ae", "ae", "vae[beta=0.5]", "vae[beta=0.5]", "vae", "vae"]
    assert list(errors.seed) == [0, 1] * 3
    assert errors.value.between(0, 10).all() and (errors.metric_status == "ok").all()
    missing = frame[frame.value.isna()]
    assert (missing.reason != "").all() and set(missing.variant) == {"ae"}
    assert (frame.higher_is_better.dtype, frame.n_params.dtype, frame.value.dtype) == ("boolean", "Int64", "float64")
    pd.testing.assert_frame_equal(bench.load(tmp_path / "run"), frame)
    table = pd.read_csv(tmp_path / "run" / "results.csv")
    assert list(table.columns) == list(frame.columns) and len(table) == len(frame)
    codes = bench.load_model(tmp_path / "run", "vae", seed=1).encode(DATA)
    assert codes.shape == (120, 2)


def test_a_directory_without_a_run_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"no cells\.jsonl"):
        bench.load(tmp_path)


def test_registry_is_given_the_plugins(executed, tmp_path):
    (tmp_path / "mine.py").write_text("from bench.contracts.variant import Variant\nclass Mine(Variant): ...\n")
    bench.run("mine", plugins=tmp_path / "mine.py")
    assert executed[0][0].plugins == (str(tmp_path / "mine.py"),)
    assert isinstance(executed[0][2], Registry) and "mine" in executed[0][2].names("variant")
