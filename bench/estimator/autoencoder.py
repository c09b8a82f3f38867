"""`Autoencoder`: any variant of the suite as a scikit-learn transformer and outlier detector."""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, OutlierMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from bench.contracts.checks import number_in, whole_number
from bench.data.array_like import column_names
from bench.data.counts import LOG1P
from bench.data.frames import plain_frame, plain_labels
from bench.data.labels import require_one_index
from bench.errors import UsageError
from bench.estimator import stored
from bench.estimator.training import FitError, as_fit_errors, as_trained_model, trained, training_split
from bench.runs.engines.local_device import local_device
from bench.spec.call import Call, parse_call
from bench.spec.cells import CellSpec
from bench.spec.plugin_path import open_folders
from bench.spec.registry import ARRAYS, CONTROL, Registry
from bench.spec.run import check_device
from bench.spec.training import TrainSettings
from bench.store.documents import is_seed
from bench.trained_model import TrainedModel

try:
    from sklearn.utils.validation import validate_data
except ImportError:  # before scikit-learn 1.6 it was a method of the estimator

    def validate_data(estimator: Any, X: Any, **checks: Any) -> np.ndarray:
        return estimator._validate_data(X, **checks)


#: Rows of a batch and numbers of a code that "auto" takes where there are enough rows and columns.
BATCH, LATENT_DIM = 128, 8
_SETTINGS = ("network", "recon", "optimizer", "schedule", "steps", "epochs", "early_stopping", "precision", "compile")


def _has_threshold(estimator: Autoencoder) -> bool:
    """Whether `estimator` can tell outliers; raises what its methods then raise where it cannot."""
    if estimator.contamination is None:
        raise AttributeError(
            "decision_function, predict and fit_predict need a threshold: give contamination=, the share of the "
            "training rows that are taken for anomalies (above 0, at most 0.5), and fit"
        )
    return True


class Autoencoder(TransformerMixin, ClassNamePrefixFeaturesOutMixin, OutlierMixin, BaseEstimator):
    """A variant that is trained on the rows it is given, as a transformer and a detector of anomalies.

    It is trained as a cell of a run is: on the same rows in the same order, with the same settings and seed, a run of
    that one seed gives the same weights to the bit. (In a run of several seeds, which train together, last bits can
    differ.) Nothing is held back of the rows, unless `early_stopping` asks for it.

    Args:
        variant: `NAME[p=v]` as `aebench run -m` takes it, e.g. "ae" or "vae[beta=0.5]".
        latent_dim: L, the length of a code; "auto" is 8, or half the columns where there are fewer than 16.
        network, recon, optimizer, schedule, steps, epochs, early_stopping, precision, compile: as `bench.run` takes
            them (1,500 steps where neither steps nor epochs is given).
        batch_size: examples per step; "auto" is 128, or a quarter of the training rows where there are fewer than 512.
        validation_fraction: share of the rows that is held back, where `early_stopping` is given.
        scale: "auto", "none", "unit", "standard" or "log1p" (counts), by the training rows, as of the data set `file`.
        contamination: the share of the training rows that `predict` takes for anomalies, above 0 and at most 0.5;
            None has no threshold, and neither `decision_function` nor `predict`.
        random_state: the seed of initial weights, order and noise; a `RandomState` or None draws one.
        device: "cpu", "cuda", "cuda:N" or "auto", of the training; what comes after runs on the CPU.
        threads: of torch while it trains, as each process of a run has one; None leaves torch's own choice.
        plugins: files or folders of your own variants and networks.

    Attributes:
        model_: the `TrainedModel`, as `bench.load_model` gives it.
        seed_: the seed that was used.
        n_iter_: steps behind the weights.
        history_: "step", "epoch", "train_loss", … → one value per look at the training; not kept by `save`.
        offset_: the score that divides anomalies from the rest, where `contamination` was given.
        n_features_in_, feature_names_in_: as scikit-learn has them.

    >>> from sklearn.datasets import load_wine
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> X = load_wine().data
    >>> detector = Autoencoder("ae", latent_dim=3, network="mlp[hidden=[32]]", steps=100, contamination=0.05)
    >>> pipeline = make_pipeline(StandardScaler(), detector).fit(X)
    >>> pipeline.transform(X).shape, pipeline.score_samples(X).shape
    ((178, 3), (178,))
    >>> int((pipeline.predict(X) == -1).sum())
    9
    >>> detector.sample(5).shape
    (5, 13)
    """

    model_: TrainedModel
    offset_: float

    def __init__(
        self,
        variant: str = "vae",
        latent_dim: int | str = "auto",
        *,
        network: str = "mlp",
        recon: str = "squared",
        steps: int | None = None,
        epochs: int | None = None,
        batch_size: int | str = "auto",
        optimizer: str = "adam",
        schedule: str = "cosine",
        early_stopping: int | None = None,
        validation_fraction: float = 0.16,
        precision: str = "float32",
        compile: bool = False,
        scale: str = "auto",
        contamination: float | None = None,
        random_state: Any = 0,
        device: str = "cpu",
        threads: int | None = 1,
        plugins: str | Path | Sequence[str | Path] = (),
    ) -> None:
        self.variant = variant
        self.latent_dim = latent_dim
        self.network = network
        self.recon = recon
        self.steps = steps
        self.epochs = epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.schedule = schedule
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.precision = precision
        self.compile = compile
        self.scale = scale
        self.contamination = contamination
        self.random_state = random_state
        self.device = device
        self.threads = threads
        self.plugins = plugins

    def fit(self, X: Any, y: Any = None) -> Autoencoder:
        """Train on rows X (N, D), or pictures (N, H, W), (N, C, H, W) or (N, H, W, 1 or 3).

        Args:
            y: (N,) classes for a variant that trains on labels; any other does not look at it.

        Raises:
            ValueError: X or a parameter cannot be used, in scikit-learn's words or as a `bench.UsageError` that says
                what to do; or the training diverged.
        """
        least, X = 2 if self.latent_dim == "auto" else 1, plain_frame(X)
        rows = validate_data(self, X, dtype="numeric", allow_nd=True, ensure_min_samples=2, ensure_min_features=least)
        with as_fit_errors():
            self._check_parameters()
            registry = stored.registry_of(self.plugins)
            call = _resolved(registry, self.variant)
            seed = _seed(self.random_state)
            split = self._split(X, rows, self._labels(registry, call, X, y), seed)
            settings, device = self._settings(split.dimension, len(split.train)), _device(str(self.device))
        open_folders(registry.plugins, here=":" in settings.network.name)
        label = registry.label("variant", call)
        cell = CellSpec(call, Call(ARRAYS), seed, settings, variant_label=label, dataset_label="X")
        one = trained(registry, cell, split, device, self.threads)
        self.model_, self._meta = as_trained_model(cell, split, one, counts=self.scale == LOG1P)
        self.seed_, self.n_iter_, self.history_ = seed, one.steps_run, one.history
        self._set_threshold(rows)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Codes of rows X (N, ...): (N, L) float32, the posterior's mean where the variant has one."""
        return self._fitted.transform(self._rows(X))

    def inverse_transform(self, Z: Any) -> np.ndarray:
        """Decodes of codes Z (N, L), in X's units: (N, D), or (N, C, H, W) of pictures."""
        return self._fitted.inverse_transform(Z)

    def reconstruct(self, X: Any) -> np.ndarray:
        """`inverse_transform(transform(X))`: rows (N, ...) as the model gives them back, in X's units."""
        return self._fitted.reconstruct(self._rows(X))

    def score_samples(self, X: Any) -> np.ndarray:
        """How normal each row of X is, (N,) float64: minus its mean squared error of reconstruction, scaled as trained.

        Of a variant with an `anomaly_score` of its own, minus that: see
        `bench.trained_model.TrainedModel.score_samples`. Higher is more normal; nothing is drawn.
        """
        return self._fitted.score_samples(self._rows(X))

    def score(self, X: Any, y: Any = None) -> float:
        """Minus the mean squared error of reconstruction per value, by which `GridSearchCV` chooses."""
        return self._fitted.score(self._rows(X))

    @available_if(_has_threshold)
    def decision_function(self, X: Any) -> np.ndarray:
        """`score_samples(X) - offset_`: (N,), below 0 for anomalies."""
        model = self._fitted
        if not hasattr(self, "offset_"):
            raise FitError("contamination was given after the training, which so found no threshold; fit again")
        return model.score_samples(self._rows(X)) - self.offset_

    @available_if(_has_threshold)
    def predict(self, X: Any) -> np.ndarray:
        """-1 for the rows of X that score less than all but a share `contamination` of the training rows, 1 else."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    @available_if(_has_threshold)
    def fit_predict(self, X: Any, y: Any = None) -> np.ndarray:
        """`fit(X, y).predict(X)`."""
        return self.fit(X, y).predict(X)

    def sample(self, n: int = 1, random_state: Any = 0) -> np.ndarray:
        """`n` rows as the model makes them up, in X's units (n, ...): decodes of draws.

        Codes come from the variant's prior; of a variant without one from the Gaussian fitted to its training codes.
        """
        return self._fitted.sample(_whole(n), _seed(random_state))

    def save(self, path: str | Path) -> None:
        """Write the fitted estimator to one file (safetensors with JSON, nothing pickled) that `load` reads.

        A `random_state` that is no number is kept as the seed that was drawn from it; `history_` is not kept.
        """
        check_is_fitted(self)
        stored.save(self, Path(path))

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        plugins: str | Path | Sequence[str | Path] = (),
        trust: bool = False,
        changed: str = "refuse",
    ) -> Autoencoder:
        """The estimator that `save` wrote. Nothing in a file is unpickled, and no code that it names is run unasked.

        Args:
            plugins: files or folders of your own that hold the variant or the network.
            trust: whether plugins and networks of one's own are imported from where the file says that they lie.
            changed: "refuse" or "allow" that the code of the model is not what it was when it was saved.

        Raises:
            UsageError: no such file, damaged, another kind of file, or code that is not there, not trusted or changed.
        """
        return stored.load(cls, Path(path), plugins, trust, changed)

    @property
    def _fitted(self) -> TrainedModel:
        check_is_fitted(self)
        return self.model_

    @property
    def _n_features_out(self) -> int:
        return self.model_.variant.latent_dim

    def _rows(self, X: Any) -> np.ndarray:
        """X checked against what was seen in `fit`: number, names and order of columns, in scikit-learn's words."""
        return validate_data(self, plain_frame(X), dtype="numeric", allow_nd=True, reset=False)

    def _labels(self, registry: Registry, call: Call, X: Any, y: Any) -> Any:
        """`y` where the variant trains on labels; scikit-learn hands one to every step of a pipeline."""
        if y is None or not registry.load("variant", call.name).uses_labels:
            return None
        require_one_index(X, y)
        return plain_labels(y)

    def _split(self, X: Any, rows: np.ndarray, labels: Any, seed: int) -> Any:
        held_back = 0.0 if self.early_stopping is None else self.validation_fraction
        return training_split(
            rows, labels, scale=self.scale, validation=held_back, seed=seed, columns=column_names(X)
        )  # fmt: skip

    def _settings(self, dimension: int, n_train: int) -> TrainSettings:
        given = {name: _plain(getattr(self, name)) for name in _SETTINGS}
        latent_dim, batch_size = _plain(self.latent_dim), _plain(self.batch_size)
        given["latent_dim"] = min(LATENT_DIM, dimension // 2) if latent_dim == "auto" else latent_dim
        given["batch_size"] = min(BATCH, max(1, n_train // 4)) if batch_size == "auto" else batch_size
        return TrainSettings(**given)

    def _check_parameters(self) -> None:
        """Those that nobody else checks."""
        if self.contamination is not None:
            number_in("contamination", _plain(self.contamination), 0.0, 0.5, open_low=True)
        if self.threads is not None:
            whole_number("threads", _plain(self.threads), 1)
        if self.early_stopping is not None:
            number_in("validation_fraction", _plain(self.validation_fraction), 0.0, open_low=True)

    def _set_threshold(self, rows: np.ndarray) -> None:
        if hasattr(self, "offset_"):
            del self.offset_
        if self.contamination is not None:
            self.offset_ = float(np.percentile(self.model_.score_samples(rows), 100 * self.contamination))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def _more_tags(self) -> dict[str, Any]:
        """The same for scikit-learn before 1.6."""
        return {"preserves_dtype": [np.float32]}

    def __getstate__(self) -> dict[str, Any]:
        """For pickles and copies: the model as `save` keeps it, because a variant's class has no importable name."""
        state = super().__getstate__()
        return stored.packed(state) if "model_" in state else state

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        super().__setstate__(stored.unpacked(state))


def _plain(value: Any) -> Any:
    """A NumPy number as Python's, because parameter grids are made of them."""
    return value.item() if isinstance(value, np.generic) else value


def _whole(value: Any) -> int:
    if isinstance(value, numbers.Integral) and not isinstance(value, bool) and int(value) >= 1:
        return int(value)
    raise UsageError(f"n={value!r} is not a whole number of at least 1")


def _seed(random_state: Any) -> int:
    """The seed that `random_state` gives: itself, or a draw of its own or of NumPy's generator."""
    if not isinstance(random_state, numbers.Integral):
        return int(check_random_state(random_state).randint(2**31 - 1))
    if isinstance(random_state, bool) or not is_seed(int(random_state)):
        raise UsageError(f"random_state={random_state!r} is not a whole number of at least 0")
    return int(random_state)


def _device(name: str) -> str:
    check_device(name)
    return local_device(name)


def _resolved(registry: Registry, variant: str | Call) -> Call:
    call = variant if isinstance(variant, Call) else parse_call(str(variant))
    if call.name.startswith(CONTROL):
        raise UsageError(f"{call.name} is a control model of reports and cannot be fitted; give a variant")
    return registry.resolve("variant", call)
