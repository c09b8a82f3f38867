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

#: Degradations of real data that raise it, on digits and on MNIST; a classifier hardly notices noise, nor averages.
IN_PIXELS = ("averaging", "blur", "classes", "contrast", "duplicates", "noise", "shift")
IN_FEATURES = ("blur", "classes", "contrast", "duplicates", "shift")


class Energy(Metric):
    """Relative energy distance by latent source and feature space, with what real data score."""

    family = "coverage"
    values = each(
        *each(
            Value("energy_{source}", "Energy distance of decodes of {source} to held-out data, pixel space.", False),
            source=("fit", "prior"),
            core=True,
            primary=True,
            sees=IN_PIXELS,
        ),
        *each(
            Value(
                "energy_{source}_classifier",
                "Energy distance of decodes of {source} to held-out data, classifier features.",
                False,
                needs=("labels",),
            ),
            source=("fit", "prior"),
            core=True,
            primary=True,
            sees=IN_FEATURES,
        ),
        *each(
            Value("energy_mixture", "As energy_fit, for decodes of the code mixture.", False, sees=IN_PIXELS),
            Value(
                "energy_mixture_classifier",
                "As energy_fit_classifier, for decodes of the code mixture.",
                False,
                needs=("labels",),
                sees=IN_FEATURES,
            ),
            needs=("encode", "decode"),
            drawn_from="mixture",
        ),
        *each(
            Value("energy_real", "Energy distance of real validation rows, which no model should beat, pixels.", None),
            Value(
                "energy_real_classifier",
                "Energy distance of real validation rows, which no model should beat, classifier features.",
                None,
                needs=("labels",),
            ),
            core=True,
        ),
        formula="(2E|x-y| - E|x-x'| - E|y-y'|) / the same for the training mean; 0 real data, 1 a constant",
        # Two samples of real data differ by about this much on digits and MNIST (`aebench validity`).
        smallest_effect=0.005,
    )

    def compute(self, view: View, rng: np.random.Generator) -> dict[str, Any]:
        """Every source in every space, each computed only where it is asked for."""
        results: dict[str, Any] = {}
        for space, suffix in (("pixels", ""), ("classifier", "_classifier")):
            results[f"energy_real{suffix}"] = partial(real_energy, view.shared, space)
            for source in dict.fromkeys(("fit", "mixture", "prior", *view.samplers)):
                results[f"energy_{source}{suffix}"] = partial(source_energy, view, space, source)
        return results
