"""Coverage, holes and diversity: Naeem's nulls, brute force, and the nulls of a linear-Gaussian model."""

import dataclasses

import numpy as np
import pytest
import torch

from bench.analysis.stats import coverage_null
from bench.evaluate.control_models import constant, generator_of, lookup, pca, real
from bench.evaluate.neighbours import nearest, neighbours_within, radii
from bench.losses import ReconstructionCost
from bench.metrics.coverage import Coverage
from bench.metrics.functional.cycles import exceedance
from bench.metrics.functional.manifold import manifold_scores
from bench.metrics.holes import Holes

SQUARED = ReconstructionCost("squared")


def sample(n, d, seed, shift=0.0):
    return torch.tensor(np.random.default_rng(seed).standard_normal((n, d)) + shift).float()


def brute_force_scores(real, fake, k):
    """The four definitions, one pair of points at a time."""
    real, fake = real.double().numpy(), fake.double().numpy()

    def reach(points, i):
        return sorted(np.linalg.norm(points[i] - points[j]) for j in range(len(points)) if j != i)[k - 1]

    real_reach = [reach(real, i) for i in range(len(real))]
    fake_reach = [reach(fake, j) for j in range(len(fake))]
    distance = [[np.linalg.norm(x - y) for y in fake] for x in real]
    N, M = len(real), len(fake)
    inside = [[distance[i][j] < real_reach[i] for j in range(M)] for i in range(N)]
    return (
        sum(any(inside[i][j] for i in range(N)) for j in range(M)) / M,
        sum(any(distance[i][j] < fake_reach[j] for j in range(M)) for i in range(N)) / N,
        sum(inside[i][j] for i in range(N) for j in range(M)) / (k * M),
        sum(any(inside[i]) for i in range(N)) / N,
    )


@pytest.mark.parametrize("k", [1, 3, 5])
def test_manifold_scores_against_brute_force(k):
    real, fake = sample(30, 3, 0), sample(41, 3, 1, shift=0.5)
    scores = manifold_scores(real, fake, k)
    expected = brute_force_scores(real, fake, k)
    assert (scores.precision, scores.recall, scores.density, scores.coverage) == pytest.approx(expected, abs=1e-6)


def test_manifold_scores_against_prdc():
    prdc = pytest.importorskip("prdc")
    real, fake = sample(200, 4, 0), sample(150, 4, 1, shift=0.3)
    theirs = prdc.compute_prdc(real.numpy(), fake.numpy(), nearest_k=5)
    ours = manifold_scores(real, fake, 5)
    for name, value in theirs.items():
        assert getattr(ours, name) == pytest.approx(float(value), abs=1e-5), name


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_fake_that_is_not_finite_lies_in_no_ball_and_holds_nothing(value):
    real, fake = sample(60, 3, 0), sample(50, 3, 1)
    alone = manifold_scores(real, fake, 3)
    broken = torch.cat([fake, torch.full((10, 3), value), torch.tensor([[0.0, value, 0.0]])])
    scores = manifold_scores(real, broken, 3)
    assert (scores.recall, scores.coverage) == (alone.recall, alone.coverage)
    assert scores.precision == pytest.approx(alone.precision * 50 / 61)
    assert scores.density == pytest.approx(alone.density * 50 / 61)
    nothing = manifold_scores(real, torch.full((10, 3), value), 3)
    assert (nothing.precision, nothing.recall, nothing.density, nothing.coverage) == (0, 0, 0, 0)


def test_nulls_of_coverage_and_density():
    assert coverage_null(10**6, 10**6) == pytest.approx(0.969, abs=5e-4)
    scores = [manifold_scores(sample(400, 5, seed), sample(300, 5, seed + 100)) for seed in range(20)]
    coverage = np.array([score.coverage for score in scores])
    density = np.array([score.density for score in scores])
    assert coverage.mean() == pytest.approx(coverage_null(400, 300), abs=4 * coverage.std() / 20**0.5)
    assert density.mean() == pytest.approx(1, abs=4 * density.std() / 20**0.5)


def test_neighbours_agree_with_sklearn_in_any_chunk_size(monkeypatch):
    from sklearn.neighbors import NearestNeighbors

    points, queries = sample(300, 6, 0, shift=20.0), sample(70, 6, 1, shift=20.0)
    distances, indices = (
        NearestNeighbors(n_neighbors=4).fit(points.double().numpy()).kneighbors(queries.double().numpy())
    )
    for chunk in (2**24, 1000):
        monkeypatch.setattr("bench.evaluate.neighbours.CHUNK_NUMBERS", chunk)
        found, where = nearest(queries, points, 4)
        assert np.array_equal(where.numpy(), indices)
        assert found.numpy() == pytest.approx(distances, rel=1e-4)
    own, _ = neighbours_within(points, 3)
    assert own.numpy() == pytest.approx(
        NearestNeighbors(n_neighbors=3).fit(points.double().numpy()).kneighbors()[0], rel=1e-4
    )
    assert radii(points, 3).numpy() == pytest.approx(
        own[:, -1].numpy(), rel=1e-3
    )  # without recomputing from differences


def test_excluded_rows_are_no_neighbours():
    points = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    distances, indices = nearest(torch.tensor([[0.1]]), points, 1, exclude=torch.tensor([[0, 1]]))
    assert indices.tolist() == [[2]]
    assert distances.item() == pytest.approx(2.9)


def test_linear_gaussian_holes_have_their_null_values(toolbox, gaussian_split):
    """vp and fit .05, the prior calibrated on posterior draws .05, midpoints below .01 (metrics.md, section 2)."""
    measured = toolbox.evaluate(toolbox.linear_vae(0.05, latent_dim=4), gaussian_split, Holes())
    for source in ("vp", "fit", "prior"):
        # threshold from 2,000 held-out codes and 4,096 draws: standard error about .006
        assert measured[f"hole_fraction_{source}"].value == pytest.approx(0.05, abs=0.02), source
    assert measured["hole_fraction_seg"].value < 0.01


def test_prior_holes_calibrated_on_means_would_be_biased(toolbox, gaussian_split):
    """Why the prior's threshold comes from posterior draws: means understate c."""
    from bench.metrics.functional.cycles import cycle_errors, reference_errors

    view = toolbox.view(toolbox.linear_vae(0.25, latent_dim=4), gaussian_split)
    errors = cycle_errors(view, "prior")
    on_draws = exceedance(errors, reference_errors(view, "prior"), 0)
    on_means = exceedance(errors, reference_errors(view, "fit"), 0)
    assert on_draws == pytest.approx(0.05, abs=0.02)
    assert on_means > on_draws + 0.02


def test_cycle_error_and_diversity_of_the_linear_optimum(toolbox, gaussian_split):
    s2, ell = 0.25, toolbox.eigenvalues[:4]
    measured = toolbox.evaluate(toolbox.linear_vae(s2, latent_dim=4), gaussian_split, Holes())
    expected = ((ell - s2) * (s2 / ell) ** 2).sum() / (ell - s2).sum()
    cycle = measured["cycle_error_prior"]
    assert cycle.value == pytest.approx(expected, abs=4 * cycle.error + 0.01 * expected)
    spread = measured["diversity_prior"]
    assert spread.value == pytest.approx((ell - s2).sum() / toolbox.eigenvalues.sum(), abs=4 * spread.error)
    # N(m, S) of the means shrinks each direction by (l - s²)/l
    fitted = ((ell - s2) ** 2 / ell).sum() / toolbox.eigenvalues.sum()
    assert measured["diversity_fit"].value == pytest.approx(fitted, abs=4 * measured["diversity_fit"].error)


def test_pca_has_no_cycle_error_and_no_holes(toolbox, gaussian_split):
    measured = toolbox.evaluate(pca(gaussian_split, 3, SQUARED), gaussian_split, Holes())
    for source in ("seg", "vp", "fit"):
        assert measured[f"hole_fraction_{source}"].value == 0
    assert measured["cycle_error_fit"].value < 1e-6
    assert measured["hole_fraction_prior"].status == "n/a"
    assert "prior" in measured["hole_fraction_prior"].reason


def test_controls_score_as_they_must(toolbox, digits_split, digits_shared):
    null = coverage_null(360, 359)
    best = toolbox.evaluate(real(digits_split, 4, SQUARED), digits_split, Coverage(), shared=digits_shared)
    assert best["coverage_prior"].value == pytest.approx(null, abs=0.03)
    assert best["recall_prior"].value > 0.95
    assert best["coverage_fit"].status == "n/a"
    for name in ("coverage", "recall", "coverage_recall"):
        assert best[f"{name}_prior"].value == pytest.approx(best[f"{name}_real"].value, abs=0.03), name
    c, r = best["coverage_real"].value, best["recall_real"].value
    assert best["coverage_recall_real"].value == pytest.approx(2 * c * r / (c + r))
    worst = toolbox.evaluate(
        constant(digits_split, 4, SQUARED), digits_split, Coverage(), Holes(), shared=digits_shared
    )
    assert worst["recall_fit"].value == 0
    assert worst["coverage_recall_fit"].value == 0 and worst["coverage_recall_fit"].status == "flagged"
    assert worst["coverage_fit"].value < 0.3
    assert worst["diversity_fit"].value < 1e-6
    assert worst["cycle_error_fit"].value is None  # never a perfect 0
    memory = toolbox.evaluate(lookup(digits_split, 4, SQUARED), digits_split, Coverage(), shared=digits_shared)
    assert memory["coverage_fit"].value > 0.7


def test_monte_carlo_error_is_the_spread_over_evaluations(toolbox, gaussian_split):
    """The stated error of one evaluation against the spread over other draws of the same source."""
    model = toolbox.linear_vae(0.25, latent_dim=4)
    split = dataclasses.replace(gaussian_split, test=gaussian_split.test[:200])
    view = toolbox.view(model, split)
    from bench.metrics.functional.replicated import replicated_scores

    real_rows = view.test.flat
    reach = radii(real_rows, 5)
    runs = []
    for seed in range(12):
        fake = view.decode(torch.randn(2000, 4, generator=torch.Generator().manual_seed(seed)))
        runs.append(replicated_scores(real_rows, fake, reach))
    for name in ("coverage", "recall"):
        spread = np.std([run[name].value for run in runs], ddof=1)
        stated = np.mean([run[name].error for run in runs])
        assert 0.5 < stated / spread < 2  # 12 runs: the sample deviation is within a factor of 1.6 at 99 %


def test_averages_of_images_cover_more_than_images_do_and_are_flagged(toolbox, digits_split):
    """Means of ten training images lie in more balls than real images; the harmonic mean is not deceived."""
    rows = torch.as_tensor(digits_split.train).flatten(1)
    test = torch.as_tensor(digits_split.test).flatten(1)
    averages = rows[nearest(test, rows, 10, exact=False)[1]].mean(1)
    model = generator_of("averages", averages, digits_split, 4, SQUARED)
    measured = toolbox.evaluate(model, digits_split, Coverage())
    assert measured["coverage_prior"].value > measured["coverage_real"].value
    assert measured["coverage_prior"].higher_is_better is None and "real held-out" in measured["coverage_prior"].reason
    assert measured["coverage_recall_prior"].value < measured["coverage_recall_real"].value - 0.1
