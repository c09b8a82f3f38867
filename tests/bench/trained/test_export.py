"""An exported model gives what the trained one gives, without this package; one that differs is never written."""

import importlib.util
import subprocess
import sys

import numpy as np
import pytest
import torch
from runs import execute
from torch import nn

from bench import load_model
from bench.errors import UsageError
from bench.trained import export
from bench.trained.export import decoder_path

HAS_ONNX = all(importlib.util.find_spec(name) for name in export._ONNX)
needs_onnx = pytest.mark.skipif(not HAS_ONNX, reason="needs the extra: pip install -e '.[onnx]'")
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Variants with and without an encoder, and one whose decoder projects its codes, on columns of unlike sizes."""
    folder = tmp_path_factory.mktemp("export")
    x = RNG.normal(size=(200, 5)) * [1, 1000, 1e-3, 5, 0] + [0, 1e6, 1, 3, 4]
    np.save(folder / "x.npy", x)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.runs.runner.report_run", lambda run: [])
        patch.setattr("bench.runs.runner.measure_core", lambda *arguments: None)
        outcome = execute(folder / "run", variant=["vae", "decoder-only", "fsq"], seeds=1, steps=20,
                          dataset=[f"file[path={folder / 'x.npy'}]"], metrics="test_mse", batch_size=None)  # fmt: skip
    return outcome.directory


#: Reads both files with torch alone: no path leads to this package.
PROGRAM = """
import sys
import numpy as np, torch
for name, given in (("model.pt2", "rows.npy"), ("model.decoder.pt2", "codes.npy")):
    out = torch.export.load(name).module()(torch.from_numpy(np.load(given)))
    np.save(name + ".npy", (out[1] if isinstance(out, tuple) else out).detach().numpy())
assert not [name for name in sys.modules if name.partition(".")[0] == "bench"]
"""


def test_the_files_of_torch_need_torch_alone_and_give_what_the_model_gives(run, call, tmp_path):
    code, out, err = call("export", run, "vae", "-o", "model.pt2")
    assert (code, err) == (0, ""), err
    assert "model.pt2: x (rows, 5) float64 -> codes (rows, 2), reconstruction (rows, 5) float32" in out
    assert out.count("tolerance 0.0001") == 2 and "on 40 held-out rows" in out
    model, rows = load_model(run, "vae"), RNG.normal(size=(7, 5)) * [1, 1000, 1e-3, 5, 1] + [0, 1e6, 1, 3, 4]
    codes = RNG.normal(size=(1, 2)).astype(np.float32)
    np.save(tmp_path / "rows.npy", rows)
    np.save(tmp_path / "codes.npy", codes)
    done = subprocess.run([sys.executable, "-I", "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(np.load(tmp_path / "model.pt2.npy"), model.reconstruct(rows), rtol=1e-5)
    np.testing.assert_allclose(np.load(tmp_path / "model.decoder.pt2.npy"), model.decode(codes), rtol=1e-5)


@needs_onnx
def test_the_files_of_onnx_give_what_the_model_gives(run, tmp_path):
    import onnxruntime

    model, rows = load_model(run, "vae"), RNG.normal(size=(7, 5)) * [1, 1000, 1e-3, 5, 1] + [0, 1e6, 1, 3, 4]
    path = tmp_path / "model.onnx"
    made = export.export(model, path, "onnx")
    assert [one.path for one in made] == [path, decoder_path(path)] and max(one.difference for one in made) < 1e-4
    assert sorted(file.name for file in tmp_path.iterdir()) == ["model.decoder.onnx", "model.onnx"]
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    codes, rebuilt = session.run(["codes", "reconstruction"], {"x": rows})
    np.testing.assert_allclose(codes, model.encode(rows), atol=1e-5)
    np.testing.assert_allclose(rebuilt, model.reconstruct(rows), rtol=1e-5)


def test_a_variant_without_encoder_has_a_decoder_alone_and_projections_are_inside(run, tmp_path):
    only = export.export(load_model(run, "decoder-only"), tmp_path / "a.pt2", "torch")
    assert [one.path.name for one in only] == ["a.decoder.pt2"] and only[0].rows == "random codes"
    grid = load_model(run, "fsq")
    assert grid.variant.project is not None
    export.export(grid, tmp_path / "b.pt2", "torch")
    codes = 5 * RNG.normal(size=(4, 2)).astype(np.float32)  # of which none is valid
    found = torch.export.load(tmp_path / "b.decoder.pt2").module()(torch.from_numpy(codes))
    np.testing.assert_allclose(found.numpy(), grid.decode(codes), rtol=1e-5)


def test_a_graph_that_differs_or_cannot_be_made_is_refused_and_nothing_is_written(run, tmp_path, monkeypatch):
    model = load_model(run, "vae")

    class Other(export.Reconstruct):
        def forward(self, x):
            codes, rows = super().forward(x)
            return codes, rows + 0.01 * self.scale.float()

    class Branching(export.Reconstruct):
        def forward(self, x):
            return super().forward(x if float(x.sum()) > 0 else -x)

    for planted, words in ((Other, "differs from the trained one by"), (Branching, "cannot be written as a graph")):
        monkeypatch.setattr(export, "Reconstruct", planted)
        with pytest.raises(UsageError, match=words) as raised:
            export.export(model, tmp_path / "x.pt2", "torch")
        assert "\n" not in str(raised.value) and [*tmp_path.iterdir()] == []


def test_a_graph_for_one_number_of_rows_is_seen(run, tmp_path, monkeypatch):
    fixed = lambda module, inputs, dynamic_shapes: real(module, inputs)  # noqa: E731
    real = torch.export.export
    monkeypatch.setattr(torch.export, "export", fixed)
    with pytest.raises(UsageError, match="cannot be written"):
        export.export(load_model(run, "vae"), tmp_path / "x.pt2", "torch")


def test_without_the_training_data_random_rows_are_compared_and_it_is_said(run, tmp_path):
    model = load_model(run, "vae")
    model.info = {**model.info, "dataset": "arrays"}
    (first, _) = export.export(model, tmp_path / "x.pt2", "torch")
    assert first.rows.startswith("64 random rows (this run's data were arrays")


def test_wrong_words_are_one_line(run, call, tmp_path, monkeypatch):
    ask = lambda *words: call("export", run, "vae", *words)  # noqa: E731
    assert "a file of --format torch ends in .pt2" in ask("--format", "torch", "-o", "x.onnx")[2]
    assert "a model's file ends in .pt2 (torch) or .onnx (onnx)" in ask("-o", "x.bin")[2]
    (tmp_path / "x.decoder.pt2").write_text("mine")
    assert "x.decoder.pt2 is there already" in ask("--format", "torch", "-o", "x.pt2")[2]
    assert "lies in the folder of the run" in ask("--format", "torch", "-o", run / "x.pt2")[2]
    assert "unknown variant" in call("export", run, "ae", "--format", "torch", "-o", "y.pt2")[2]
    monkeypatch.setattr(export, "_ONNX", ("onnx_is_not_here",))
    code, _, err = ask("--format", "onnx", "-o", "x.onnx")
    assert (code, err) == (2, "error: --format onnx needs onnx_is_not_here; pip install 'aebench[onnx]'\n")
    with pytest.raises(UsageError, match="unknown format 'tflite'"):
        export.export(None, tmp_path / "x", "tflite")


def test_the_modules_hold_no_gradients(run):
    module = export.Decode(load_model(run, "vae"))
    assert isinstance(module, nn.Module) and not any(p.requires_grad for p in module.parameters())
