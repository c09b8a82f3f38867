"""Interpolation between held-out codes: γₖ = Θ(lerp(a, b, k/K)), K = 16, over 1,000 pairs that all models share.

The primary pair is unevenness U = 1 + CV²(step lengths) in [1, K], and the realism ratio: distance of interior points
to the nearest held-out datum other than the two endpoints, over the same for the cross-fade of x_a and x_b, in pixel
space. Arc/chord ratio, turning and jump are descriptive, since a cross-fade is perfectly straight.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.contracts.metric import Metric, Value, each
from bench.contracts.view import View
from bench.metrics.functional.interpolations import geometry_values, realism_values


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
        ),
        Value(
            "interp_realism",
            "Distance of the path's interior to other held-out data, relative to a pixel cross-fade.",
            False,
            range="[0, inf)",
            formula="E dist(path, nearest other datum) / E dist(cross-fade, nearest other datum), pixel space",
            primary=True,
        ),
        *each(
            Value(
                "interp_unevenness_{pair}",
                "As interp_unevenness, for pairs of {pair}.",
                False,
                range="[1, 16]",
                formula="1 + CV^2 of the 16 step lengths",
            ),
            pair=("same", "cross"),
        ),
        *each(
            Value(
                "interp_realism_{pair}",
                "As interp_realism, for pairs of {pair}.",
                False,
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
        """All values from one decode of all paths."""
        return geometry_values(view) | realism_values(view, "interp_realism", "pixels", lambda flat: flat)
