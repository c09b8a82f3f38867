"""Models and data with known answers: exact Gaussians, the linear VAE's optimum, small trained VAEs, a gauge change."""

from __future__ import annotations

import dataclasses
import importlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.distributions import MultivariateNormal, Normal

import bench.metrics
from bench.contracts.dataset import Split
from bench.contracts.metric import Metric
from bench.contracts.model import Model
from bench.evaluate.evaluate import SharedData, evaluate
from bench.evaluate.model_view import View
from bench.losses import ReconstructionCost

SQUARED = ReconstructionCost("squared")
#: Rows of the two long likelihoods where all metrics are measured.
FEW = 20


class Toolbox:
    """Builders that tests share; `evaluate(model, split)` runs every metric that a test names."""

    #: Population eigenvalues of the exact Gaussian data (d = 8).
    eigenvalues = np.array([4.0, 2.5, 1.5, 0.8, 0.3, 0.2, 0.1, 0.05])

    @staticmethod
    def exact_gaussian(n: int, eigenvalues: np.ndarray, seed: int) -> np.ndarray:
        """n rows whose sample mean is 0 and whose sample covariance (divisor n) is diag(eigenvalues), both exactly."""
        rows = np.random.default_rng(seed).standard_normal((n, len(eigenvalues)))
        rows -= rows.mean(0)
        rows = rows @ np.linalg.inv(np.linalg.cholesky(rows.T @ rows / n)).T
        return (rows * np.sqrt(eigenvalues)).astype(np.float32)

    @classmethod
    def gaussian_split(cls, n_train: int = 3000, n_test: int = 2000, **rest) -> Split:
        """Train, validation and test data with exactly the moments `eigenvalues`."""
        parts = ((n_train, 0), (500, 1), (n_test, 2))
        return Split(*(cls.exact_gaussian(n, cls.eigenvalues, seed) for n, seed in parts), **rest)

    @classmethod
    def linear_vae(cls, s2: float = 0.25, latent_dim: int = 6, kl_weight: float | None = None) -> Model:
        """The optimum of eq. 4 for linear networks at decoder variance s² = λ/2 (the model of `gaussian_split`)."""
        values = torch.tensor(cls.eigenvalues[:latent_dim])
        live = values > s2
        weight = torch.where(live, (values - s2).clamp_min(0).sqrt(), torch.zeros(())).float()  # (L,)
        gain = (weight / values).float()
        scale = torch.where(live, s2 / values, torch.ones(())).sqrt().float()
        d = len(cls.eigenvalues)

        def encode(x):
            return x[:, :latent_dim] * gain

        def decode(z):
            return torch.nn.functional.pad(z * weight, (0, d - latent_dim))

        return Model(
            "linear vae",
            latent_dim,
            (d,),
            SQUARED,
            encode,
            decode,
            decode,
            posterior=lambda x: Normal(encode(x), scale.expand(len(x), -1), validate_args=False),
            prior=lambda: Normal(torch.zeros(latent_dim), torch.ones(latent_dim), validate_args=False),
            kl_weight=2 * s2 if kl_weight is None else kl_weight,
        )

    @staticmethod
    def gauge(model: Model, seed: int = 0) -> Model:
        """The model with codes Az+b: encoder, posterior and decoder compensated, the declared prior left alone."""
        rng, L = np.random.default_rng(seed), model.latent_dim
        rotation, _ = np.linalg.qr(rng.standard_normal((L, L)))
        other, _ = np.linalg.qr(rng.standard_normal((L, L)))
        A = torch.tensor(rotation @ np.diag(np.geomspace(0.3, 3, L)) @ other).float()
        inverse, b = torch.linalg.inv(A.double()).float(), torch.tensor(rng.standard_normal(L)).float()

        def posterior(x):
            q = model.posterior(x)
            root = A * q.scale[:, None, :]  # (N, L, L)
            covariance = root @ root.mT
            return MultivariateNormal(q.loc @ A.T + b, covariance, validate_args=False)

        return dataclasses.replace(
            model,
            encode=lambda x: model.encode(x) @ A.T + b,
            decode=lambda z: model.decode((z - b) @ inverse.T),
            decode_params=lambda z: model.decode_params((z - b) @ inverse.T),
            posterior=None if model.posterior is None else posterior,
        )

    @staticmethod
    def shared(split: Split, latent_dim: int = 6, cost: ReconstructionCost = SQUARED) -> SharedData:
        return SharedData(split, cost, latent_dim, likelihood_rows=FEW)

    @classmethod
    def view(cls, model: Model, split: Split, seed: int = 0) -> View:
        return View(model, cls.shared(split, model.latent_dim, model.cost), seed)

    @staticmethod
    def evaluate(model: Model, split: Split, *metrics: Metric, shared: SharedData | None = None, seed: int = 0):
        """Measurements by value name."""
        return evaluate(model, split, metrics, seed=seed, shared=shared).values


def discovered_metrics() -> list[Metric]:
    """One instance of every metric file of `bench/metrics`."""
    found = []
    for path in sorted(Path(bench.metrics.__file__).parent.glob("*.py")):
        module = importlib.import_module(f"bench.metrics.{path.stem}") if path.stem != "__init__" else None
        classes = [] if module is None else [item for item in vars(module).values() if isinstance(item, type)]
        found += [item() for item in classes if issubclass(item, Metric) and item.__module__ == module.__name__]
    return found


@pytest.fixture(scope="session")
def toolbox() -> type[Toolbox]:
    return Toolbox


@pytest.fixture(scope="session")
def every_metric() -> list[Metric]:
    """Every metric, the longest with fewer steps than by default."""
    metrics = {type(metric).__name__: metric for metric in discovered_metrics()}
    metrics["Annealed"].temperatures = 20
    return list(metrics.values())


@pytest.fixture(scope="session")
def gaussian_split() -> Split:
    return Toolbox.gaussian_split()


@pytest.fixture(scope="session")
def digits_split() -> Split:
    """scikit-learn's digits as images in [0, 1], with labels: 1,078 / 359 / 360 rows."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = (x[order] / 16).astype(np.float32).reshape(-1, 1, 8, 8), y[order]
    cuts = (slice(0, 1078), slice(1078, 1437), slice(1437, None))
    return Split(*(x[cut] for cut in cuts), *(y[cut] for cut in cuts), likelihoods=("squared", "gaussian", "bernoulli"))


@pytest.fixture(scope="session")
def digits_shared(digits_split) -> SharedData:
    return SharedData(digits_split, SQUARED, 4, likelihood_rows=FEW)


def train_vae(split: Split, kl_weight: float, steps: int = 300, latent_dim: int = 4, hidden: int = 64) -> Model:
    """A small VAE (eq. 4) trained on flat data, as a `Model`."""
    shape, d = split.data_shape, split.dimension
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = torch.nn.Sequential(
            torch.nn.Flatten(), torch.nn.Linear(d, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, 2 * latent_dim)
        )
        decoder = torch.nn.Sequential(
            torch.nn.Linear(latent_dim, hidden),
            torch.nn.ReLU(),
            torch.nn.Linear(hidden, d),
            torch.nn.Unflatten(-1, shape),
        )
        optimiser = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=5e-3)
        data = torch.as_tensor(split.train)
        for _ in range(steps):
            x = data[torch.randint(len(data), (128,))]
            mean, log_variance = encoder(x).chunk(2, -1)
            z = mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)
            kl = 0.5 * (mean.square() + log_variance.exp() - log_variance - 1).sum(-1)
            loss = ((decoder(z) - x).square().flatten(1).sum(-1) + kl_weight * kl).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    for network in (encoder, decoder):
        network.requires_grad_(False)

    def posterior(x):
        mean, log_variance = encoder(x).chunk(2, -1)
        return Normal(mean, torch.exp(0.5 * log_variance), validate_args=False)

    return Model(
        "vae",
        latent_dim,
        shape,
        SQUARED,
        encode=lambda x: encoder(x)[:, :latent_dim],
        decode=lambda z: decoder(z.reshape(-1, latent_dim)).reshape(*z.shape[:-1], *shape),
        decode_params=lambda z: decoder(z.reshape(-1, latent_dim)).reshape(*z.shape[:-1], *shape),
        posterior=posterior,
        prior=lambda: Normal(torch.zeros(latent_dim), torch.ones(latent_dim), validate_args=False),
        kl_weight=kl_weight,
    )


@pytest.fixture(scope="session")
def digits_vae(digits_split) -> Model:
    """A VAE on digits that works."""
    return train_vae(digits_split, kl_weight=0.05)


@pytest.fixture(scope="session")
def collapsed_vae(digits_split) -> Model:
    """A VAE on digits with so much KL that it decodes nearly the mean."""
    return train_vae(digits_split, kl_weight=3.0)
