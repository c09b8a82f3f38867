"""Classifier two-sample test and memorisation: can decodes be told from new data, and are they copies of training data?

The classifier is a small network on 50 principal components, trained on half of decodes and held-out data and tested on
the other half, both ways round; accuracy .5 means that they cannot be told apart. Memorisation compares distances to
the nearest training and nearest test datum, relative to the same ratio for validation data: 1 for new data, 0 for
copies.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.contracts.metric import Estimate, Metric, Missing, Value, each
from bench.contracts.view import View
from bench.evaluate.feature_spaces import feature_space, space_features
from bench.evaluate.reference_data import SharedData
from bench.metrics.functional.two_samples import classifier_two_sample, nearest_ratio

LEAST_ROWS = 100
DECODES = 2000


class TwoSample(Metric):
    """Classifier two-sample accuracy and nearest-train/nearest-test ratio by latent source."""

    family = "generation"
    values = (
        *each(
            Value(
                "two_sample_{source}",
                "Accuracy of a classifier that tells decodes of {source} from held-out data; 0.5 is best.",
                None,
                target=0.5,
                range="[0, 1]",
                formula="cross-fitted accuracy on 50 principal components, as many decodes as test rows",
            ),
            source=("fit", "mixture", "prior"),
        ),
        *each(
            Value(
                "memorisation_{source}",
                "Nearest-train/nearest-test distance of decodes of {source}, relative to new data; 0: copied.",
                None,
                range="[0, inf)",
                formula="[E d(y, train) / E d(y, test)] / the same for validation rows, pixel space",
            ),
            source=("fit", "mixture", "prior"),
        ),
    )

    def compute(self, view: View, rng: np.random.Generator) -> dict[str, Any]:
        """Both scores of every source."""
        space = feature_space(view.shared, "pca")
        assert not isinstance(space, Missing)  # all data have principal components
        few = Missing(f"{len(view.test)} held-out rows are fewer than {LEAST_ROWS}", "too_few")
        null = view.shared.once("memorisation null", lambda: _null(view.shared))
        results: dict[str, Any] = {}
        for source in dict.fromkeys(("fit", "mixture", "prior", *view.samplers)):
            missing = view.lacks_source(source) or (few if len(view.test) < LEAST_ROWS else None)
            results[f"two_sample_{source}"] = missing or classifier_two_sample(
                view.source_features(source, space),
                space_features(view.shared, space, "test"),
                view.shared.generator("two sample"),
            )
            results[f"memorisation_{source}"] = missing or _memorisation(view, source, null)
        return results


def _null(shared: SharedData) -> Estimate | Missing:
    rows = shared.rows("validation").flat[:DECODES]
    if len(rows) < 20:
        return Missing("memorisation is relative to validation rows, and there are fewer than 20", "too_few")
    return nearest_ratio(rows, shared.rows("train").flat, shared.rows("test").flat)


def _memorisation(view: View, source: str, null: Estimate | Missing) -> Estimate | Missing:
    if isinstance(null, Missing):
        return null
    ratio = nearest_ratio(view.decoded(source)[:DECODES], view.rows("train").flat, view.test.flat)
    if isinstance(ratio, Missing):
        return ratio
    if null.value <= 0:
        return Missing("validation rows are copies of training rows, so copies cannot be told from new data")
    return Estimate(ratio.value / null.value, None if ratio.error is None else ratio.error / null.value)
