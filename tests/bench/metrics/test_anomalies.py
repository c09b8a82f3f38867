"""Anomaly scores against closed forms of linear-Gaussian data, their metrics against scikit-learn, and what is n/a."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import f as f_distribution
from scipy.stats import multivariate_normal
from sklearn.decomposition import PCA
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve
from sklearn.neighbors import NearestNeighbors

from bench.contracts.dataset import Split
from bench.contracts.model import Model
from bench.evaluate.baselines import BASELINES
from bench.evaluate.control_models import pca
from bench.metrics.anomalies import Anomalies
from bench.metrics.functional import anomaly_scores as scores
from bench.metrics.functional.detection import auroc, auroc_error, average_precision, recall_at
from bench.metrics.simple_pictures import SimplePictures, flattened, smoothed

#: How much further out anomalies lie than normal rows, in every direction.
STRETCH = 1.5


@pytest.fixture(scope="module")
def split(toolbox):
    """Exact Gaussian rows with diagonal covariance; the anomalies are such rows, stretched."""
    rows = toolbox.exact_gaussian(2000, toolbox.eigenvalues, 3) * np.float32(STRETCH)
    return toolbox.gaussian_split(anomalies=rows, anomaly_kinds=np.arange(2000) % 2, anomaly_names=("even", "odd"))


@pytest.fixture(scope="module")
def exact(toolbox):
    """The VAE whose marginal density is that of the data: seven codes, and s² the eigenvalue that is left."""
    return toolbox.linear_vae(s2=0.05, latent_dim=7)


def expected(degrees):
    """AUROC of χ² scores of so many degrees against the same stretched: the ratio of two χ² is F-distributed."""
    return f_distribution.sf(STRETCH**-2, degrees, degrees)


def check(found, error, degrees):
    assert found == pytest.approx(expected(degrees), abs=4 * error)


@pytest.mark.parametrize("seed", range(8))
def test_detection_agrees_with_scikit_learn_with_and_without_ties(seed):
    rng = np.random.default_rng(seed)
    high = (3, 10, 1000, 10**9)[seed % 4]
    normal, odd = rng.integers(0, high, 37).astype(float), rng.integers(high // 3, high + 1, 21).astype(float)
    labels, both = np.repeat([0, 1], [37, 21]), np.concatenate([normal, odd])
    assert auroc(normal, odd) == pytest.approx(roc_auc_score(labels, both), abs=1e-12)
    assert average_precision(normal, odd) == pytest.approx(average_precision_score(labels, both), abs=1e-12)
    alarms, hits, _ = roc_curve(labels, both, drop_intermediate=False)
    for rate in (0.0, 0.05, 0.5):
        assert recall_at(normal, odd, rate) == pytest.approx(hits[alarms <= rate].max(), abs=1e-12)


def test_the_error_of_auroc_is_its_spread_over_samples():
    rng = np.random.default_rng(0)
    draws = [(rng.standard_normal(60), rng.standard_normal(40) + 1) for _ in range(400)]
    spread = np.std([auroc(*pair) for pair in draws])
    assert np.mean([auroc_error(*pair) for pair in draws]) == pytest.approx(spread, rel=0.1)
    assert np.isnan(auroc_error(np.arange(5.0), np.ones(1)))


def test_each_kind_of_anomaly_has_its_own_auroc(toolbox, exact):
    """Rows that are as the held-out ones, and rows five times as far out."""
    rows = toolbox.exact_gaussian(1000, toolbox.eigenvalues, 3) * np.repeat([1, 5], 500).astype(np.float32)[:, None]
    split = toolbox.gaussian_split(anomalies=rows, anomaly_kinds=np.repeat([0, 1], 500), anomaly_names=("same", "far"))
    found = toolbox.evaluate(exact, split, Anomalies())
    same, far = (found[f"anomaly_auroc_kind[{kind}]"].value for kind in (0, 1))
    assert same == pytest.approx(0.5, abs=0.1) and far > 0.85
    assert found["anomaly_auroc"].value == pytest.approx((same + far) / 2)


def test_likelihood_scores_are_the_true_density(toolbox, split, exact):
    """With the exact posterior every importance weight is p(x); the ELBO's draws add the same number to every row."""
    view = toolbox.view(exact, split)
    truth = -multivariate_normal(np.zeros(8), np.diag(toolbox.eigenvalues)).logpdf(split.anomalies)
    x = torch.as_tensor(split.anomalies)
    np.testing.assert_allclose(scores.iwae(view, x).numpy(), truth, atol=2e-3)
    offset = scores.elbo(view, x).numpy() - truth
    assert offset.std() < 2e-3 and abs(offset.mean()) < 1.5


def test_auroc_of_each_score_has_its_closed_form(toolbox, split, exact):
    found = toolbox.evaluate(exact, split, Anomalies())
    error = found["anomaly_auroc_error"].value
    check(found["anomaly_auroc_elbo"].value, error, 8)
    check(found["anomaly_auroc_iwae"].value, error, 8)
    check(found["anomaly_auroc_mahalanobis"].value, error, 7)
    linear = toolbox.evaluate(pca(split, 7, exact.cost), split, Anomalies())
    check(linear["anomaly_auroc"].value, error, 1)
    six = toolbox.evaluate(pca(split, 6, exact.cost), split, Anomalies())
    check(six["anomaly_auroc_standardised"].value, error, 2)
    assert six["anomaly_auroc_reconstruction"].value < six["anomaly_auroc_standardised"].value
    assert linear["anomaly_auroc_best"].value == max(
        linear[name].value for name in linear if name.startswith("anomaly_auroc_") and linear[name].status == "ok"
        and name.rpartition("_")[2] in scores.SCORES
    )  # fmt: skip
    lost = linear["anomaly_auroc_best"].value - linear["anomaly_auroc"].value
    assert linear["anomaly_auroc_lost"].value == pytest.approx(lost, abs=1e-12) and lost > 0.05
    assert found["anomaly_auroc_kind[1]"].value == pytest.approx(found["anomaly_auroc"].value, abs=4 * error)


def test_neighbour_distances_are_scikit_learn_s(toolbox, split, exact):
    view = toolbox.view(exact, split)
    codes, known = (view.fit.whiten(exact.encode(torch.as_tensor(rows))).numpy()
                    for rows in (split.anomalies[:50], view.rows("train").x))  # fmt: skip
    wanted = NearestNeighbors(n_neighbors=5).fit(known).kneighbors(codes)[0].mean(1)
    np.testing.assert_allclose(scores.neighbour(view, torch.as_tensor(split.anomalies[:50])), wanted, rtol=1e-4)


@pytest.mark.parametrize("score", scores.SCORES)
@pytest.mark.parametrize("normal", [True, False])
def test_the_same_row_has_the_same_score(toolbox, split, exact, score, normal):
    model = exact if normal else toolbox.gauge(exact)
    view, x = toolbox.view(model, split), torch.as_tensor(split.anomalies[:4])
    together = scores.SCORES[score](view, x)
    again = scores.SCORES[score](toolbox.view(model, split), x[[3]])
    torch.testing.assert_close(again[0], together[3], rtol=1e-4, atol=1e-4)
    doubled = scores.SCORES[score](view, x[[0, 0]])
    torch.testing.assert_close(doubled[0], doubled[1], rtol=1e-4, atol=1e-4)


def test_both_bounds_rest_on_the_same_draws_which_are_decoded_once(toolbox, split, exact):
    calls = []
    counted = replace(exact, decode_params=lambda z: calls.append(z.shape) or exact.decode_params(z))
    view, x = toolbox.view(counted, split), torch.as_tensor(split.anomalies)
    bounds = [scores.elbo(view, x), scores.iwae(view, x)]
    assert sum(shape[:-1].numel() for shape in calls) == scores.DRAWS * len(x)
    fresh = [score(toolbox.view(exact, split), x) for score in (scores.elbo, scores.iwae)]
    assert all(torch.equal(one, other) for one, other in zip(bounds, fresh, strict=True))
    assert not torch.equal(scores.iwae(view, x[:5] + 1), bounds[1][:5])


# -- detectors of which all is known ------------------------------------------------------------------------------


def detector(toolbox, normal, odd, score=lambda x: x[:, 0], **changes):
    """Measurements of a model that scores rows (N, 2), and nothing else."""
    rows = [np.asarray(part, np.float32) for part in (normal, normal, normal, odd)]
    split = Split(*rows[:3], anomalies=rows[3], **changes)
    return toolbox.evaluate(Model("detector", 1, (2,), toolbox.linear_vae().cost, score=score), split, Anomalies())


def test_a_copy_of_the_label_is_perfect_and_noise_is_chance(toolbox):
    rng = np.random.default_rng(0)
    normal, odd = rng.standard_normal((2, 3000, 2))
    normal[:, 0], odd[:, 0] = 0, 1
    found = detector(toolbox, normal, odd)
    assert [found[f"anomaly_{name}"].value for name in ("auroc", "ap", "recall")] == [1, 1, 1]
    noise = detector(toolbox, normal, odd, score=lambda x: x[:, 1])
    assert noise["anomaly_auroc"].value == pytest.approx(0.5, abs=4 * noise["anomaly_auroc_error"].value)
    assert noise["anomaly_ap"].value == pytest.approx(noise["anomaly_ap_chance"].value, abs=0.03)
    assert noise["anomaly_recall"].value == pytest.approx(0.05, abs=0.02)
    tied = detector(toolbox, normal, odd, score=lambda x: 0 * x[:, 0])
    assert (tied["anomaly_auroc"].value, tied["anomaly_recall"].value) == (0.5, 0)
    assert tied["anomaly_ap"].value == pytest.approx(tied["anomaly_ap_chance"].value)


def test_more_anomalies_change_average_precision_and_not_auroc(toolbox):
    rng = np.random.default_rng(0)
    normal, odd = rng.standard_normal((300, 2)), rng.standard_normal((30, 2)) + 1
    few, many = (detector(toolbox, normal, np.tile(odd, (times, 1))) for times in (1, 5))
    assert few["anomaly_auroc"].value == pytest.approx(many["anomaly_auroc"].value, abs=1e-9)
    assert many["anomaly_ap"].value > few["anomaly_ap"].value + 0.1


def test_without_anomalies_everything_says_so(toolbox, exact):
    found = toolbox.evaluate(exact, toolbox.gaussian_split(n_train=50, n_test=20), Anomalies())
    assert {(one.status, one.reason) for one in found.values()} == {("n/a", "the data set has no test anomalies")}


def test_one_anomaly_has_no_interval_and_a_score_that_is_no_number_is_named(toolbox):
    rows = np.random.default_rng(0).standard_normal((50, 2))
    one = detector(toolbox, rows, rows[:1] + 9)
    assert one["anomaly_auroc"].value == 1
    assert (one["anomaly_auroc_error"].status, "no interval" in one["anomaly_auroc_error"].reason) == ("too_few", True)
    broken = detector(toolbox, rows, rows[:4] + 9, score=lambda x: torch.where(x[:, 0] > 8, torch.nan, x[:, 0]))
    assert "of the 54 rows have a score that is no finite number" in broken["anomaly_auroc"].reason


def test_a_leak_is_flagged(toolbox):
    rows = np.random.default_rng(0).standard_normal((50, 2))
    found = detector(toolbox, rows, np.concatenate([rows[:3], rows[:5] + 9]))
    assert found["anomaly_auroc"].status == "flagged" and "a leak: 3 of" in found["anomaly_auroc"].reason


def test_the_likelihood_of_pictures_carries_its_warning(toolbox, digits_split, digits_vae):
    eights = digits_split.test[digits_split.test_labels == 8]
    found = toolbox.evaluate(digits_vae, replace(digits_split, anomalies=1 - eights), Anomalies())
    assert found["anomaly_auroc_elbo"].status == found["anomaly_ap_iwae"].status == "flagged"
    assert "1810.09136" in found["anomaly_auroc_elbo"].reason
    assert found["anomaly_auroc"].status == "ok" and found["anomaly_auroc"].value > 0.9


def test_how_often_simple_pictures_are_likelier_is_that_of_the_true_density(toolbox, digits_split):
    """Of probabilistic PCA, whose log-likelihood scikit-learn knows; the picture itself is no likelier than itself."""
    latent = 4
    model = BASELINES["ppca"](digits_split, latent, toolbox.linear_vae().cost, 0)
    known = PCA(latent).fit(digits_split.train.reshape(len(digits_split.train), -1).astype(np.float64))
    view = toolbox.view(model, digits_split)
    x = view.test.x[:500]

    def likelihood(pictures):
        return known.score_samples(pictures.reshape(len(pictures), -1).numpy().astype(np.float64))

    found = SimplePictures().compute(view, None)
    wanted = [(likelihood(simpler(x)) > likelihood(x)).mean() for simpler in (smoothed, flattened)]
    assert list(found.values()) == pytest.approx(wanted, abs=0.01) and max(wanted) > 0.6
    np.testing.assert_allclose(flattened(x)[3].numpy(), x[3].mean(), rtol=1e-5)
    assert float(smoothed(x)[3, 0, 4, 4]) == pytest.approx(float(x[3, 0, 3:6, 3:6].mean()), rel=1e-5)
