"""Trained linear models against closed forms: PCA's error for eq. 1, probabilistic PCA's optimum for eq. 4.

With ℓ the eigenvalues of the data covariance and s² = λ/2, the optimum of eq. 4 has variance s²/ℓⱼ, KLⱼ = ½ ln(ℓⱼ/s²),
D₀ = Σ_{j≤r} s⁴/ℓⱼ + Σ_{j>r} ℓⱼ and ELBO = log p of probabilistic PCA; see Tipping and Bishop (1999).
"""

import numpy as np
import pytest
import torch

from bench.contracts.variant import Context
from bench.data.spectrum import covariance_spectrum
from bench.losses import ReconstructionCost, auto_kl_weight
from bench.networks.build import attach
from bench.networks.factories import mlp
from bench.spec.registry import Registry
from bench.train import TrainPlan, train
from bench.train.batches import Rows

REGISTRY = Registry.discover()
N, D, L = 2048, 8, 4
#: ℓ of the exact data below: three large, one just above s², the rest noise.
SPECTRUM = np.array([4.0, 2.0, 1.0, 0.5, 0.05, 0.05, 0.05, 0.05])
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data():
    """Rows whose sample mean is 0 and whose sample covariance has exactly the eigenvalues `SPECTRUM`."""
    rng = np.random.default_rng(0)
    basis, _ = np.linalg.qr(rng.standard_normal((D, D)))
    white = rng.standard_normal((N, D))
    white -= white.mean(0)
    white = white @ np.linalg.inv(np.linalg.cholesky(white.T @ white / N)).T
    return (white * np.sqrt(SPECTRUM)) @ basis.T


def trained(data, name, seeds=(0, 1), steps=6000, batch=256, lr=1e-2, **params):
    rows = Rows(data.astype(np.float32), None, CPU)
    cost = ReconstructionCost("squared")
    spectrum = covariance_spectrum(data)
    models = [
        attach(
            REGISTRY.load("variant", name)(**params),
            Context((D,), L, cost, mlp([]), seed, N, None, lambda: auto_kl_weight(spectrum, L, cost)),
        )
        for seed in seeds
    ]
    plan = TrainPlan(steps, batch, "adam", {"lr": lr}, "cosine")
    return [result.variant for result in train(models, seeds, rows, rows, plan, CPU)[0]]


def squared_error(model, x):
    with torch.no_grad():
        return float((model.decode(model.encode(x)) - x).square().sum(1).mean())


def test_spectrum_of_the_data_is_what_was_planted(data):
    assert covariance_spectrum(data.astype(np.float32)) == pytest.approx(SPECTRUM, rel=1e-4)


def test_auto_kl_weight_is_twice_the_mean_discarded_eigenvalue(data):
    assert auto_kl_weight(covariance_spectrum(data), L, ReconstructionCost("squared")) == pytest.approx(0.1, rel=1e-9)


def test_linear_autoencoder_reaches_the_error_of_pca(data):
    x = torch.from_numpy(data.astype(np.float32))
    for model in trained(data, "ae"):
        # PCA is the minimum (Baldi and Hornik 1989): never below it, and within 0.5 % above.
        assert SPECTRUM[L:].sum() * (1 - 1e-5) <= squared_error(model, x) <= SPECTRUM[L:].sum() * 1.005


@pytest.mark.parametrize(("kl_weight", "active"), [(0.1, 4), (1.5, 3)])
def test_linear_vae_reaches_probabilistic_pca(data, kl_weight, active):
    s2 = kl_weight / 2
    kept, lost = SPECTRUM[:active], SPECTRUM[active:]
    x = torch.from_numpy(data.astype(np.float32))
    for model in trained(data, "vae", kl_weight=kl_weight, samples=4, lr=3e-2):
        with torch.no_grad():
            q = model.posterior(x)
        variance = np.sort(q.scale.square().mean(0).numpy())
        kl = 0.5 * (q.mean.square() + q.scale.square() - q.scale.square().log() - 1).mean(0).numpy()
        # The optimum has the eigenvectors as axes, in any order.
        expected_kl = np.concatenate([0.5 * np.log(kept / s2), np.zeros(L - active)])
        assert np.sort(kl)[::-1] == pytest.approx(expected_kl, abs=0.03)
        assert variance[:active] == pytest.approx(np.sort(s2 / kept), rel=0.08)
        assert int((q.mean.var(0) > 0.01).sum()) == active
        assert squared_error(model, x) == pytest.approx((s2**2 / kept).sum() + lost.sum(), rel=0.02)
        # Negative ELBO at s² from exact moments: E‖Θ(Z)-x‖² = D₀ + Σ var(Θ(σε)); equals -log p of the PPCA model.
        with torch.no_grad():
            weights = model.decoder[0].weight  # (D, L)
            noise = float((weights.square().sum(0) * q.scale.square().mean(0)).sum())
        neg_elbo = (squared_error(model, x) + noise) / kl_weight + kl.sum() + D / 2 * np.log(2 * np.pi * s2)
        log_p = -0.5 * (
            D * np.log(2 * np.pi) + (np.log(kept) + 1).sum() + (D - active) * np.log(s2) + (lost / s2).sum()
        )
        assert neg_elbo == pytest.approx(-log_p, rel=0.005)
        assert neg_elbo > -log_p - 1e-3


def test_decoder_only_decodes_the_mean_whatever_the_code(data):
    shifted = data + 1.0
    total = float(shifted.var(0).sum())
    for model in trained(shifted, "decoder-only", steps=3000):
        with torch.no_grad():
            z = torch.randn(2000, L, generator=torch.Generator().manual_seed(0))
            decoded = model.decode(z).numpy()
        assert np.square(decoded - shifted.mean(0)).sum(1).mean() < 0.02 * total


def test_stochastic_autoencoder_trains_its_noise_away(data):
    x = torch.from_numpy(data.astype(np.float32))
    (model,) = trained(data, "stochastic-ae", seeds=(0,))
    (vae,) = trained(data, "vae", seeds=(0,), kl_weight=0.1)
    with torch.no_grad():
        nsr = {m: (q.scale.square().mean(0) / q.mean.var(0)) for m in (model, vae) for q in [m.posterior(x)]}
    # With λ > 0 NSRⱼ settles at s²/(ℓⱼ - s²), here at least .0127; under eq. 2 nothing holds it up.
    assert float(nsr[model].max()) < 0.2 * 0.0127
    assert np.sort(nsr[vae].numpy()) == pytest.approx(0.05 / (SPECTRUM[:L] - 0.05), rel=0.15)
