"""A file of `Autoencoder.save` gives back what was saved, or one line that says why not."""

import json

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file

import bench
from bench.errors import UsageError
from bench.estimator import stored
from bench.store.array_files import load_tensors, save_tensors

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(RNG.normal(size=(60, 4)) * [1, 2, 3, 4] + 7, columns=["a", "b", "c", "d"])
QUICK = {"latent_dim": 2, "network": "mlp[hidden=[16]]", "steps": 5, "batch_size": 30}
PLUGIN = """from bench.contracts.variant import Variant


class Plug(Variant):
    def loss(self, batch, draw):
        return {"loss": self.reconstruction_cost(self.encode(batch.x), batch.x)}

    def encode(self, x):
        return 1.0 * self.encoder(x)
"""
NETS = """from torch import nn


def make(data_shape, head_width, latent_dim):
    return nn.Sequential(nn.Flatten(), nn.Linear(4, head_width)), nn.Linear(latent_dim, 4)
"""


@pytest.fixture(scope="module")
def fitted():
    return bench.Autoencoder("ae", contamination=0.2, random_state=np.int64(3), **QUICK).fit(FRAME)


@pytest.fixture
def path(fitted, tmp_path):
    fitted.save(tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def test_what_was_saved_is_loaded_to_the_bit(fitted, path):
    again = bench.Autoencoder.load(str(path))
    for method in ("transform", "reconstruct", "score_samples", "decision_function", "predict"):
        np.testing.assert_array_equal(getattr(again, method)(FRAME), getattr(fitted, method)(FRAME))
    np.testing.assert_array_equal(again.sample(7, 1), fitted.sample(7, 1))
    assert again.get_params() == fitted.get_params()
    for name in ("n_features_in_", "n_iter_", "offset_", "seed_"):
        assert getattr(again, name) == getattr(fitted, name)
    assert list(again.feature_names_in_) == list("abcd")
    with pytest.raises(ValueError, match="feature names should match"):
        again.transform(FRAME[["b", "a", "c", "d"]])
    again.save(path)
    np.testing.assert_array_equal(bench.Autoencoder.load(path).transform(FRAME), fitted.transform(FRAME))
    np.testing.assert_array_equal(again.fit(FRAME).transform(FRAME), fitted.transform(FRAME))


def test_a_generator_is_kept_as_its_seed_and_no_share_as_none(tmp_path):
    model = bench.Autoencoder("vae", random_state=np.random.RandomState(1), **QUICK).fit(FRAME.to_numpy())
    model.save(tmp_path / "model")
    again = bench.Autoencoder.load(tmp_path / "model")
    assert again.random_state == again.seed_ == model.seed_ and not hasattr(again, "predict")
    assert not hasattr(again, "feature_names_in_") and not hasattr(again, "offset_")
    np.testing.assert_array_equal(again.sample(3), model.sample(3))


def test_what_is_not_fitted_is_not_saved(tmp_path):
    with pytest.raises(ValueError, match="is not fitted yet"):
        bench.Autoencoder().save(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_one_line(fitted, tmp_path):
    with pytest.raises(UsageError, match="gone") as raised:
        fitted.save(tmp_path / "gone" / "model")
    assert "\n" not in str(raised.value) and not list(tmp_path.iterdir())


def edited(change):
    """Writes a file again with other content, whose digest fits where `change` leaves the one that is there."""

    def edit(path):
        tensors, content = load_tensors(path)
        change(tensors, content)
        save_tensors(path, tensors, content)

    return edit


def with_fitting_digest(change):
    def changed(tensors, content):
        change(tensors, content)
        del content["digest"]
        content["digest"] = stored._digest(tensors, content)

    return edited(changed)


def flipped(path):
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


DAMAGE = {
    "gone": (lambda path: path.unlink(), "No such file"),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), "not a regular file"),
    "text": (lambda path: path.write_text("hello"), "is no checkpoint of aebench"),
    "cut short": (lambda path: path.write_bytes(path.read_bytes()[:-5]), "is no checkpoint of aebench"),
    "one bit": (flipped, "damaged"),
    "of something else": (lambda path: save_file(load_file(path), path), "is no checkpoint of aebench"),
    "a run's": (edited(lambda t, c: c.pop("autoencoder")), "bench.load_model"),
    "later": (edited(lambda t, c: c.update(autoencoder=2)), "layout 2 and this version reads layout 1"),
    "another share": (edited(lambda t, c: c["fitted"].update(offset=0.5)), "damaged"),
    "a parameter less": (with_fitting_digest(lambda t, c: c["params"].pop("steps")), "damaged"),
    "a parameter of objects": (with_fitting_digest(lambda t, c: c["params"].update(steps={"a": 1})), "damaged"),
    "columns": (with_fitting_digest(lambda t, c: c["fitted"].update(n_features_in="4")), "damaged"),
    "no model": (with_fitting_digest(lambda t, c: c.update(model=None)), "damaged"),
    "no seed": (with_fitting_digest(lambda t, c: c["model"].update(seed="x")), r"damaged \(seed cannot be used\)"),
    "large": (with_fitting_digest(lambda t, c: c["model"]["train"].update(network="mlp[hidden=[99999999]]")),
              "other networks than it names"),
    "weights of another shape": (
        with_fitting_digest(lambda t, c: t.update({"encoder.1.weight": t["encoder.1.weight"][:, :3]})), "damaged"),
    "half a Gaussian": (with_fitting_digest(lambda t, c: t.pop("data.code_scales")), "no Gaussian of codes"),
    "no code": (with_fitting_digest(lambda t, c: c.update(code=[])), "damaged"),
}  # fmt: skip


@pytest.mark.parametrize("case", DAMAGE)
def test_damaged_and_foreign_files_are_refused_in_one_line(case, path):
    damage, message = DAMAGE[case]
    damage(path)
    with pytest.raises(UsageError, match=message) as raised:
        bench.Autoencoder.load(path)
    assert "model.safetensors" in str(raised.value) and "\n" not in str(raised.value)


@pytest.fixture
def foreign(tmp_path):
    """An estimator of a variant of one's own, saved."""
    plugin = tmp_path / "plug.py"
    plugin.write_text(PLUGIN)
    model = bench.Autoencoder("plug", plugins=plugin, **QUICK).fit(FRAME)
    model.save(tmp_path / "model.safetensors")
    return model, plugin, tmp_path / "model.safetensors"


def test_code_that_the_package_does_not_hold_is_not_run_unasked(foreign):
    model, plugin, path = foreign
    with pytest.raises(UsageError, match=r"needs the variant 'plug', .* not run unasked; give plugins=PATH"):
        bench.Autoencoder.load(path)
    for words in ({"trust": True}, {"plugins": plugin}, {"plugins": [str(plugin)]}):
        again = bench.Autoencoder.load(path, **words)
        np.testing.assert_array_equal(again.transform(FRAME), model.transform(FRAME))
        np.testing.assert_array_equal(again.fit(FRAME).transform(FRAME), model.transform(FRAME))


def test_code_that_changed_is_refused_and_named(foreign):
    model, plugin, path = foreign
    plugin.write_text(PLUGIN.replace("1.0 *", "2.0 *"))
    with pytest.raises(UsageError, match=r"saved with other code than is here now: plug\.py changed; fit it again"):
        bench.Autoencoder.load(path, trust=True)
    again = bench.Autoencoder.load(path, trust=True, changed="allow")
    np.testing.assert_allclose(again.transform(FRAME), 2 * model.transform(FRAME), rtol=1e-5)
    with pytest.raises(UsageError, match="unknown changed"):
        bench.Autoencoder.load(path, changed="yes")


def test_a_network_of_ones_own_is_imported_where_it_is_trusted(tmp_path, monkeypatch):
    (tmp_path / "est_nets.py").write_text(NETS)
    monkeypatch.syspath_prepend(str(tmp_path))
    model = bench.Autoencoder("ae", **{**QUICK, "network": "est_nets:make"}).fit(FRAME)
    model.save(tmp_path / "model.safetensors")
    with pytest.raises(UsageError, match=r"needs the network 'est_nets:make', .* give trust=True"):
        bench.Autoencoder.load(tmp_path / "model.safetensors")
    again = bench.Autoencoder.load(tmp_path / "model.safetensors", trust=True)
    np.testing.assert_array_equal(again.transform(FRAME), model.transform(FRAME))


def test_a_file_is_safetensors_with_json(path):
    tensors, content = load_tensors(path)
    assert json.loads(json.dumps(content)) == content and content["params"]["variant"] == "ae"
    assert {"data.shift", "data.scale", "data.code_mean"} < tensors.keys()
