"""Generation: Fréchet and kernel distance, two-sample test and memorisation against their nulls and controls."""

import dataclasses

import numpy as np
import pytest
import torch

from bench.contracts.metric import Missing
from bench.evaluate.control_models import constant, cross_fade, lookup, real
from bench.evaluate.feature_spaces import feature_space, principal_components, space_features
from bench.evaluate.model_view import View
from bench.evaluate.reference_data import SharedData
from bench.losses import ReconstructionCost
from bench.metrics.distribution_distance import DistributionDistance
from bench.metrics.functional.frechet import frechet_distance
from bench.metrics.functional.two_samples import classifier_two_sample, nearest_ratio
from bench.metrics.manifold_features import FeatureManifold
from bench.metrics.realism import Realism
from bench.metrics.two_sample import TwoSample

SQUARED = ReconstructionCost("squared")


def normal(n, d, seed, scale=1.0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed)) * scale


def test_frechet_distance_of_diagonal_normals():
    """‖m₁-m₂‖² + Σ(√a - √b)² for commuting covariances, here exactly diagonal samples."""
    signs = torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]]).repeat(50, 1)
    x, y = signs * torch.tensor([1.0, 2.0]), signs * torch.tensor([3.0, 0.5]) + torch.tensor([1.0, -1.0])
    unbiased = 200 / 199
    assert frechet_distance(x, y) == pytest.approx(2 + unbiased * (4 + 2.25), rel=1e-6)


def test_frechet_distance_against_scipy():
    from scipy.linalg import sqrtm

    x, y = normal(300, 4, 0) @ normal(4, 4, 1), normal(200, 4, 2) @ normal(4, 4, 3) + 1
    a, b = np.cov(x.double().T.numpy()), np.cov(y.double().T.numpy())
    shift = ((x.double().mean(0) - y.double().mean(0)) ** 2).sum().item()
    expected = shift + np.trace(a + b - 2 * sqrtm(a @ b).real)
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-6)


def test_two_sample_accuracy_is_half_for_the_same_and_high_for_blurred_data():
    generator = torch.Generator().manual_seed(0)
    same = classifier_two_sample(normal(4000, 5, 0), normal(2000, 5, 1), generator)
    assert same.value == pytest.approx(0.5, abs=0.04)
    blurred = classifier_two_sample(normal(4000, 5, 0, scale=0.5), normal(2000, 5, 1), generator)
    assert blurred.value > 0.7
    assert classifier_two_sample(torch.full((300, 5), 9.0), normal(300, 5, 1), generator).value > 0.97
    assert isinstance(classifier_two_sample(normal(300, 5, 0), torch.ones(300, 5), generator), Missing)


def test_nearest_ratio_is_zero_for_copies_and_one_for_new_data():
    train, test = normal(500, 3, 0), normal(500, 3, 1)
    assert nearest_ratio(train[:100], train, test).value == pytest.approx(0, abs=1e-6)
    fresh = nearest_ratio(normal(5000, 3, 2), train, test)
    assert fresh.value == pytest.approx(1, abs=0.1)
    assert isinstance(nearest_ratio(test[:50], train, test), Missing)


@pytest.fixture(scope="module")
def rows(toolbox, digits_split, digits_shared):
    """Measurements of three generators in all generation metrics."""
    metrics = (FeatureManifold(), DistributionDistance(), TwoSample(), Realism())
    made = {"constant": constant, "lookup": lookup, "real": real}
    return {
        name: toolbox.evaluate(make(digits_split, 4, SQUARED), digits_split, *metrics, shared=digits_shared)
        for name, make in made.items()
    }


def test_real_data_score_as_real(rows):
    held_out = rows["real"]
    assert held_out["coverage_prior_classifier"].value == pytest.approx(0.97, abs=0.03)
    assert held_out["density_prior_classifier"].value == pytest.approx(1, abs=0.1)
    assert held_out["realism_prior"].value == pytest.approx(1, abs=0.15)
    assert held_out["two_sample_prior"].value == pytest.approx(0.5, abs=0.1)
    assert held_out["memorisation_prior"].value == pytest.approx(1, abs=0.02)
    floor, ceiling = held_out["frechet_floor"].value, held_out["frechet_ceiling"].value
    assert abs(held_out["frechet_prior"].value - floor) < 0.1 * ceiling
    assert abs(held_out["kid_prior"].value) < 0.15 * held_out["kid_ceiling"].value
    floor = held_out["kid_floor"]  # the same rows in another order, which pairs them differently
    assert held_out["kid_prior"].value == pytest.approx(floor.value, abs=floor.error)


def test_the_best_two_sample_accuracy_is_a_half():
    declared = [value for value in TwoSample.values if value.name.startswith("two_sample")]
    assert declared and all(value.higher_is_better is None and value.target == 0.5 for value in declared)


def test_the_real_control_draws_each_row_once(digits_split, digits_shared):
    """Repeated rows are told from new ones: the two-sample accuracy of real data was .56 to .60 with them."""
    drawn = View(real(digits_split, 4, SQUARED), digits_shared).decoded("prior")
    assert len(torch.unique(drawn, dim=0)) == len(np.unique(digits_split.validation.reshape(-1, 64), axis=0))
    assert len(drawn) == len(digits_split.validation)


def test_the_floor_is_of_rows_that_no_classifier_was_trained_on(toolbox, digits_split, digits_shared):
    """Floors do not change when training rows do, the classifier being what it is; they do with validation rows."""
    space = feature_space(digits_shared, "classifier")
    test, held_out = (space_features(digits_shared, space, part) for part in ("test", "validation"))
    n = len(held_out)
    model = real(digits_split, 4, SQUARED)
    measured = toolbox.evaluate(model, digits_split, DistributionDistance(), shared=digits_shared)
    assert measured["frechet_floor"].value == pytest.approx(frechet_distance(held_out, test[:n]), rel=1e-6)


def test_the_constant_decoder_wins_nothing(rows):
    still = rows["constant"]
    assert still["frechet_prior"].value == pytest.approx(still["frechet_ceiling"].value, rel=0.01)
    assert still["recall_prior_classifier"].value == 0
    assert still["coverage_prior_classifier"].value < 0.1
    assert still["two_sample_prior"].value > 0.8
    for name, measured in still.items():
        if measured.higher_is_better is not None and measured.value is not None:
            assert measured.status == "flagged" and "collapsed" in measured.reason, name


def test_copies_of_training_data_are_found_out(rows):
    assert rows["lookup"]["memorisation_fit"].value == pytest.approx(0, abs=1e-3)
    assert rows["lookup"]["coverage_fit_classifier"].value > 0.7


def test_averaged_samples_are_flagged_as_too_near(toolbox, digits_split, digits_shared):
    """In any space the mean of the data is nearer to them than they are to each other."""
    from bench.evaluate.neighbours import nearest, radii
    from bench.metrics.realism import _ratio

    data = normal(1000, 50, 0)
    outcome = _ratio(nearest(torch.zeros(20, 50), data)[0], float(radii(data, 1).mean()))
    assert outcome.value < 0.8 and "averaged" in outcome.reason


def test_cross_fade_is_the_unit_of_interpolation_realism(toolbox, digits_split, digits_shared):
    measured = toolbox.evaluate(cross_fade(digits_split, 4, SQUARED), digits_split, Realism(), shared=digits_shared)
    assert measured["interp_realism_classifier"].value == pytest.approx(1, rel=1e-4)


def test_feature_spaces_are_frozen_named_and_hashed(digits_split, digits_shared):
    again = SharedData(digits_split, SQUARED, 4)
    for name in ("pca", "classifier", "randconv"):
        first, second = feature_space(digits_shared, name), feature_space(again, name)
        assert first.digest == second.digest and len(first.digest) == 16
        features = space_features(digits_shared, first, "test")
        assert torch.equal(features, space_features(again, second, "test")) and not features.requires_grad
    assert len({feature_space(digits_shared, name).digest for name in ("pca", "classifier", "randconv")}) == 3


def test_the_classifier_classifies(digits_shared):
    space = feature_space(digits_shared, "classifier")
    test = digits_shared.rows("test")
    predicted = space.classify(space_features(digits_shared, space, "test")).argmax(1).numpy()
    assert (predicted == test.labels).mean() > 0.93


def test_spaces_that_do_not_exist_say_why(digits_split):
    unlabelled = dataclasses.replace(digits_split, train_labels=None, validation_labels=None, test_labels=None)
    assert "labels" in feature_space(SharedData(unlabelled, SQUARED, 4), "classifier").reason
    flat = dataclasses.replace(
        digits_split, **{part: getattr(digits_split, part).reshape(-1, 64) for part in ("train", "validation", "test")}
    )
    assert "images" in feature_space(SharedData(flat, SQUARED, 4), "randconv").reason


def test_principal_components_agree_with_sklearn(digits_split, digits_shared):
    from sklearn.decomposition import PCA

    flat = digits_split.train.reshape(-1, 64)
    theirs, ours = PCA(6).fit(flat.astype(float)), principal_components(digits_shared)
    overlap = np.abs(theirs.components_ @ ours.components[:, :6].double().numpy())
    assert overlap == pytest.approx(np.eye(6), abs=1e-3)
    n = len(flat)
    assert ours.variances[:6].numpy() == pytest.approx(theirs.explained_variance_ * (n - 1) / n, rel=1e-3)


def test_randomised_components_of_wide_data(monkeypatch, digits_split):
    monkeypatch.setattr("bench.evaluate.feature_spaces.LARGEST_COVARIANCE", 10)
    shared, exact = SharedData(digits_split, SQUARED, 4), SharedData(digits_split, SQUARED, 4)
    monkeypatch.undo()
    approximate = shared._cache  # the two must not share a cache
    assert not approximate
    monkeypatch.setattr("bench.evaluate.feature_spaces.LARGEST_COVARIANCE", 10)
    wide = principal_components(shared)
    monkeypatch.undo()
    narrow = principal_components(exact)
    assert wide.variances[:5].numpy() == pytest.approx(narrow.variances[:5].numpy(), rel=1e-3)
