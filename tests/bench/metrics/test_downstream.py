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


@pytest.mark.parametrize("far", [0, 7])
def test_ties_go_to_the_nearer_neighbour_whatever_its_label(far):
    codes = {"train": torch.tensor([[1.0], [2.0]]), "test": torch.tensor([[0.0]])}
    assert knn_accuracy(LabelledCodes(codes, {"train": np.array([3, far]), "test": np.array([3])}), 2) == 1


@pytest.mark.parametrize("k", [1, 9])
def test_knn_is_the_majority_of_the_nearest(k):
    data = two_gaussians(1.5, n=300)
    train, test = (data.codes[part].numpy().astype(np.float64) for part in ("train", "test"))
    mean, scale = train.mean(0), train.std(0, ddof=1)
    distances = np.linalg.norm(((test - mean) / scale)[:, None] - ((train - mean) / scale)[None], axis=-1)
    nearest = data.labels["train"][distances.argsort(1)[:, :k]]  # (N, k), the nearest first
    expected = ((nearest.mean(1) > 0.5) == data.labels["test"]).mean()
    assert knn_accuracy(data, k) == pytest.approx(expected, abs=0.003)  # float32 against float64


def test_the_probe_minimises_mean_cross_entropy_with_its_penalty(digits_split):
    labels = {part: getattr(digits_split, f"{part}_labels") for part in ("train", "validation", "test")}
    codes = {part: torch.as_tensor(getattr(digits_split, part).reshape(-1, 64)) for part in labels}
    data, penalty = LabelledCodes(codes, labels), 1e-2
    fit = fit_softmax(data, penalty)
    x, y = torch.as_tensor(data.standardised("train")).double(), torch.as_tensor(labels["train"]).long()
    weights = torch.tensor(fit.coef_, dtype=torch.float64, requires_grad=True)
    bias = torch.tensor(fit.intercept_, dtype=torch.float64, requires_grad=True)
    loss = torch.nn.functional.cross_entropy(x @ weights.T + bias, y) + penalty / 2 * weights.square().sum()
    gradients = torch.autograd.grad(loss, (weights, bias))
    assert max(float(gradient.abs().max()) for gradient in gradients) < 1e-3  # 0.4 at weights of 0


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


def test_test_rows_of_one_class_tell_nothing_apart(toolbox, digits_split):
    """A classifier that always says this class would score 1."""
    split = dataclasses.replace(digits_split, test_labels=0 * digits_split.test_labels)
    measured = toolbox.evaluate(pca(split, 4, SQUARED), split, Downstream())
    for value in Downstream.values:
        assert measured[value.name].value is None and "test rows have one class only" in measured[value.name].reason
