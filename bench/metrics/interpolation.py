"""Interpolation between held-out codes: γₖ = Θ(lerp(a, b, k/K)), K = 16, over 1,000 pairs that all models share.

The primary pair is unevenness U = 1 + CV²(step lengths) in [1, K], and the excess: how much further from other held-out
data (the pair's own two left out) the path's interior is than its own decoded ends, in units of the same for the
cross-fade of x_a and x_b. 0 is as near to data as the ends, 1 as far as a cross-fade; blur cancels. It is measured in
pixels and in features (the data set's own classifier; random convolutions for images without classes), and n/a in a
space that does not see even the cross-fade leave the data. The plain ratio of distances, path / cross-fade, is
descriptive: an averaging decoder has a lower one than real images. Arc/chord ratio, turning and jump are descriptive,
since a cross-fade is perfectly straight.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.contracts.metric import Metric, Missing, Value, each
from bench.contracts.view import View
from bench.evaluate.feature_spaces import FeatureSpace, feature_space
from bench.metrics.functional.interpolations import excess_values, geometry_values, realism_values, true_distance


class Interpolation(Metric):
    """Geometry and realism of linear interpolation, over all pairs and within and across classes."""

    family = "interpolation"
    values = each(
        Value(
            "interp_unevenness",
            "How unevenly the decoded path advances: 1 is an even pace, 16 a single jump.",
            False,
            range="[1, 16]",
            formula="1 + CV^2 of the 16 step lengths, mean over pairs with distinct ends",
            primary=True,
            # U - 1 is the squared relative spread of the steps: 5 % of it is 2.5 % of that spread.
            smallest_effect=0.05,
        ),
        *each(
            Value(
                "interp_excess",
                "How much further from other data a path is than its own decoded ends, in pixels; 1: as a cross-fade.",
                False,
                needs=("path",),
                sees=("averaging", "crossfade"),
            ),
            Value(
                "interp_excess_classifier",
                "As interp_excess, in the features of the data set's own classifier.",
                False,
                needs=("labels", "path"),
                sees=("crossfade",),
            ),
            Value(
                "interp_excess_randconv",
                "As interp_excess, in random-convolution features, for images without classes.",
                False,
                needs=("images", "path"),
            ),
            formula="E[dist(interior) - dist(own ends)] / the same for the cross-fade, dist to nearest other datum",
            primary=True,
            # A fiftieth of what a cross-fade adds; the means of 3 and of 10 real images are .04 apart on lines.
            smallest_effect=0.02,
        ),
        *each(
            Value(
                "interp_excess_{pair}",
                "As interp_excess, for pairs of {pair}.",
                False,
                formula="E[dist(interior) - dist(own ends)] / the same for the cross-fade",
                needs=("path",),
                smallest_effect=0.02,
            ),
            pair=("same", "cross"),
        ),
        Value(
            "interp_true_distance",
            "Distance of the path's interior to the data's true manifold.",
            False,
            range="[0, inf)",
            formula="E dist(interior, nearest noise-free point)",
            needs=("manifold", "path"),
            primary=True,
            # As of the excess, which stands for this distance where it is not known: a fiftieth.
            smallest_effect=0.02,
            sees=("averaging", "crossfade"),
        ),
        Value(
            "interp_realism",
            "Distance of the path's interior to other held-out data, relative to a pixel cross-fade; rewards blur.",
            None,
            range="[0, inf)",
            formula="E dist(path, nearest other datum) / E dist(cross-fade, nearest other datum), pixel space",
        ),
        *each(
            Value(
                "interp_unevenness_{pair}",
                "As interp_unevenness, for pairs of {pair}.",
                False,
                range="[1, 16]",
                formula="1 + CV^2 of the 16 step lengths",
                smallest_effect=0.05,
            ),
            pair=("same", "cross"),
        ),
        *each(
            Value(
                "interp_realism_{pair}",
                "As interp_realism, for pairs of {pair}.",
                None,
                range="[0, inf)",
                formula="E dist(path, nearest other datum) / E dist(cross-fade, nearest other datum)",
            ),
            pair=("same", "cross"),
        ),
        Value(
            "interp_arc_chord",
            "Length of the decoded path relative to the distance of its ends; 1 is straight.",
            None,
            range="[1, inf)",
            formula="A = sum of steps / ||end - start||",
        ),
        Value(
            "interp_turning",
            "Total angle by which the decoded path turns.",
            None,
            unit="radians",
            range="[0, 15 pi]",
            formula="sum of angles between successive steps, zero steps skipped",
        ),
        Value(
            "interp_jump",
            "Largest step relative to the path's length, less that of an even pace (ACAI's measure).",
            None,
            range="[0, 15/16]",
            formula="max s / sum s - 1/16",
        ),
        Value(
            "interp_degenerate",
            "Share of pairs whose decoded ends coincide, which no other interpolation value counts.",
            None,
            range="[0, 1]",
            formula="P[||end - start||^2 <= 1e-3 * 2 tr Cov(x)]",
        ),
        needs=("encode", "decode"),
        core=True,
    )

    def compute(self, view: View, rng: np.random.Generator) -> dict[str, Any]:
        """All values from the decoded paths; each feature space sees them once."""
        shared = view.shared
        pixels = feature_space(shared, "pixels")
        values = geometry_values(view) | realism_values(view, "interp_realism", pixels)
        values |= excess_values(view, "interp_excess", pixels)
        if view.lacks("labels") is None:
            values |= excess_values(view, "interp_excess_classifier", feature_space(shared, "classifier"))
        if view.lacks("images") is None:
            values |= excess_values(view, "interp_excess_randconv", _without_classes(view))
        if view.lacks("manifold") is None:
            values["interp_true_distance"] = true_distance(view)
        return values


def _without_classes(view: View) -> FeatureSpace | Missing:
    if view.lacks("labels") is None:
        return Missing("the data have classes, whose classifier sees more: interp_excess_classifier")
    return feature_space(view.shared, "randconv")
