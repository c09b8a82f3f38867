"""E‖z‖ of held-out codes: how far from the origin they lie."""

from bench import Metric, Value


class CodeRadius(Metric):
    """Mean distance of held-out codes from the origin."""

    family = "collapse"
    values = (
        Value("code_radius", "Mean distance of held-out codes from the origin.", None, needs=("encode",),
              range="[0, inf)", formula="E|z|", gauge="dependent"),
    )  # fmt: skip

    def compute(self, view, rng):
        return {"code_radius": float(view.codes("test").norm(dim=1).mean())}
