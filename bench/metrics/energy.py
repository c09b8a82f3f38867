"""The headline of coverage: energy distance of decodes to held-out data, relative to the constant decoder's.

2E‖x-y‖ - E‖x-x'‖ - E‖y-y'‖ (Székely and Rizzo 2013) by unbiased estimates: 0 for real data, 1 for a point at the
training mean. Unlike coverage and recall, which averaging and noise win, it puts real data first and gets worse with
every degradation of them (`aebench validity`). In pixel space and in the features of the data set's own
classifier. A value below that of real validation rows beyond Monte-Carlo error is flagged.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.contracts.metric import Metric, Missing, Value
from bench.evaluate.feature_spaces import feature_space
from bench.evaluate.model_view import View
from bench.metrics.functional.energy import real_energy, source_energy

#: Degradations of real data that raise it, on digits and on MNIST.
SEES = ("averaging", "blur", "noise", "classes", "contrast", "duplicates", "shift")


class Energy(Metric):
    """Relative energy distance by latent source and feature space, with what real data score."""

    family = "coverage"
    values = (
        Value(
            "energy_fit",
            "Energy distance of decodes of N(m, S) of the codes to held-out data, pixel space; 1: a constant.",
            False,
            formula="(2E|x-y| - E|x-x'| - E|y-y'|) / the same for the training mean; 0 for real data",
            needs=("encode", "decode"),
            core=True,
            primary=True,
            sees=SEES,
        ),
        Value(
            "energy_prior",
            "Energy distance of decodes of the prior to held-out data, pixel space; 1: a constant.",
            False,
            formula="(2E|x-y| - E|x-x'| - E|y-y'|) / the same for the training mean; 0 for real data",
            needs=("decode", "prior"),
            gauge="dependent",
            core=True,
            primary=True,
            sees=SEES,
        ),
        Value(
            "energy_real",
            "Energy distance of real validation rows to held-out data, pixel space: what no model should beat.",
            None,
            formula="(2E|x-y| - E|x-x'| - E|y-y'|) / the same for the training mean, y validation rows",
            core=True,
        ),
        Value(
            "energy_fit_classifier",
            "Energy distance of decodes of N(m, S) of the codes to held-out data, classifier features; 1: a constant.",
            False,
            formula="(2E|x-y| - E|x-x'| - E|y-y'|) / the same for the training mean; 0 for real data",
            needs=("encode", "decode", "labels"),
            core=True,
            primary=True,
            sees=SEES,
        ),
        Value(
            "energy_prior_classifier",
            "Energy distance of decodes of the prior to held-out data, classifier features; 1: a constant.",
            False,
            formula="(2E|x-y| - E|x-x'| - E|y-y'|) / the same for the training mean; 0 for real data",
            needs=("decode", "prior", "labels"),
            gauge="dependent",
            core=True,
            primary=True,
            sees=SEES,
        ),
        Value(
            "energy_real_classifier",
            "Energy distance of real validation rows to held-out data, classifier features: what no model should beat.",
            None,
            formula="(2E|x-y| - E|x-x'| - E|y-y'|) / the same for the training mean, y validation rows",
            needs=("labels",),
            core=True,
        ),
    )

    def compute(self, view: View, rng: np.random.Generator) -> dict[str, Any]:
        """Every source in every space; sources and spaces that do not exist say why."""
        results: dict[str, Any] = {}
        for space, suffix in (("pixels", ""), ("classifier", "_classifier")):
            found = feature_space(view.shared, space)
            results[f"energy_real{suffix}"] = found if isinstance(found, Missing) else real_energy(view.shared, found)
            for source in ("fit", "prior"):
                results[f"energy_{source}{suffix}"] = source_energy(view, space, source)
        return results
