"""`aebench new`: the files it writes work as they are, and nothing is overwritten."""

import numpy as np
import pytest

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
    torch = pytest.importorskip("torch")
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


@pytest.mark.parametrize("kind", ["variant", "dataset"])
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
        (["variant", "../x"], "is not a plugin name"),
        (["variant", "class"], "is not a plugin name; it is a word of Python: give another"),
        (["variant", "2d"], "is not a plugin name; one begins with a letter, and goes on"),
        (["variant", ""], "is not a plugin name"),
        (["metric", "x"], "variant"),
        (["variant"], "NAME"),
    ],
)
def test_names_that_cannot_be_are_refused(call, tmp_path, arguments, expected):
    code, out, err = call("new", *arguments)
    assert (code, out) == (2, "")
    assert expected in err and err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
