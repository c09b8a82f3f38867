"""Distances between decodes and held-out data in the features of the data set's own classifier.

KID: unbiased MMD² with kernel (x·y/f + 1)³ (arXiv 1801.01401). Fréchet distance of the two normal fits: biased upwards
by an amount that depends on the model (arXiv 1911.07023), so it comes with its floor (validation rows, which the
classifier was not trained on, against test rows) and its ceiling (the constant decoder). The classifier never sees
model outputs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from bench.contracts.metric import Estimate, Metric, Missing, Value, each
from bench.contracts.view import View
from bench.evaluate.feature_spaces import FeatureSpace, feature_space, space_features
from bench.evaluate.reference_data import SharedData
from bench.metrics.functional.frechet import frechet_distance
from bench.metrics.functional.mmd import cubic_polynomial, mmd_squared, own_sums

#: Most replicates of as many decodes as held-out rows.
REPLICATES = 30
#: What distances are bounded by: what it is in summaries, and in formulas.
BOUNDS = {
    "floor": ("validation to test rows, neither of which the classifier was trained on", "validation"),
    "ceiling": ("the constant decoder to held-out data", "the training mean"),
}


class DistributionDistance(Metric):
    """Kernel and Fréchet distance of decodes to held-out data, with floor and ceiling."""

    family = "generation"
    values = each(
        *each(
            Value(
                "kid_{source}",
                "Kernel distance of decodes of {source} to held-out data, classifier features.",
                False,
                formula="unbiased MMD^2, k = (x.y/f + 1)^3",
                sees=("blur", "classes", "contrast", "duplicates", "shift"),
            ),
            source=("fit", "mixture", "prior"),
        ),
        *each(
            Value(
                "frechet_{source}",
                "Frechet distance of decodes of {source} to held-out data, classifier features.",
                False,
                range="[0, inf)",
                formula="|m1-m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2))",
            ),
            source=("fit", "mixture", "prior"),
        ),
        *each(
            Value(
                "kid_{bound}", "Kernel distance of {bound}.", None, formula="unbiased MMD^2 of {bound} and test rows"
            ),
            bound=BOUNDS,
        ),
        *each(
            Value("frechet_{bound}", "Frechet distance of {bound}.", None, formula="of {bound} and test rows"),
            bound=BOUNDS,
            range="[0, inf)",
        ),
        needs=("labels",),
    )

    def compute(self, view: View, rng: np.random.Generator) -> dict[str, Any]:
        """Distances by source, and the data's own floor and ceiling."""
        space = feature_space(view.shared, "classifier")
        if isinstance(space, Missing):
            return {value.name: space for value in self.values}
        real = space_features(view.shared, space, "test")
        few = _too_few(len(real), real.shape[1])
        if few is not None:
            return {value.name: few for value in self.values}
        results = dict(view.shared.once("distance bounds", lambda: _bounds(view.shared, space)))
        for source in dict.fromkeys(("fit", "mixture", "prior", *view.samplers)):
            if (missing := view.lacks_source(source)) is None:
                features = view.source_features(source, space)
                missing = _too_few(len(features), real.shape[1])
            pair = (missing, missing) if missing else _distances(view.shared, features, real)
            results[f"kid_{source}"], results[f"frechet_{source}"] = pair
        return results


def _too_few(n: int, width: int) -> Missing | None:
    if n > width:
        return None
    return Missing(f"{n} rows are too few for the covariance of {width} features", "too_few")


def _distances(shared: SharedData, features: Tensor, real: Tensor) -> tuple[Estimate, Estimate]:
    """Both distances of features (M, f) to real (N, f), averaged over at most 30 disjoint replicates of min(M, N) rows.

    Where there is one replicate only, the error is that of the kernel estimator, and the spread over fifths.
    """
    real = real[: len(features)]
    parts = [part for part in features.split(len(real)) if len(part) == len(real)][:REPLICATES]
    sums = shared.once(("kernel sums", len(real)), lambda: own_sums(real, cubic_polynomial))
    kernel = [mmd_squared(part, real, cubic_polynomial, sums) for part in parts]
    frechet = np.array([frechet_distance(part, real) for part in parts])
    if len(parts) > 1:
        values = np.array([value for value, _ in kernel])
        errors = (values.std(ddof=1) / len(parts) ** 0.5, frechet.std(ddof=1) / len(parts) ** 0.5)
        return Estimate(float(values.mean()), float(errors[0])), Estimate(float(frechet.mean()), float(errors[1]))
    fifths = [frechet_distance(part, real) for part in parts[0].chunk(5)]
    return Estimate(*kernel[0]), Estimate(float(frechet[0]), float(np.std(fifths, ddof=1)) / 5**0.5)


def _bounds(shared: SharedData, space: FeatureSpace) -> dict[str, Any]:
    real, test = (space_features(shared, space, part) for part in ("validation", "test"))
    mean = space(shared.train_mean[None]).expand(len(test), -1)
    bounds: dict[str, Any] = {}
    for name, sample in (("floor", real), ("ceiling", mean)):
        few = _too_few(len(sample), test.shape[1])
        pair = (few, few) if few else _distances(shared, sample, test)
        bounds[f"kid_{name}"], bounds[f"frechet_{name}"] = pair
    return bounds
