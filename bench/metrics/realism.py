"""Realism of decoded samples: distance to the nearest held-out datum relative to that of real data.

In the data set's own classifier features, since pixel distance rewards blur: for 50-d Gaussians the mean is nearer to
the data than the data are to each other. For the same reason a value below 1 is flagged. Real data are held-out rows
against all other held-out rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.contracts.metric import Estimate, Flagged, Metric, Missing, Value, each
from bench.contracts.view import View
from bench.evaluate.feature_spaces import feature_space, space_features
from bench.evaluate.neighbours import nearest, radii
from bench.metrics.functional.interpolations import realism_values

LEAST_ROWS = 20


class Realism(Metric):
    """Distance of decodes and of interpolation paths to held-out data, in classifier features."""

    family = "generation"
    values = each(
        *each(
            Value(
                "realism_{source}",
                "Distance of decodes of {source} to the nearest held-out datum, relative to real data's.",
                None,
                formula="E dist(y, nearest datum) / E dist(x, nearest other datum), classifier features",
            ),
            source=("fit", "mixture", "prior"),
        ),
        *each(
            Value("interp_realism_classifier{pair}", "As interp_realism, {pair}.", None, needs=("encode", "decode")),
            pair={
                "": "in the features of the data set's own classifier",
                "_same": "for pairs of one class, in the features of the data set's own classifier",
                "_cross": "for pairs of two classes, in the features of the data set's own classifier",
            },
            formula="E dist(path, nearest other datum) / E dist(cross-fade, nearest other datum), classifier features",
        ),
        range="[0, inf)",
        needs=("labels",),
    )

    def compute(self, view: View, rng: np.random.Generator) -> dict[str, Any]:
        """Ratios by latent source, and of interpolation paths."""
        space = feature_space(view.shared, "classifier")
        few = Missing(f"{len(view.test)} held-out rows are fewer than {LEAST_ROWS}", "too_few")
        missing = space if isinstance(space, Missing) else few if len(view.test) < LEAST_ROWS else None
        if missing is not None or isinstance(space, Missing):
            return {value.name: missing for value in self.values}
        real = space_features(view.shared, space, "test")
        reference = view.shared.once(("own distance", space.name), lambda: float(radii(real, 1).mean()))
        results: dict[str, Any] = {}
        for source in dict.fromkeys(("fit", "mixture", "prior", *view.samplers)):
            results[f"realism_{source}"] = view.lacks_source(source) or _ratio(
                nearest(view.source_features(source, space), real)[0], reference
            )
        if view.lacks("encode") is None:
            results |= realism_values(view, "interp_realism_classifier", space)
        return results


def _ratio(distances, reference: float) -> Estimate | Flagged | Missing:
    if reference <= 0:
        return Missing("held-out data coincide in the classifier's features")
    ratio = float(distances.double().mean()) / reference
    error = float(distances.double().std()) / len(distances) ** 0.5 / reference
    if ratio + 2 * error < 1:
        return Flagged(ratio, "nearer to held-out data than these are to each other: averaged or copied samples", error)
    return Estimate(ratio, error)
