"""Interpolation: circle, jump and straight line; the collapsed model's path is no perfect one; pairs and neighbours."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench.evaluate.control_models import constant, cross_fade, pca
from bench.losses import ReconstructionCost
from bench.metrics.functional.interpolations import interior_distances, interpolation_pairs
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
    assert still["interp_realism"].status == "flagged"


def test_a_collapsed_vae_is_flagged_and_says_why(toolbox, digits_split, digits_shared, collapsed_vae):
    measured = toolbox.evaluate(collapsed_vae, digits_split, Interpolation(), shared=digits_shared)
    for name in ("interp_unevenness", "interp_realism"):
        assert measured[name].value is None or "collapsed" in measured[name].reason


def test_pairs_are_distinct_and_half_within_a_class(digits_shared):
    pairs = interpolation_pairs(digits_shared)
    first, second = pairs.indices.T
    assert len(pairs.indices) == 1000 and (first != second).all()
    labels = digits_shared.rows("test").labels
    assert (pairs.same == (labels[first] == labels[second])).all()
    assert 0.45 < pairs.same.mean() < 0.55


def test_one_class_only_says_so(toolbox, digits_split):
    import dataclasses

    zeros = {f"{part}_labels": 0 * getattr(digits_split, f"{part}_labels") for part in ("train", "validation", "test")}
    split = dataclasses.replace(digits_split, **zeros)
    measured = toolbox.evaluate(pca(split, 4, SQUARED), split, Interpolation())
    assert measured["interp_realism_cross"].status == "n/a" and measured["interp_realism_cross"].reason
    assert measured["interp_realism_same"].value is not None


def test_interior_distances_against_brute_force():
    rng = np.random.default_rng(0)
    reference = rng.standard_normal((30, 3))
    pairs = np.array([[0, 1], [5, 9], [2, 20]])
    paths = rng.standard_normal((3, 6, 3))
    found = interior_distances(torch.tensor(paths), torch.tensor(reference), pairs)
    for path, pair, value in zip(paths, pairs, found, strict=True):
        others = np.delete(reference, pair, axis=0)
        expected = np.mean([np.linalg.norm(others - point, axis=1).min() for point in path[1:-1]])
        assert value == pytest.approx(expected, rel=1e-9)
