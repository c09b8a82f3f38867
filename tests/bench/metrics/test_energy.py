"""Energy distance: brute force, the closed form of two normals, unbiasedness, and the scale from real to constant."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch

from bench.contracts.metric import Estimate, Flagged, Missing
from bench.evaluate.control_models import constant, generator_of, real
from bench.evaluate.neighbours import Reference
from bench.losses import ReconstructionCost
from bench.metrics.energy import Energy
from bench.metrics.functional.energy import energy_distance, mean_distances, own_distances
from bench.metrics.functional.real_reference import beyond_real

SQUARED = ReconstructionCost("squared")


def normal(n, d, seed, shift=0.0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed)) + shift


def brute_force(x, y):
    def mean(pairs):
        return float(np.mean([np.linalg.norm(a - b) for a, b in pairs]))

    x, y = x.double().numpy(), y.double().numpy()
    return 2 * mean(itertools.product(x, y)) - mean(itertools.combinations(x, 2)) - mean(itertools.combinations(y, 2))


def own(points):
    return float(own_distances(points).mean())


@pytest.mark.parametrize("chunk", [2**21, 64])
def test_against_brute_force_in_any_chunk_size(monkeypatch, chunk):
    monkeypatch.setattr("bench.evaluate.neighbours.CHUNK_NUMBERS", chunk)
    x, y = normal(23, 3, 0), normal(31, 3, 1, 0.4)
    value, error = energy_distance(Reference(x), y, own(x))
    assert value == pytest.approx(brute_force(x, y), rel=1e-5)
    assert error > 0


def test_two_normals_in_closed_form():
    """E|N(m, 2)| = 2/√π e^(-m²/4) + m erf(m/2) for differences of unit normals m apart."""
    m = 1.5
    across = 2 / math.sqrt(math.pi) * math.exp(-(m**2) / 4) + m * math.erf(m / 2)
    expected = 2 * across - 4 / math.sqrt(math.pi)
    x, y = normal(4000, 1, 0), normal(4000, 1, 1, m)
    value, error = energy_distance(Reference(x), y, own(x))
    assert value == pytest.approx(expected, abs=4 * 2**0.5 * error)


def test_it_is_unbiased_in_blocks_too_and_its_error_is_that_over_fakes():
    """Over many samples the mean is that of the law, given the real sample; the spread is the stated error."""
    x = normal(200, 2, 0)
    reference, real_own = Reference(x), own(x)
    for block in (None, 20):
        found = [energy_distance(reference, normal(80, 2, seed), real_own, block) for seed in range(1, 61)]
        values, errors = np.array(found).T
        given = (
            float(2 * mean_distances(normal(20000, 2, 99), reference).mean())
            - real_own
            - 2 * math.sqrt(math.pi / 4) * 1
        )
        assert values.mean() == pytest.approx(given, abs=4 * values.std() / 60**0.5 + 0.02)
        assert 0.6 < errors.mean() / values.std() < 1.6


def test_blocks_leave_no_point_alone():
    points = normal(41, 2, 0)
    for block in (1, 2, 10, 20, 40, 41, 100):
        found = own_distances(points, block)
        assert found.shape == (41,) and bool(torch.isfinite(found).all()), block


def test_a_degenerate_sample_has_no_distance_of_its_own():
    assert own(torch.full((30, 4), 3.7)) == 0


def test_real_data_score_0_and_a_constant_1(toolbox, digits_split, digits_shared):
    measured = {
        make.__name__: toolbox.evaluate(make(digits_split, 4, SQUARED), digits_split, Energy(), shared=digits_shared)
        for make in (constant, real)
    }
    for suffix in ("", "_classifier"):
        assert measured["constant"][f"energy_prior{suffix}"].value == pytest.approx(1, abs=1e-3)
        assert measured["real"][f"energy_prior{suffix}"].value == pytest.approx(0, abs=0.02)
        reference = measured["constant"][f"energy_real{suffix}"].value
        assert measured["real"][f"energy_prior{suffix}"].value == pytest.approx(reference, abs=1e-6)
        assert measured["constant"][f"energy_prior{suffix}"].status == "flagged"  # collapsed


def test_copies_of_the_held_out_rows_are_flagged(toolbox, digits_split, digits_shared):
    copied = torch.as_tensor(digits_split.test).flatten(1)[:180]
    model = generator_of("copies", copied, digits_split, 4, SQUARED)
    narrow = dataclasses.replace(digits_split, test=digits_split.test[:180], test_labels=digits_split.test_labels[:180])
    found = toolbox.evaluate(model, narrow, Energy())["energy_prior"]
    assert found.status == "flagged" and found.value < -0.005


def test_what_is_better_than_real_beyond_noise_is_flagged():
    real_score = Estimate(0.9, 0.01)
    assert isinstance(beyond_real(Estimate(0.95, 0.01), real_score, True), Flagged)
    assert isinstance(beyond_real(Estimate(0.85, 0.01), real_score, False), Flagged)
    for better in (0.91, 0.92):
        assert isinstance(beyond_real(Estimate(better, 0.01), real_score, True), Estimate)
    assert isinstance(beyond_real(Estimate(0.5, 0.01), real_score, True), Estimate)
    missing = Missing("none")
    assert beyond_real(missing, real_score, True) is missing
    assert beyond_real(Estimate(2.0, 0.1), missing, True).value == 2.0
