"""Downstream: two Gaussians have accuracy Φ(Δ/2); trustworthiness and kNN against scikit-learn."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy.stats import norm

from bench.evaluate.control_models import constant, pca
from bench.losses import ReconstructionCost
from bench.metrics.downstream import Downstream
from bench.metrics.functional.classify import LabelledCodes, fit_softmax, knn_accuracy, probe_accuracy
from bench.metrics.functional.neighbour_ranks import neighbour_ranks, trustworthiness
from bench.metrics.neighbourhood import Neighbourhood

SQUARED = ReconstructionCost("squared")


def two_gaussians(delta: float, n: int = 4000, d: int = 5) -> LabelledCodes:
    rng = np.random.default_rng(0)
    codes, labels = {}, {}
    for part, size in (("train", n), ("validation", n), ("test", 5 * n)):
        labels[part] = np.arange(size) % 2
        x = rng.standard_normal((size, d))
        x[:, 0] += delta * (labels[part] - 0.5)
        codes[part] = torch.tensor(x * np.array([100.0, 1, 1, 1, 0.01])).float()  # scales must not matter
    return LabelledCodes(codes, labels)


@pytest.mark.parametrize("delta", [0.0, 1.0, 3.0])
def test_probe_reaches_the_bayes_accuracy(delta):
    # 20,000 test rows: standard error .0035 at most; the fit costs about d/n of accuracy
    assert probe_accuracy(two_gaussians(delta)) == pytest.approx(norm.cdf(delta / 2), abs=0.012)


def test_knn_against_sklearn():
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.preprocessing import StandardScaler

    data = two_gaussians(1.5, n=600)
    scaler = StandardScaler().fit(data.codes["train"].numpy())
    theirs = KNeighborsClassifier(9).fit(scaler.transform(data.codes["train"].numpy()), data.labels["train"])
    expected = theirs.score(scaler.transform(data.codes["test"].numpy()), data.labels["test"])
    assert knn_accuracy(data, 9) == pytest.approx(expected, abs=0.003)  # odd k: no ties; float32 against float64


def test_softmax_regression_against_sklearn(digits_split):
    from sklearn.linear_model import LogisticRegression

    x, y = torch.as_tensor(digits_split.train.reshape(-1, 64)), digits_split.train_labels
    penalty = 1e-2
    weights = fit_softmax(x, torch.as_tensor(y).long(), 10, penalty)
    theirs = LogisticRegression(C=1 / (penalty * len(x)), max_iter=2000, tol=1e-8).fit(x.numpy(), y)
    ours = torch.softmax(x @ weights[:-1] + weights[-1], 1).numpy()
    assert ours == pytest.approx(theirs.predict_proba(x.numpy()), abs=0.02)


def test_a_class_without_training_rows_is_never_right():
    data = two_gaussians(3.0, n=100)
    labels = {**data.labels, "test": np.full(500, 7)}
    assert knn_accuracy(LabelledCodes(data.codes, labels)) == 0
    assert probe_accuracy(LabelledCodes(data.codes, labels)) == 0


def test_constant_codes_guess():
    data = two_gaussians(3.0, n=100)
    still = LabelledCodes({part: torch.zeros_like(codes) for part, codes in data.codes.items()}, data.labels)
    assert probe_accuracy(still) == pytest.approx(0.5, abs=0.01)


def test_trustworthiness_and_continuity_against_sklearn():
    from sklearn.manifold import trustworthiness as reference

    rng = np.random.default_rng(0)
    data = rng.standard_normal((120, 6))
    codes = data[:, :2] + 0.3 * rng.standard_normal((120, 2))
    data_ranks, code_ranks = (neighbour_ranks(torch.tensor(points)) for points in (data, codes))
    for k in (3, 10):
        assert trustworthiness(data_ranks, code_ranks, k) == pytest.approx(
            reference(data, codes, n_neighbors=k), abs=1e-9
        )
        assert trustworthiness(code_ranks, data_ranks, k) == pytest.approx(
            reference(codes, data, n_neighbors=k), abs=1e-9
        )


def test_ranks_count_from_one_and_leave_oneself_out():
    ranks = neighbour_ranks(torch.tensor([[0.0], [1.0], [3.0], [7.0]]))
    assert ranks.tolist() == [[0, 1, 2, 3], [1, 0, 2, 3], [2, 1, 0, 3], [3, 2, 1, 0]]


def test_the_data_themselves_are_trustworthy(toolbox, digits_split, digits_shared):
    from bench.evaluate.control_models import cross_fade

    measured = toolbox.evaluate(
        cross_fade(digits_split, 4, SQUARED), digits_split, Neighbourhood(), shared=digits_shared
    )
    assert measured["trustworthiness"].value == 1 and measured["continuity"].value == 1


def test_pca_row_equals_its_baseline_and_constant_codes_do_not_crash(toolbox, digits_split, digits_shared):
    measured = toolbox.evaluate(pca(digits_split, 4, SQUARED), digits_split, Downstream(), shared=digits_shared)
    assert measured["knn_accuracy"].value == pytest.approx(measured["knn_accuracy_pca"].value, abs=0.003)
    assert measured["knn_accuracy_pixels"].value > 0.9
    still = toolbox.evaluate(
        constant(digits_split, 4, SQUARED), digits_split, Downstream(), Neighbourhood(), shared=digits_shared
    )
    assert still["probe_accuracy"].value < 0.2
    assert still["trustworthiness"].value is None and "constant" in still["trustworthiness"].reason


def test_one_class_is_no_task(toolbox, digits_split):
    zeros = {f"{part}_labels": 0 * getattr(digits_split, f"{part}_labels") for part in ("train", "validation", "test")}
    split = dataclasses.replace(digits_split, **zeros)
    assert "one class" in toolbox.evaluate(pca(split, 4, SQUARED), split, Downstream())["knn_accuracy"].reason
