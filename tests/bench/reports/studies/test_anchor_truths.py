"""The closed forms that `anchor-linear` expects, computed again from MNIST where it lies beside the checkout."""

from pathlib import Path

import numpy as np
import pytest

from bench.reports.studies.published_numbers import read_anchor
from bench.spec.presets import read_preset
from bench.spec.registry import Registry

ROOT = Path(__file__).resolve().parents[5] / "shared" / "data" / "mnist"


@pytest.fixture(scope="module")
def parts():
    """Training (N, d) and test (M, d) images in float64."""
    if not ROOT.is_dir():
        pytest.skip("MNIST is not here")
    split = Registry.discover().load("dataset", "mnist")(root=str(ROOT), validation=0)
    return tuple(np.asarray(part[:], np.float64).reshape(len(part), -1) for part in (split.train, split.test))


def closed_forms(train: np.ndarray, test: np.ndarray, L: int) -> dict[str, float]:
    """PCA and probabilistic PCA of `train` on `test`, by quantity of the preset.

    Encoder mean √(ℓ-s²)/ℓ uᵀ(x-x̄) and variance s²/ℓ, decoder √(ℓ-s²) u, s² the mean of the discarded eigenvalues.
    """
    d, mean = train.shape[1], train.mean(0)
    eigenvalues, vectors = np.linalg.eigh(np.cov(train.T, bias=True))
    values, axes = eigenvalues[::-1][:L], vectors[:, ::-1][:, :L]
    s2 = eigenvalues[: d - L].mean()
    code = (test - mean) @ axes
    rest = ((test - mean) ** 2).sum(1).mean() - (code**2).sum(1).mean()
    gain = np.sqrt(values - s2)
    means, variances = gain / values * code, s2 / values
    kl = 0.5 * ((means**2).mean(0) + variances - np.log(variances) - 1).sum()
    from_means = ((gain * means - code) ** 2).sum(1).mean() + rest
    sampled = from_means + (gain**2 * variances).sum()
    covariance = (axes * (values - s2)) @ axes.T + s2 * np.eye(d)
    sign, log_determinant = np.linalg.slogdet(covariance)
    quadratic = ((test - mean) * np.linalg.solve(covariance, (test - mean).T).T).sum(1).mean()
    assert sign > 0
    return {
        "AE, squared error": rest,
        "VAE, negative ELBO": 0.5 * (d * np.log(2 * np.pi) + log_determinant + quadratic),
        "VAE, KL": kl,
        "VAE, squared error per test image, codes drawn": sampled,
        "VAE, squared error per test image, posterior means": from_means,
        "VAE, active units": L,
    }


def test_the_preset_expects_the_closed_forms(parts):
    truths = closed_forms(*parts, read_preset("anchor-linear")["latent_dim"])
    quantities = read_anchor("anchor-linear").quantities
    assert len(truths) == len(quantities)
    for (name, value), quantity in zip(truths.items(), quantities, strict=True):
        assert quantity.name.startswith(name)
        assert quantity.low == quantity.high == pytest.approx(value, abs=1e-4)
        assert quantity.tolerance <= 0.5 * 10 ** (np.floor(np.log10(abs(value))) - 2)


def test_the_closed_forms_agree_with_each_other(parts):
    """The ELBO of the optimal linear VAE is the log-likelihood: -E log p(x|z) + KL = -log p(x)."""
    train, test = parts
    truths = closed_forms(train, test, 8)
    s2 = np.linalg.eigvalsh(np.cov(train.T, bias=True))[: 784 - 8].mean()
    sampled = truths["VAE, squared error per test image, codes drawn"]
    bound = 0.5 * (784 * np.log(2 * np.pi * s2) + sampled / s2) + truths["VAE, KL"]
    assert bound == pytest.approx(truths["VAE, negative ELBO"], abs=1e-6)
