"""Downstream use of the code: nearest-neighbour and linear classification, and how well neighbours are kept.

kNN (k = 10) and a multinomial probe on standardised codes μ(x), fitted on at most 10,000 training rows; the probe's
penalty is chosen on validation. Baselines: pixels, the first L principal components and a random linear code.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.contracts.metric import Metric, Missing, Value, each
from bench.contracts.view import View
from bench.evaluate.feature_spaces import principal_components
from bench.evaluate.reference_data import SharedData
from bench.metrics.functional.classify import LabelledCodes, knn_accuracy, probe_accuracy


class Downstream(Metric):
    """Accuracies of two classifiers on codes, and of the same on three baselines."""

    family = "downstream"
    values = (
        *each(
            Value(
                "knn_accuracy",
                "Held-out accuracy of the 10 nearest training codes, after standardising each code dimension.",
                True,
                formula="kNN, k = 10",
                sees=("noise",),
                primary=True,
            ),
            Value(
                "probe_accuracy",
                "Held-out accuracy of a multinomial logistic regression on standardised codes.",
                True,
                formula="softmax regression, L2 penalty chosen on validation",
            ),
            range="[0, 1]",
            # One held-out row in two hundred, about two of digits' 360.
            smallest_effect=0.005,
            needs=("encode", "labels"),
            gauge="dependent",
        ),
        *each(
            Value("{of}_accuracy_{code}", "{of}_accuracy of {code}: a baseline.", None, formula="as {of}_accuracy"),
            code={
                "pixels": "the data themselves",
                "pca": "the first L principal components",
                "random": "a random linear code of L dimensions",
            },
            of={"knn": "knn", "probe": "probe"},
            range="[0, 1]",
            needs=("labels",),
        ),
    )

    def compute(self, view: View, rng: np.random.Generator) -> dict[str, Any]:
        """Accuracies on the model's codes and on the baselines, which are shared by all models of the data set."""
        missing = _unfit(view.shared)
        if missing is not None:
            return {value.name: missing for value in self.values}
        results: dict[str, Any] = dict(
            view.shared.once(("downstream", view.latent_dim), lambda: _baselines(view.shared, view.latent_dim))
        )
        if view.lacks("encode") is None:
            codes = _labelled(view.shared, {part: view.codes(part) for part in _parts(view.shared)})
            results["knn_accuracy"], results["probe_accuracy"] = knn_accuracy(codes), probe_accuracy(codes)
        return results


def _unfit(shared: SharedData) -> Missing | None:
    train, test = shared.rows("train"), shared.rows("test")
    if len(train) < 20 or len(test) == 0:
        return Missing(f"{len(train)} training rows are fewer than 20", "too_few")
    if train.labels is None or len(np.unique(train.labels)) < 2:
        return Missing("the training data have one class only")
    if test.labels is None or len(np.unique(test.labels)) < 2:
        return Missing("the test rows have one class only, in which nothing is told apart")
    return None


def _parts(shared: SharedData) -> list[str]:
    validated = len(shared.rows("validation")) > 0 and shared.rows("validation").labels is not None
    return ["train", "test", *(["validation"] if validated else [])]


def _labelled(shared: SharedData, codes: dict[str, Any]) -> LabelledCodes:
    labels: dict[str, Any] = {part: shared.rows(part).labels for part in codes}
    return LabelledCodes(codes, labels)


def _baselines(shared: SharedData, latent_dim: int) -> dict[str, Any]:
    pca = principal_components(shared)
    weights = shared.normal("random code", shared.dimension, latent_dim)
    maps = {
        "pixels": lambda flat: flat,
        "pca": lambda flat: pca.project(flat, latent_dim),
        "random": lambda flat: (flat - pca.mean) @ weights,
    }
    results: dict[str, Any] = {}
    for name, encode in maps.items():
        codes = _labelled(shared, {part: encode(shared.rows(part).flat) for part in _parts(shared)})
        results[f"knn_accuracy_{name}"] = knn_accuracy(codes)
        results[f"probe_accuracy_{name}"] = probe_accuracy(codes)
    return results
