"""The headline of coverage: energy distance of decodes to held-out data, relative to the constant decoder's.

2E‖x-y‖ - E‖x-x'‖ - E‖y-y'‖ (Székely and Rizzo 2013) by unbiased estimates: 0 for real data, 1 for a point at the
training mean. Unlike coverage and recall, which averaging and noise win, it puts real data first and gets worse with
every degradation of them (`aebench validity`). In pixel space and in the features of the data set's own classifier. A
value below that of real validation rows beyond Monte-Carlo error is flagged.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from bench.contracts.metric import Metric, Value, each
from bench.contracts.view import View
from bench.metrics.functional.energy import real_energy, source_energy

SPACES = {"": ("pixels", "pixel space"), "_classifier": ("classifier", "classifier features")}
_FORMULA = "(2E|x-y| - E|x-x'| - E|y-y'|) / the same for the training mean; 0 for real data, 1 for a constant"


class Energy(Metric):
    """Relative energy distance by latent source and feature space, with what real data score."""

    family = "coverage"
    values = each(
        *each(
            Value(
                "energy_{source}",
                "Energy distance of decodes of {source} to held-out data, pixel space; 1: a constant.",
                False,
            ),
            source=("fit", "prior"),
            primary=True,
            core=True,
        ),
        *each(
            Value(
                "energy_{source}_classifier",
                "Energy distance of decodes of {source} to held-out data, classifier features; 1: a constant.",
                False,
                needs=("labels",),
            ),
            source=("fit", "prior"),
            primary=True,
            core=True,
        ),
        Value("energy_mixture", "Energy distance of decodes of the code mixture, pixel space.", False,
              needs=("encode", "decode")),
        Value("energy_mixture_classifier", "Energy distance of decodes of the code mixture, classifier features.",
              False, needs=("encode", "decode", "labels")),
        Value("energy_real", "Energy distance of real validation rows, which no model should beat, pixel space.",
              None, core=True),
        Value("energy_real_classifier", "Energy distance of real validation rows, classifier features.", None,
              needs=("labels",), core=True),
        formula=_FORMULA,
        sees=("averaging", "blur", "classes", "contrast", "noise", "shift"),
    )  # fmt: skip

    def compute(self, view: View, rng: np.random.Generator) -> dict[str, Any]:
        """Every source in every space, each computed only where it is asked for."""
        results: dict[str, Any] = {}
        for suffix, (space, _) in SPACES.items():
            results[f"energy_real{suffix}"] = partial(real_energy, view.shared, space)
            for source in ("fit", "mixture", "prior"):
                results[f"energy_{source}{suffix}"] = partial(source_energy, view, space, source)
        return results
