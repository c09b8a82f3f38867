"""Models that are no autoencoders, against slow references and scikit-learn."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist, mahalanobis
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor

from bench.contracts.dataset import Split
from bench.errors import Incompatible
from bench.evaluate import baselines, neighbours, reference_data
from bench.evaluate.model_view import View
from bench.evaluate.reference_data import SharedData
from bench.losses import ReconstructionCost
from bench.metrics.functional.anomaly_scores import iwae

SQUARED = ReconstructionCost("squared")


@pytest.fixture
def split():
    rng = np.random.default_rng(0)
    spread = rng.standard_normal((4, 4))
    train, validation, test, odd = (
        (rng.standard_normal((n, 4)) @ spread).astype(np.float32) for n in (120, 10, 30, 12)
    )
    return Split(train, validation, test, anomalies=odd + 5)


def scores(name, split, seed=0):
    return baselines.BASELINES[name](split, 2, SQUARED, seed).score(torch.from_numpy(split.anomalies)).numpy()


def test_mahalanobis_is_scipy_s(split):
    inverse = np.linalg.inv(np.cov(split.train.astype(np.float64).T))
    wanted = [mahalanobis(row, split.train.mean(0), inverse) ** 2 for row in split.anomalies]
    np.testing.assert_allclose(scores("mahalanobis", split), wanted, rtol=1e-3)


@pytest.mark.parametrize("block", [120, 7])
def test_neighbours_are_those_among_all_rows_however_few_are_read_at_a_time(split, block, monkeypatch):
    monkeypatch.setattr(baselines.SharedData, "block_rows", block)
    wanted = np.sort(cdist(split.anomalies, split.train), 1)[:, :5].mean(1)
    np.testing.assert_allclose(scores("nearest-neighbours", split), wanted, rtol=1e-4)


class Counting:
    """Rows on demand that remember the most that were read at once."""

    def __init__(self, rows):
        self.rows, self.shape, self.most = rows, rows.shape, 0

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, wanted):
        found = self.rows[wanted]
        self.most = max(self.most, len(found))
        return found


def test_neighbours_of_many_rows_take_bounded_memory(split, monkeypatch):
    """Neither rows nor distances are ever held beyond what the two bounds say, however many rows there are."""
    rng, sizes, distances = np.random.default_rng(0), [], torch.addmm
    rows = Counting(rng.standard_normal((3000, 4)).astype(np.float32))
    monkeypatch.setattr(reference_data, "BLOCK_NUMBERS", 400)
    monkeypatch.setattr(neighbours, "CHUNK_NUMBERS", 1000)
    monkeypatch.setattr(torch, "addmm", lambda *given, **how: sizes.append(distances(*given, **how)) or sizes[-1])
    found = scores("nearest-neighbours", replace(split, train=rows))
    np.testing.assert_allclose(found, np.sort(cdist(split.anomalies, rows.rows), 1)[:, :5].mean(1), rtol=1e-4)
    assert rows.most <= 100 and max(block.numel() for block in sizes) <= 1000 and len(sizes) >= 30


def test_lof_and_the_forest_are_scikit_learn_s(split):
    local = LocalOutlierFactor(n_neighbors=20, novelty=True).fit(split.train)
    np.testing.assert_allclose(scores("lof", split), -local.score_samples(split.anomalies), rtol=1e-4)
    found = [scores("isolation-forest", split, seed) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(found[0], found[1])
    assert np.abs(found[0] - found[2]).max() > 1e-3
    forest = IsolationForest(random_state=0).fit(split.train)
    np.testing.assert_allclose(found[0], -forest.score_samples(split.anomalies))


@pytest.mark.parametrize("cost", [SQUARED, ReconstructionCost("gaussian", scale=0.7)])
def test_probabilistic_pca_has_scikit_learn_s_likelihood(split, cost):
    """Its posterior is exact, so that every importance weight is p(x)."""
    view = View(baselines.BASELINES["ppca"](split, 2, cost, 0), SharedData(split, cost, 2))
    wanted = PCA(2).fit(split.train.astype(np.float64)).score_samples(split.anomalies)
    np.testing.assert_allclose(-iwae(view, torch.from_numpy(split.anomalies)), wanted, rtol=1e-4, atol=2e-3)


def test_probabilistic_pca_needs_a_gaussian_cost(split):
    with pytest.raises(Incompatible, match="squared or gaussian"):
        baselines.BASELINES["ppca"](split, 2, ReconstructionCost("bernoulli"), 0)


@pytest.mark.parametrize("name", baselines.BASELINES)
def test_too_few_rows_are_named(split, name):
    with pytest.raises(Incompatible, match="training rows, and there are 1"):
        baselines.BASELINES[name](replace(split, train=split.train[:1]), 2, SQUARED, 0)
