"""The mixture against planted ones: how many components, their density, their draws, and what is not there."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture

from bench.contracts.dataset import Split
from bench.evaluate import mixture_model
from bench.evaluate.baselines import BASELINES
from bench.evaluate.evaluate import evaluate
from bench.evaluate.latent_density import draw
from bench.evaluate.mixture_model import MixtureDraws, fit_mixture
from bench.losses import ReconstructionCost
from bench.metrics.anomalies import Anomalies
from bench.metrics.energy import Energy
from bench.metrics.reconstruction import Reconstruction

SHARES = np.array([0.1, 0.2, 0.3, 0.4])
CENTRES = np.array([[-6.0, 0.0], [6.0, 0.0], [0.0, 6.0], [0.0, -6.0]])
SPREADS = [np.array([[1.0, 0.8], [0.8, 1.0]]), np.eye(2), np.diag([0.25, 2.0]), 0.5 * np.eye(2)]


def planted(n, seed=0):
    """Rows of four bells, one of them tilted, and the bell of each."""
    rng = np.random.default_rng(seed)
    which = rng.choice(4, n, p=SHARES)
    return np.stack([rng.multivariate_normal(CENTRES[k], SPREADS[k]) for k in which]).astype(np.float32), which


def density(rows):
    bells = [share * multivariate_normal(centre, spread).pdf(rows)
             for share, centre, spread in zip(SHARES, CENTRES, SPREADS, strict=True)]  # fmt: skip
    return np.log(np.sum(bells, 0))


@pytest.fixture(scope="module")
def split():
    return Split(*(planted(n, seed)[0] for seed, n in enumerate((4000, 200, 400))), anomalies=np.zeros((50, 2), "f4"))


@pytest.fixture(scope="module")
def model(split):
    return BASELINES["gaussian-mixture"](split, 1, ReconstructionCost("squared"), 0)


def test_planted_bells_are_counted_and_their_density_is_the_score(split, model):
    assert len(fit_mixture(split.train, 0).weights_) == 4
    near = planted(500, 9)[0]
    found = -model.score(torch.from_numpy(near)).numpy()
    assert np.abs(found - density(near)).mean() < 0.1 and np.corrcoef(found, density(near))[0, 1] > 0.99
    np.testing.assert_array_equal(found, -model.score(torch.from_numpy(near)).numpy())


def test_draws_have_the_shares_means_and_covariances_of_the_bells(split):
    fitted = fit_mixture(split.train, 0)
    order = [int(np.argmin(((fitted.means_ - centre) ** 2).sum(1))) for centre in CENTRES]
    rows = draw(MixtureDraws(fitted), (20, 1000), torch.Generator().manual_seed(0)).numpy().reshape(-1, 2)
    nearest = ((rows[:, None] - CENTRES) ** 2).sum(2).argmin(1)
    for k, place in enumerate(order):
        own = rows[nearest == k]
        assert len(own) / len(rows) == pytest.approx(fitted.weights_[place], abs=0.01)
        np.testing.assert_allclose(own.mean(0), fitted.means_[place], atol=0.08)
        np.testing.assert_allclose(np.cov(own.T), fitted.covariances_[place], atol=0.12)


def test_one_bell_and_diagonal_ones_are_scikit_learn_s_with_the_lowest_bic(monkeypatch):
    rng = np.random.default_rng(0)
    assert len(fit_mixture(rng.standard_normal((300, 3)), 0).weights_) == 1
    rows = rng.standard_normal((40, 5)) + 4 * rng.integers(0, 2, (40, 1))  # 40 rows of 5 columns: too few for full
    found = fit_mixture(rows, 3)
    known = [GaussianMixture(k, covariance_type="diag", reg_covar=1e-3 * rows.var(0).mean(), max_iter=50,
                             random_state=3).fit(rows) for k in (1, 2, 4, 8)]  # fmt: skip
    best = min(known, key=lambda one: one.bic(rows))
    assert found.covariance_type == "diag" and len(best.weights_) == len(found.weights_) > 1
    np.testing.assert_allclose(found.score_samples(rows), best.score_samples(rows))
    draws = draw(MixtureDraws(found), (20_000,), torch.Generator().manual_seed(0))
    np.testing.assert_allclose(draws.var(0), rows.var(0), rtol=0.1)


def test_rows_beyond_what_is_cheap_are_not_read_and_few_or_equal_rows_are_no_accident(monkeypatch):
    rows = np.random.default_rng(0).standard_normal((200, 3))
    monkeypatch.setattr(mixture_model, "FULL_NUMBERS", 60 * 9)
    same = fit_mixture(rows[:60], 0)
    np.testing.assert_array_equal(fit_mixture(rows, 0).means_, same.means_)
    assert len(fit_mixture(rows[:2], 0).weights_) == 1
    assert np.isfinite(fit_mixture(np.ones((50, 3)), 0).score_samples(rows)).all()


def test_it_draws_and_scores_and_reconstructs_nothing(split, model):
    found = evaluate(model, split, [Energy(), Reconstruction(), Anomalies()]).values
    assert found["energy_prior"].value == pytest.approx(0, abs=0.02)
    for name in ("test_mse", "energy_fit", "anomaly_auroc_reconstruction"):
        assert (found[name].value, found[name].reason) == (None, "the variant has no encoder")
    assert found["anomaly_auroc"].value > 0.9  # the origin lies between the bells
