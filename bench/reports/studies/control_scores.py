"""The scores that control models must have: what every metric is held to on models whose right answer is known.

python -m bench.reports.reference.control_table RUN... > results/reference/controls.md
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench.analysis.stats import coverage_null

Values = Mapping[str, float | None]
#: What a bound may depend on: the control's own values (None: without a number), and the counts of the data.
Bound = Callable[[Values, Mapping[str, int]], tuple[float, float] | None]


@dataclass(frozen=True)
class Score:
    """One required score.

    Attributes:
        control: its name after "control:".
        metric: whose value is held to it.
        text: the score in words, e.g. "1 ± 0.05".
        why: where it comes from.
        bound: (low, high), inclusive; None where another value that it depends on is missing.
        without: the metric must have no number: there is nothing to measure, and 0 or 1 would be read as a score.
    """

    control: str
    metric: str
    text: str
    why: str
    bound: Bound
    without: bool = False

    def met(self, values: Values, counts: Mapping[str, int]) -> bool | None:
        """Whether `values` have this score; None where it cannot be told.

        Args:
            values: metric → number, or None where the metric has none; a metric that was not asked for is absent.
            counts: n_test, n_validation, latent_dim.
        """
        if self.metric not in values:
            return None
        value = values[self.metric]
        if self.without:
            return value is None
        bound = self.bound(values, counts)
        if bound is None:
            return None
        return value is not None and bound[0] <= value <= bound[1]


def _within(low: float, high: float) -> Bound:
    return lambda values, counts: (low, high)


def _near(target: float, slack: float) -> Bound:
    return _within(target - slack, target + slack)


def _like(other: str, share: float = 0.0, slack: float = 1e-6, factor: float = 1.0) -> Bound:
    """Equal to `factor` times another metric of the same control, up to a share of it and a slack."""

    def bound(values: Values, counts: Mapping[str, int]) -> tuple[float, float] | None:
        target = values.get(other)
        if target is None:
            return None
        width = share * abs(target) + slack
        return factor * target - width, factor * target + width

    return bound


def _null_coverage(slack: float) -> Bound:
    def bound(values: Values, counts: Mapping[str, int]) -> tuple[float, float]:
        null = coverage_null(counts["n_test"], counts.get("n_validation", counts["n_test"]))
        return null - slack, null + slack

    return bound


def _nothing(control: str, metric: str, why: str) -> Score:
    return Score(control, metric, "no number", why, _within(0, 0), without=True)


_MEAN = "the training mean is what explained variance is measured against"
_COLLAPSED = "it ignores its code"
_LINEAR = "a linear decoder turns straight lines into straight lines at an even pace"
_REAL = "it draws real data"
_SELF = "it is the cross-fade that the score is relative to"
_IDENTITY = "code and data are the same"

SCORES: tuple[Score, ...] = (
    Score("constant", "test_fvu", "1 ± 0.05", _MEAN, _near(1, 0.05)),
    Score("constant", "collapsed", "1", _COLLAPSED, _near(1, 0)),
    Score("constant", "energy_fit", "1", "it is what the distance is relative to", _near(1, 0.01)),
    Score("constant", "energy_prior", "1", "it is what the distance is relative to", _near(1, 0.01)),
    Score("constant", "blurred", "1", _COLLAPSED, _near(1, 0)),
    Score("constant", "active_units", "0", _COLLAPSED, _near(0, 0)),
    Score("constant", "kl_total", "0", "q(z|x) is the prior", _near(0, 1e-6)),
    Score("constant", "signal_fraction_mean", "0", _COLLAPSED, _near(0, 1e-6)),
    Score("constant", "diversity_fit", "0", _COLLAPSED, _near(0, 1e-6)),
    Score("constant", "diversity_prior", "0", _COLLAPSED, _near(0, 1e-6)),
    Score("constant", "recall_fit", "0", "balls around equal points are empty", _near(0, 0)),
    Score("constant", "recall_prior", "0", "balls around equal points are empty", _near(0, 0)),
    _nothing("constant", "cycle_error_fit", "relative to the variance of what was decoded, which is 0"),
    _nothing("constant", "interp_unevenness", "a path that stands still has no pace"),
    Score("constant", "interp_degenerate", "1", "every path stands still", _near(1, 0)),
    Score("constant", "identification_accuracy", "at most 0.01", "all codes are alike: chance", _within(0, 0.01)),
    Score("constant", "mutual_information_high", "0", "q(z|x) does not depend on x", _near(0, 1e-6)),
    Score("constant", "iwae_100", "as iwae_1", "all importance weights are equal", _like("iwae_1", 1e-4, 1e-3)),
    Score("constant", "iwae_5000", "as iwae_1", "all importance weights are equal", _like("iwae_1", 1e-4, 1e-3)),
    Score("constant", "prior_bound", "as iwae_1", "eq. 9 is the evidence lower bound at q = p₀, on the same rows",
          _like("iwae_1", 1e-4, 1e-3)),
    Score("constant", "kid_prior", "as kid_ceiling", "it is the ceiling", _like("kid_ceiling", 0.01)),
    Score("constant", "frechet_prior", "as frechet_ceiling", "it is the ceiling", _like("frechet_ceiling", 0.01)),
    Score("constant", "two_sample_prior", "above 0.9", "one point is told from data", _within(0.9, 1)),
    Score("pca", "collapsed", "0", "L components tell all that L numbers can of a linear model", _near(0, 0)),
    Score("pca", "blurred", "0", "it is what blur is relative to", _near(0, 0)),
    Score("pca", "energy_fit", "between 0 and 1", "a Gaussian of L dimensions is neither the data nor a point",
          _within(0.002, 0.9)),
    Score("pca", "cycle_error_fit", "0", "projecting twice is projecting once", _near(0, 1e-6)),
    Score("pca", "hole_fraction_fit", "0", "no cycle error anywhere", _near(0, 0)),
    Score("pca", "hole_fraction_vp", "0", "no cycle error anywhere", _near(0, 0)),
    Score("pca", "interp_unevenness", "1", _LINEAR, _near(1, 1e-3)),
    Score("pca", "interp_arc_chord", "1", _LINEAR, _near(1, 1e-3)),
    Score("pca", "interp_turning", "0", _LINEAR, _near(0, 0.05)),
    Score("pca", "interp_jump", "0", _LINEAR, _near(0, 1e-3)),
    Score("pca", "knn_accuracy", "as knn_accuracy_pca", "the same code", _like("knn_accuracy_pca", 0, 0.01)),
    Score("pca", "probe_accuracy", "as probe_accuracy_pca", "the same code", _like("probe_accuracy_pca", 0, 0.02)),
    Score("pca", "two_sample_fit", "above 0.5", "a Gaussian of L dimensions is not the data", _within(0.55, 1)),
    Score("lookup", "collapsed", "0", "it decodes real data", _near(0, 0)),
    Score("lookup", "energy_fit", "below 0.1", "it decodes real data", _within(-0.02, 0.1)),
    Score("lookup", "memorisation_fit", "0", "it decodes training data themselves", _near(0, 1e-3)),
    Score("lookup", "coverage_fit", "above 0.5", "training data cover held-out data", _within(0.5, 1)),
    Score("random-encoder", "test_fvu", "above 0.5", "a random code of few dimensions", _within(0.5, 1.05)),
    Score("random-encoder", "collapsed", "0", "a random code is no good one, but it tells of the data", _near(0, 0)),
    Score("random-encoder", "interp_unevenness", "1", _LINEAR, _near(1, 1e-3)),
    Score("random-encoder", "interp_turning", "0", _LINEAR, _near(0, 0.05)),
    _nothing("real", "test_mse", "it has no encoder"),
    _nothing("real", "coverage_fit", "it has no codes to fit"),
    Score("real", "energy_prior", "0 ± 0.02", _REAL, _near(0, 0.02)),
    Score("real", "energy_prior_classifier", "0 ± 0.03", _REAL, _near(0, 0.03)),
    Score("real", "collapsed", "0", _REAL, _near(0, 0)),
    Score("real", "coverage_prior", "1 - Π(N-i)/(N+M-i), ± 0.04", f"{_REAL}, M rows, each once: the null value",
          _null_coverage(0.04)),
    Score("real", "coverage_recall_prior", "as coverage_recall_real", _REAL, _like("coverage_recall_real", 0.02)),
    Score("real", "recall_prior", "above 0.9", _REAL, _within(0.9, 1)),
    Score("real", "precision_prior", "above 0.9", _REAL, _within(0.9, 1)),
    # MNIST misses this one: 5,000 of its training images score 1.005 against 5,000 others and .909 against 5,000 test
    # images, which other people wrote.
    Score("real", "density_prior", "1 ± 0.1", f"{_REAL}: the null value of density where the split is random (between "
          "MNIST's training images it is 1.005, from them to its test images of other writers 0.909)", _near(1, 0.1)),
    Score("real", "diversity_prior", "1 ± 0.1", _REAL, _near(1, 0.1)),
    Score("real", "two_sample_prior", "0.5 ± 0.07", f"{_REAL}: chance", _near(0.5, 0.07)),
    Score("real", "realism_prior", "1 ± 0.1", f"{_REAL}, to which it is relative", _near(1, 0.1)),
    Score("real", "memorisation_prior", "1 ± 0.1", "new data are as far from training data as held-out data are",
          _near(1, 0.1)),
    Score("cross-fade", "test_mse", "0", _IDENTITY, _near(0, 1e-9)),
    Score("cross-fade", "interp_realism", "1", _SELF, _near(1, 1e-3)),
    Score("cross-fade", "interp_excess_classifier", "1", _SELF, _near(1, 1e-3)),
    Score("cross-fade", "interp_unevenness", "1", _SELF, _near(1, 1e-3)),
    Score("cross-fade", "interp_arc_chord", "1", _SELF, _near(1, 1e-3)),
    Score("cross-fade", "interp_turning", "0", _SELF, _near(0, 0.05)),
    Score("cross-fade", "trustworthiness", "1", _IDENTITY, _near(1, 1e-4)),
    Score("cross-fade", "continuity", "1", _IDENTITY, _near(1, 1e-4)),
    Score("cross-fade", "knn_accuracy", "as knn_accuracy_pixels", _IDENTITY, _like("knn_accuracy_pixels", 0, 1e-6)),
    Score("cross-fade", "probe_accuracy", "as probe_accuracy_pixels", _IDENTITY,
          _like("probe_accuracy_pixels", 0, 0.01)),
)  # fmt: skip
