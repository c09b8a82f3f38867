"""`aebench new`: the files it writes work as they are, and nothing is overwritten."""

import sys

import numpy as np
import pytest
import torch

from bench.spec.call import parse_call
from bench.spec.registry import Registry


def test_a_new_variant_is_a_working_plugin(call, tmp_path):
    code, out, err = call("new", "variant", "My_First-AE")
    assert (code, err) == (0, "")
    assert "aebench run --plugins my_first_ae.py -m my-first-ae" in out
    registry = Registry.discover([tmp_path / "my_first_ae.py"])
    cls = registry.load("variant", "my-first-ae")
    assert cls.__name__ == "MyFirstAe"
    assert registry.resolve("variant", parse_call("my-first-ae[weight=2]")).params == {"weight": 2.0}
    assert cls(weight=0.5).weight == 0.5
    assert len((tmp_path / "my_first_ae.py").read_text().splitlines()) <= 40


def test_a_new_variant_trains_to_a_penalised_loss(call, tmp_path):
    call("new", "variant", "tight")
    variant = Registry.discover([tmp_path]).load("variant", "tight")(weight=0.25)
    variant.encoder, variant.decoder = torch.nn.Identity(), torch.nn.Identity()
    variant.data_shape, variant.latent_dim = (3,), 3
    variant.cost = lambda params, x: (params - x).square().sum(-1) + 1
    batch = type("Batch", (), {"x": torch.tensor([[1.0, 2.0, 2.0]])})
    terms = variant.loss(batch, None)
    assert terms["loss"].tolist() == [1 + 0.25 * 9]
    assert terms["penalty"].tolist() == [9.0]


def test_a_new_dataset_is_a_working_plugin(call, tmp_path):
    code, _, _ = call("new", "dataset", "my-ring")
    assert code == 0
    registry = Registry.discover([tmp_path])
    load = registry.load("dataset", "my-ring")
    split = load(n=400, noise=0.0)
    assert split.data_shape == (8,) and split.n_classes == 4
    assert len(split.train) + len(split.validation) + len(split.test) == 400
    assert np.linalg.norm(split.train, axis=1) == pytest.approx(1, abs=1e-5)
    assert load(n=400).checksum() == load(n=400).checksum() != load(n=400, seed=1).checksum()


def test_a_new_metric_is_a_working_plugin_with_an_option(call, tmp_path):
    code, out, _ = call("new", "metric", "worst-rows")
    assert code == 0 and "--metrics 'core,worst-rows[share=0.95]'" in out
    assert call("check", "worst_rows.py")[0] == 0
    metric = Registry.discover([tmp_path]).load("metric", "worst-rows")
    errors = torch.arange(101.0, dtype=torch.float64)
    view = type("View", (), {"squared_errors": lambda self, part: errors, "dimension": 4})()
    assert metric(share=0.5).compute(view, None) == {"worst_rows": 12.5}
    errors = errors[:19]
    assert metric().compute(view, None)["worst_rows"].status == "too_few"


def test_a_new_sampler_is_a_working_plugin(call, tmp_path):
    code, out, _ = call("new", "sampler", "own-kernels")
    assert code == 0 and "--samplers 'own-kernels[bandwidth=0.1]'" in out
    code, out, err = call("check", "own_kernels.py")
    assert (code, err) == (0, "") and out.endswith("all checks that apply passed (1 does not)\n"), out
    sampler = Registry.discover([tmp_path]).load("sampler", "own-kernels")(bandwidth=0.0)
    codes = torch.randn(50, 2)
    drawn = sampler.fit(codes, torch.Generator()).sample((200,))
    assert {tuple(row) for row in drawn.tolist()} <= {tuple(row) for row in codes.tolist()}


def test_a_new_network_is_a_working_factory(call, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    code, out, _ = call("new", "network", "own-residual")
    assert code == 0 and "aebench check ae --network 'own_residual:build[blocks=1]'" in out
    code, out, _ = call("check", "ae", "--network", "own_residual:build[blocks=1,width=8]")
    assert code == 0 and out.endswith("all checks passed\n"), out
    build = sys.modules["own_residual"].build
    block = sys.modules["own_residual"].Residual(3)
    for parameter in block.parameters():
        parameter.data.zero_()
    x = torch.randn(2, 3)
    assert torch.equal(block(x), x)
    encoder, decoder = build((2, 4, 4), 6, 3, width=8)
    assert encoder(torch.zeros(5, 2, 4, 4)).shape == (5, 6) and decoder(torch.zeros(5, 3)).shape == (5, 2, 4, 4)


@pytest.mark.parametrize("kind", ["variant", "dataset", "metric", "sampler", "network"])
def test_an_existing_file_is_left_alone(call, tmp_path, kind):
    (tmp_path / "mine.py").write_text("precious")
    code, _, err = call("new", kind, "mine")
    assert code == 2 and "mine.py exists already" in err
    assert (tmp_path / "mine.py").read_text() == "precious"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["variant", "vae"], "there is a variant 'vae' already"),
        (["dataset", "Digits"], "there is a dataset 'digits' already"),
        (["metric", "coverage"], "there is a metric 'coverage' already"),
        (["metric", "test-mse"], "a value of reconstruction"),
        (["sampler", "maf"], "there is a sampler 'maf' already"),
        (["network", "mlp"], "there is a network 'mlp' already (built in)"),
        (["network", "json"], "there is a network 'json' already"),
        (["variant", "../x"], "is not a plugin name"),
        (["variant", "class"], "is not a plugin name; it is a word of Python: give another"),
        (["variant", "2d"], "is not a plugin name; one begins with a letter, and goes on"),
        (["variant", ""], "is not a plugin name"),
        (["model", "x"], "variant"),
        (["variant"], "NAME"),
    ],
)
def test_names_that_cannot_be_are_refused(call, tmp_path, arguments, expected):
    code, out, err = call("new", *arguments)
    assert (code, out) == (2, "")
    assert expected in err and err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
