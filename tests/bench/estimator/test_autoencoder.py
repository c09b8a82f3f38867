"""`bench.Autoencoder` trains what a run trains, and is what scikit-learn takes an estimator for."""

import pickle
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import bench
from bench.data.splitting import partition
from bench.errors import UsageError
from bench.runs.cells import training
from bench.spec.registry import Registry

RNG = np.random.default_rng(0)
#: 200 rows near a plane in 6 dimensions, with an offset and a scale per column.
X = (RNG.normal(size=(200, 2)) @ RNG.normal(size=(2, 6)) + 0.1 * RNG.normal(size=(200, 6))) * np.arange(1, 7) + 50
QUICK = {"latent_dim": 2, "network": "mlp[hidden=[16]]", "steps": 20, "batch_size": 32}


def quick(variant="ae", **settings):
    return bench.Autoencoder(variant, **{**QUICK, **settings})


@pytest.fixture(scope="module")
def fitted():
    return quick(contamination=0.1, steps=100, optimizer="adam[lr=0.01]").fit(X)


def weights(model):
    return {name: value.numpy() for name, value in model.variant.state_dict().items()}


def assert_same_weights(one, other):
    one, other = weights(one), weights(other)
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])


@pytest.mark.parametrize(("variant", "seed"), [("ae", 0), ("vae[beta=0.5]", 3)])
def test_the_weights_are_those_of_a_run_to_the_bit(variant, seed, tmp_path, no_report):
    settings = {"steps": 40, "recon": "gaussian[scale=0.5]", "optimizer": "adamw[lr=0.01]", "schedule": "constant"}
    frame = bench.run(
        variant, data=X, seeds=[seed], metrics="test_mse", output=tmp_path / "run", n_jobs=1, quiet=True,
        **QUICK | settings,
    )  # fmt: skip
    loaded, rows = bench.load_model(frame.attrs["run"], variant, seed), partition(len(X))
    own = quick(variant, random_state=seed, **settings).fit(X[rows.train])
    assert_same_weights(own.model_, loaded)
    (test_mse,) = frame.query("metric == 'test_mse'").value
    for model in (own, loaded):
        np.testing.assert_allclose(model.score(X[rows.test]), -test_mse, rtol=1e-5)
        np.testing.assert_array_equal(model.transform(X), loaded.encode(X))
    np.testing.assert_array_equal(own.sample(9, 4), loaded.sample(9, 4))
    assert not np.array_equal(quick(variant, random_state=seed + 1, **settings).fit(X[rows.train]).transform(X),
                              loaded.encode(X))  # fmt: skip


def test_a_score_is_minus_the_mean_squared_error_of_standardised_values(fitted):
    errors = (X - fitted.reconstruct(X)) / X.std(0)
    np.testing.assert_allclose(fitted.score_samples(X), -np.square(errors).mean(1), rtol=1e-3)
    np.testing.assert_allclose(fitted.score(X), -np.square(errors).mean(), rtol=1e-4)
    np.testing.assert_array_equal(fitted.reconstruct(X), fitted.inverse_transform(fitted.transform(X)))


def test_a_row_has_the_same_score_and_code_to_the_bit_whatever_stands_beside_it(fitted):
    order = RNG.permutation(len(X))
    many = np.concatenate([X[order]] * 3)
    for method in (fitted.score_samples, fitted.transform, fitted.reconstruct):
        whole = method(X)
        np.testing.assert_array_equal(method(many)[-len(X) :], whole[order])
        np.testing.assert_array_equal(np.concatenate([method(X[[row]]) for row in range(5)]), whole[:5])


def test_anomalies_are_the_stated_share_and_those_that_are_planted(fitted):
    assert (fitted.predict(X) == -1).sum() == 20
    np.testing.assert_array_equal(fitted.predict(X) == -1, fitted.decision_function(X) < 0)
    np.testing.assert_allclose(fitted.decision_function(X), fitted.score_samples(X) - fitted.offset_)
    outside = X[:5] + 10 * RNG.normal(size=(5, 6)) * X.std(0)
    assert set(fitted.predict(outside)) == {-1}
    assert fitted.score_samples(outside).max() < fitted.score_samples(X).min()
    np.testing.assert_array_equal(quick(contamination=0.1).fit_predict(X), quick(contamination=0.1).fit(X).predict(X))


def test_without_a_stated_share_nothing_is_called_an_anomaly():
    model = quick().fit(X)
    for name in ("predict", "decision_function", "fit_predict"):
        assert not hasattr(model, name)
        with pytest.raises(AttributeError) as raised:
            getattr(model, name)
        assert "give contamination=" in str(raised.value.__cause__ or raised.value)
    with pytest.raises(ValueError, match="fit again"):
        model.set_params(contamination=0.1).predict(X)
    model.fit(X).set_params(contamination=None).fit(X)
    with pytest.raises(ValueError, match="fit again"):
        model.set_params(contamination=0.2).predict(X)


def test_draws_follow_the_prior_or_the_gaussian_of_the_training_codes(fitted):
    draws = fitted.sample(4000)
    codes = fitted.transform(X).astype(float)
    root = np.linalg.cholesky(np.cov(codes.T))
    expected = fitted.inverse_transform(codes.mean(0) + RNG.normal(size=(4000, 2)) @ root.T)
    np.testing.assert_allclose(draws.mean(0), expected.mean(0), atol=0.1 * X.std())
    np.testing.assert_allclose(draws.std(0), expected.std(0), rtol=0.08)
    vae = quick("vae").fit(X)
    assert vae.model_.codes is None
    expected = vae.inverse_transform(RNG.normal(size=(4000, 2)))
    np.testing.assert_allclose(vae.sample(4000).mean(0), expected.mean(0), rtol=0.01)
    np.testing.assert_allclose(vae.sample(4000).std(0), expected.std(0), rtol=0.08)
    np.testing.assert_array_equal(fitted.sample(3, 1), fitted.sample(3, 1))
    assert not np.array_equal(fitted.sample(3, 1), fitted.sample(3, 2))
    assert fitted.sample(3, np.random.RandomState(0)).shape == fitted.sample(3, None).shape == (3, 6)


def test_columns_of_a_frame_are_named_and_in_order():
    frame = pd.DataFrame(X, columns=list("abcdef"), index=range(7, 207))
    model = quick().set_output(transform="pandas").fit(frame)
    codes = model.transform(frame)
    assert list(codes.columns) == list(model.get_feature_names_out()) == ["autoencoder0", "autoencoder1"]
    assert codes.index.equals(frame.index) and list(model.feature_names_in_) == list("abcdef")
    for method in (model.transform, model.score_samples, model.reconstruct):
        with pytest.raises(ValueError, match="The feature names should match those that were passed during fit"):
            method(frame[list("bacdef")])
        with pytest.raises(ValueError, match="Feature names seen at fit time, yet now missing:\n- f"):
            method(frame[list("abcde")])
        with pytest.raises(ValueError, match="NaN"):
            method(frame.mask(frame > 60))
    with pytest.raises(ValueError, match="X has 5 features, but Autoencoder is expecting 6"):
        quick().fit(X).transform(X[:, :5])


@pytest.mark.filterwarnings("error")
def test_it_is_a_step_of_a_pipeline_and_searched_over():
    pipeline = make_pipeline(StandardScaler(), quick("vae[kl_weight=0.01]", steps=40))
    grid = {"autoencoder__latent_dim": np.array([1, 3]), "autoencoder__optimizer": ["adam[lr=0.01]", "sgd[lr=1e-6]"]}
    search = GridSearchCV(pipeline, grid, cv=2).fit(X)
    assert search.best_params_ == {"autoencoder__latent_dim": 3, "autoencoder__optimizer": "adam[lr=0.01]"}
    assert (search.cv_results_["mean_test_score"] < 0).all()
    assert search.best_estimator_.transform(X).shape == (200, 3)


def test_labels_are_looked_at_where_the_variant_trains_on_them():
    y = np.where(X[:, 0] > 50, "high", "low")
    assert_same_weights(quick().fit(X).model_, quick().fit(X, y).model_)
    with pytest.raises(ValueError, match="trains on labels"):
        quick("conditional-prior").fit(X)
    one, other = quick("conditional-prior").fit(X, y), quick("conditional-prior").fit(X, y[::-1])
    assert not np.array_equal(one.transform(X), other.transform(X))
    with pytest.raises(ValueError, match="y: 3 labels for 200 rows"):
        quick("conditional-prior").fit(X, y[:3])


def test_pictures_go_through_a_convolution():
    pictures = RNG.integers(0, 256, (24, 8, 8, 1), dtype=np.uint8)
    model = quick(network="conv[channels=[4,4]]", steps=2, batch_size="auto").fit(pictures)
    assert model.transform(pictures).shape == (24, 2) and model.reconstruct(pictures).shape == (24, 1, 8, 8)
    assert model.score_samples(pictures).shape == (24,) and model.model_.scaling[1] == 255


def test_early_stopping_holds_rows_back():
    model = quick(early_stopping=1, steps=200, validation_fraction=0.5).fit(X)
    assert model._meta["n_train"] == 100 and np.isfinite(model.history_["validation_loss"]).all()
    assert model.n_iter_ <= 200 and quick().fit(X)._meta["n_train"] == 200


def test_a_fit_trains_once_and_plugins_are_looked_for_once(monkeypatch):
    calls, real = [], training.train
    monkeypatch.setattr(training, "train", lambda *given: calls.append(given[4].steps) or real(*given))
    quick().fit(X)
    monkeypatch.setattr(Registry, "discover", None)
    quick(contamination=0.1).fit(X)
    assert calls == [20, 20]


def test_what_random_state_means():
    before = np.random.get_state()[1].copy()
    assert quick().fit(X).seed_ == 0 and quick(random_state=np.int64(5)).fit(X).seed_ == 5
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    states = [np.random.RandomState(1), np.random.RandomState(1), None]
    seeds = [quick(random_state=state, steps=1).fit(X).seed_ for state in states]
    assert seeds[0] == seeds[1] != seeds[2]


def test_auto_takes_what_the_data_allow():
    train = quick(latent_dim="auto", batch_size="auto", steps=1).fit(X)._meta["train"]
    assert (train["latent-dim"], train["batch-size"]) == (3, 50)
    wide = quick(latent_dim="auto", batch_size="auto", steps=1).fit(RNG.normal(size=(600, 20)))._meta["train"]
    assert (wide["latent-dim"], wide["batch-size"]) == (8, 128)


def test_columns_that_are_not_looked_at_are_said():
    constant = X.copy()
    constant[:, 2] = 5
    with pytest.warns(UserWarning, match="X: constant in training and therefore kept at 0: column 2"):
        quick(steps=1).fit(constant)


def test_a_pickle_holds_no_class_that_another_process_cannot_import(fitted, monkeypatch):
    content = pickle.dumps(fitted)
    for name in [name for name in sys.modules if name.startswith("aebench_variant_ae")]:
        monkeypatch.delitem(sys.modules, name)
    again = pickle.loads(content)
    np.testing.assert_array_equal(again.transform(X), fitted.transform(X))
    np.testing.assert_array_equal(again.sample(3), fitted.sample(3))
    assert again.offset_ == fitted.offset_


REFUSED = {
    "unknown variant": ({"variant": "vea"}, "unknown variant 'vea'; did you mean vae"),
    "a control": ({"variant": "control:pca"}, "cannot be fitted"),
    "L of 0": ({"latent_dim": 0}, "latent_dim=0 is not a whole number of at least 1"),
    "unknown network": ({"network": "mpl"}, "unknown network 'mpl'"),
    "both lengths": ({"epochs": 2}, "both steps and epochs"),
    "a large batch": ({"batch_size": 500}, "200 training rows, fewer than one batch of 500"),
    "share": ({"contamination": 0.7}, "contamination=0.7 is out of range; give a number above 0 and at most 0.5"),
    "scale": ({"scale": "log"}, "unknown scale 'log'"),
    "seed": ({"random_state": -1}, "random_state=-1 is not a whole number"),
    "threads": ({"threads": 0}, "threads=0"),
    "device": ({"device": "gpu"}, "device 'gpu' is not known"),
    "tf32": ({"precision": "tf32"}, "precision tf32 needs a GPU"),
    "cost": ({"recon": "bernoulli"}, "bernoulli cost does not fit X"),
    "nothing to discard": ({"variant": "vae", "latent_dim": 6}, "kl_weight=auto needs variance beyond"),
    "divergence": ({"optimizer": "sgd[lr=1e9]"}, "diverged: .* give a smaller learning rate"),
    "no rows held back": ({"early_stopping": 1, "validation_fraction": 0}, "validation_fraction=0 is out of range"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_fitted_is_one_line(case):
    parameters, message = REFUSED[case]
    with pytest.raises(ValueError, match=message) as raised:
        quick(**parameters).fit(X)
    assert isinstance(raised.value, UsageError) and "\n" not in str(raised.value)


def test_what_a_variant_has_not_is_refused(fitted):
    model = quick("decoder-only").fit(X)
    for call in (model.transform, model.score_samples):
        with pytest.raises(UsageError, match="decoder-only has no encoder"):
            call(X)
    with pytest.raises(UsageError, match="n=0 is not a whole number of at least 1"):
        fitted.sample(0)
    with pytest.raises(UsageError, match=r"codes have shape \(2, 5\)"):
        fitted.inverse_transform(np.zeros((2, 5)))
