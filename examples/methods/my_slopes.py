"""Slope error: how much of the steepness of a signal its reconstruction misses, which smoothing hardly shows in mse."""

from bench import Metric, Missing, Value


class Slopes(Metric):
    """‖D(x̂-x)‖² over ‖Dx‖², D the differences of neighbours along the last axis."""

    family = "reconstruction"
    values = (
        Value(
            "slope_error",
            "Share of the squared slopes of held-out rows that their reconstructions miss.",
            False,
            range="[0, inf)",
            formula="E|D(decode(mu(x)) - x)|^2 / E|Dx|^2, D differences of neighbours along the last axis",
            needs=("encode", "decode"),
        ),
    )

    def compute(self, view, rng):
        """0 for perfect reconstructions, 1 for flat ones."""
        x = view.test.x.double()  # (N, *data_shape)
        slopes = x.diff(dim=-1)
        if not float(slopes.square().sum()) > 0:
            return {"slope_error": Missing("held-out rows are flat along their last axis")}
        missed = view.reconstructions("test").double().reshape(x.shape).diff(dim=-1) - slopes
        return {"slope_error": float(missed.square().sum() / slopes.square().sum())}
