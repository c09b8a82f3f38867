"""Interpolation: circle, jump and straight line; the collapsed model's path is no perfect one; pairs and neighbours."""

import dataclasses
import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench.contracts.dataset import Split
from bench.contracts.model import Model
from bench.evaluate.control_models import constant, cross_fade, pca
from bench.evaluate.neighbours import nearest
from bench.losses import ReconstructionCost
from bench.metrics.functional.interpolations import PathDistances, interpolation_pairs, point_distances
from bench.metrics.functional.paths import lerp, path_geometry
from bench.metrics.interpolation import Interpolation

K = 16
SQUARED = ReconstructionCost("squared")


def circle(turns: float) -> torch.Tensor:
    angle = torch.linspace(0, turns * 2 * math.pi, K + 1, dtype=torch.float64)
    return torch.stack([angle.cos(), angle.sin()], 1)[None]


def test_quarter_circle():
    geometry = path_geometry(circle(0.25))
    exact = 2 * K * math.sin(math.pi / (4 * K)) / math.sqrt(2)
    assert geometry.arc_chord.item() == pytest.approx(exact, rel=1e-12)
    assert round(exact, 4) == 1.1103
    assert geometry.unevenness.item() == pytest.approx(1, rel=1e-12)
    assert geometry.turning.item() == pytest.approx(math.pi / 2 * (K - 1) / K, rel=1e-9)


def test_straight_line():
    paths = lerp(torch.randn(5, 3, dtype=torch.float64), torch.randn(5, 3, dtype=torch.float64), K)
    geometry = path_geometry(paths)
    assert geometry.energy.numpy() == pytest.approx(1, rel=1e-10)
    assert geometry.turning.numpy() == pytest.approx(0, abs=1e-6)
    assert geometry.jump.numpy() == pytest.approx(0, abs=1e-10)


def test_single_jump():
    path = torch.zeros(1, K + 1, 2)
    path[:, 9:] = torch.tensor([1.0, 2.0])
    geometry = path_geometry(path)
    assert geometry.unevenness.item() == pytest.approx(K)
    assert geometry.jump.item() == pytest.approx(1 - 1 / K)
    assert geometry.turning.item() == 0  # zero steps are skipped


def test_zero_steps_between_two_directions_do_not_hide_the_turn():
    path = torch.tensor([[[0.0, 0], [1, 0], [1, 0], [1, 1]]])
    assert path_geometry(path).turning.item() == pytest.approx(math.pi / 2, rel=1e-6)


@given(st.integers(0, 10**6))
def test_energy_is_arc_chord_squared_times_unevenness(seed):
    paths = torch.tensor(np.random.default_rng(seed).standard_normal((3, K + 1, 4)))
    geometry = path_geometry(paths)
    assert geometry.energy.numpy() == pytest.approx((geometry.arc_chord**2 * geometry.unevenness).numpy(), rel=1e-9)
    assert (geometry.unevenness >= 1 - 1e-12).all() and (geometry.unevenness <= K + 1e-12).all()


def test_a_constant_path_is_not_a_perfect_one():
    paths = torch.cat([torch.ones(1, K + 1, 2), circle(0.25).float()])
    geometry = path_geometry(paths, 1e-6)
    for name in ("unevenness", "arc_chord", "turning", "jump", "energy"):
        assert torch.isnan(getattr(geometry, name)[0]) and torch.isfinite(getattr(geometry, name)[1])


def test_controls(toolbox, digits_split, digits_shared):
    fade = toolbox.evaluate(cross_fade(digits_split, 4, SQUARED), digits_split, Interpolation(), shared=digits_shared)
    assert fade["interp_realism"].value == pytest.approx(1, rel=1e-4)
    assert fade["interp_unevenness"].value == pytest.approx(1, abs=1e-4)
    linear = toolbox.evaluate(pca(digits_split, 4, SQUARED), digits_split, Interpolation(), shared=digits_shared)
    assert linear["interp_arc_chord"].value == pytest.approx(1, abs=1e-4)
    assert linear["interp_turning"].value == pytest.approx(0, abs=1e-2)
    still = toolbox.evaluate(constant(digits_split, 4, SQUARED), digits_split, Interpolation(), shared=digits_shared)
    assert still["interp_unevenness"].value is None and still["interp_degenerate"].value == 1
    assert still["interp_excess"].value is None or "collapsed" in still["interp_excess"].reason


def test_a_collapsed_vae_is_flagged_and_says_why(toolbox, digits_split, digits_shared, collapsed_vae):
    measured = toolbox.evaluate(collapsed_vae, digits_split, Interpolation(), shared=digits_shared)
    for name in ("interp_unevenness", "interp_excess"):
        assert measured[name].value is None or "collapsed" in measured[name].reason


def test_pairs_are_distinct_and_classes_meet_as_at_random(digits_shared):
    pairs = interpolation_pairs(digits_shared)
    first, second = pairs.indices.T
    assert len(pairs.indices) == 1000 and (first != second).all()
    labels = digits_shared.rows("test").labels
    assert (pairs.same == (labels[first] == labels[second])).all()
    assert 0.2 < pairs.same.mean() < 0.35
    counts = np.bincount(labels)
    within = (counts * (counts - 1)).sum() / (len(labels) * (len(labels) - 1))
    assert pairs.same[pairs.all].mean() == pytest.approx(within, abs=0.002)
    assert pairs.all.sum() > 750 and (pairs.all | pairs.same).all()


def test_one_class_only_says_so(toolbox, digits_split):
    zeros = {f"{part}_labels": 0 * getattr(digits_split, f"{part}_labels") for part in ("train", "validation", "test")}
    split = dataclasses.replace(digits_split, **zeros)
    measured = toolbox.evaluate(pca(split, 4, SQUARED), split, Interpolation())
    assert measured["interp_realism_cross"].status == "n/a" and measured["interp_realism_cross"].reason
    assert measured["interp_realism_same"].value is not None


def test_point_distances_against_brute_force():
    rng = np.random.default_rng(0)
    reference = rng.standard_normal((30, 3))
    pairs = np.array([[0, 1], [5, 9], [2, 20]])
    paths = rng.standard_normal((3, 6, 3))
    found = point_distances(torch.tensor(paths), torch.tensor(reference), pairs)
    everything = point_distances(torch.tensor(paths), torch.tensor(reference), None)
    split = PathDistances.of(found)
    for index, (path, pair) in enumerate(zip(paths, pairs, strict=True)):
        others = np.delete(reference, pair, axis=0)
        expected = [np.linalg.norm(others - point, axis=1).min() for point in path]
        assert found[index] == pytest.approx(expected, rel=1e-9)
        assert everything[index] == pytest.approx([np.linalg.norm(reference - p, axis=1).min() for p in path], rel=1e-9)
        assert split.interior[index] == pytest.approx(np.mean(expected[1:-1]))
        assert split.ends[index] == pytest.approx((expected[0] + expected[-1]) / 2)


def retrieval(split, k, blur=False):
    """Pixels as codes; decodes the mean of the k nearest training images (blurred: with its neighbours in the row)."""
    rows = torch.as_tensor(split.train).flatten(1)

    def decode(z):
        found = rows[nearest(z.reshape(-1, z.shape[-1]), rows, k, exact=False)[1]].mean(1)
        if blur:
            images = found.reshape(-1, *split.data_shape)
            found = torch.nn.functional.avg_pool2d(images, 3, 1, 1)
        return found.reshape(*z.shape[:-1], *split.data_shape)

    shape = split.data_shape
    return Model("retrieval", split.dimension, shape, SQUARED, lambda x: x.flatten(1), decode, decode)


def excess_of(toolbox, model, split, shared=None, name="interp_excess"):
    return toolbox.evaluate(model, split, Interpolation(), shared=shared)[name]


def test_excess_grows_with_averaging_and_cannot_be_won_by_blur(toolbox, digits_split):
    shared = toolbox.shared(digits_split, 8)
    values = [excess_of(toolbox, retrieval(digits_split, k), digits_split, shared).value for k in (1, 3, 10, 30)]
    assert values == sorted(values) and abs(values[0]) < 0.25 and values[-1] > 0.5
    blurred = excess_of(toolbox, retrieval(digits_split, 1, blur=True), digits_split, shared)
    assert blurred.value > values[0] - 3 * blurred.error
    fade = excess_of(toolbox, cross_fade(digits_split, 4, SQUARED), digits_split, shared)
    assert fade.value == pytest.approx(1, abs=1e-3)


def test_a_ratio_below_real_data_is_flagged(toolbox, digits_split):
    """Averages of images are nearer to images than images are: the old ratio crowns them, and says so."""
    shared = toolbox.shared(digits_split, 64)
    measured = toolbox.evaluate(retrieval(digits_split, 10), digits_split, Interpolation(), shared=shared)
    assert measured["interp_realism"].value < 0.95 and "real held-out data" in measured["interp_realism"].reason
    assert measured["interp_realism"].higher_is_better is None


def test_where_a_cross_fade_is_not_seen_there_is_no_excess(toolbox):
    """Independent normals in many dimensions: a cross-fade is nearer to other data than data are."""
    rng = np.random.default_rng(0)
    split = Split(*(rng.standard_normal((n, 40)).astype(np.float32) for n in (300, 40, 300)))
    measured = toolbox.evaluate(pca(split, 4, SQUARED), split, Interpolation())
    assert measured["interp_excess"].value is None and "even a cross-fade" in measured["interp_excess"].reason
    assert measured["interp_realism"].value is not None


def test_images_without_classes_have_random_convolutions(toolbox, digits_split):
    plain = dataclasses.replace(digits_split, train_labels=None, validation_labels=None, test_labels=None)
    measured = toolbox.evaluate(cross_fade(plain, 4, SQUARED), plain, Interpolation())
    assert measured["interp_excess_randconv"].value == pytest.approx(1, abs=1e-3)
    assert measured["interp_excess_classifier"].reason == "the data set has no labels"


def test_lines_rank_as_their_true_manifold_does(toolbox):
    """A true rotation, cross-fades of different strength and averaging decoders: excess and truth agree."""
    from scipy.stats import spearmanr

    sys_path = Path(__file__).resolve().parents[3] / "datasets" / "lines.py"
    spec = importlib.util.spec_from_file_location("lines_of_test", sys_path)
    lines = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(lines)
    split = lines.load(n=500, size=10)
    split = dataclasses.replace(split, manifold=split.manifold[::10])
    d, shape = split.dimension, split.data_shape
    shared = toolbox.shared(split, d)
    turned = torch.as_tensor(split.manifold).flatten(1)

    def mixed(share):
        def decode(z):
            true = turned[nearest(z.reshape(-1, d), turned, exact=False)[1][:, 0]].reshape(z.shape)
            return ((1 - share) * true + share * z).reshape(*z.shape[:-1], *shape)

        return Model("mixed", d, shape, SQUARED, lambda x: x.flatten(1), decode, decode)

    models = [*map(mixed, (0, 0.1, 0.3, 0.6, 1)), *(retrieval(split, k) for k in (1, 3, 10, 30))]
    measured = [toolbox.evaluate(model, split, Interpolation(), shared=shared) for model in models]
    excess = [m["interp_excess"].value for m in measured]
    truth = [m["interp_true_distance"].value for m in measured]
    assert truth[0] < 1e-3 and abs(excess[0]) < 0.05
    assert spearmanr(excess, truth).statistic > 0.85
