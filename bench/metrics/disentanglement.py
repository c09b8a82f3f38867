"""Disentanglement against ground-truth factors; depends on the code's axes on purpose.

MIG (arXiv 1802.04942), SAP (arXiv 1711.00848), DCI (Eastwood and Williams 2018), modularity (arXiv 1802.05312) and the
FactorVAE score (arXiv 1802.05983), on at most 10,000 held-out rows, codes and continuous factors in 20 bins. For models
whose axes mean nothing, such as a plain autoencoder, MIG over random rotations of the whitened code is chance.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.contracts.metric import Estimate, Metric, Missing, Value, each
from bench.contracts.view import View
from bench.evaluate.collapse import prior_variances
from bench.metrics.functional.dci import dci_scores
from bench.metrics.functional.disentangle import (
    bin_columns,
    corrected_information,
    factorvae_score,
    modularity,
    mutual_information,
    mutual_information_gap,
    sap_score,
)

LEAST_ROWS = 200
ROTATIONS = 5
#: Share of the prior's variance below which a code dimension is left out of the FactorVAE score.
PRUNE_SHARE = 0.05


class Disentanglement(Metric):
    """How well single code dimensions stand for single ground-truth factors."""

    family = "disentanglement"
    values = each(
        *each(
            Value(
                "mig",
                "Mutual information gap: how much more the best code dimension knows of a factor than the second best.",
                True,
                formula="mean_k (I(z_1st; v_k) - I(z_2nd; v_k)) / H(v_k), 20 bins",
            ),
            Value(
                "sap",
                "Gap in how well the best and the second-best code dimension follow a factor.",
                True,
                formula="mean_k (r^2_1st - r^2_2nd); eta^2 of its classes for a nominal factor",
            ),
            Value(
                "dci_disentanglement",
                "Whether each code dimension is important for one factor only.",
                True,
                formula="1 - entropy of importance over factors, weighted by importance",
            ),
            Value(
                "dci_completeness",
                "Whether each factor is captured by one code dimension only.",
                True,
                formula="1 - entropy of importance over code dimensions",
            ),
            Value(
                "dci_informativeness",
                "Share of the factors' variance that random forests predict from the code, held out.",
                True,
                formula="mean_k R^2 of factor k",
            ),
            Value(
                "modularity",
                "Whether each code dimension has mutual information with one factor only.",
                True,
                formula="1 - mean squared deviation from a single-factor template, information less its plug-in bias",
            ),
            Value(
                "factorvae_score",
                "Accuracy of naming the fixed factor from the code dimension that varies least.",
                True,
                formula="majority vote over 800 batches of 64",
            ),
            gauge="dependent",
        ),
        Value(
            "mig_rotated",
            "MIG of the whitened code under random rotations: what axes that mean nothing give.",
            None,
            formula="mean over 5 rotations",
        ),
        range="[0, 1]",
        needs=("encode", "factors"),
    )

    def compute(self, view: View, rng: np.random.Generator) -> dict[str, Any]:
        """All scores on held-out codes and the factors that vary."""
        codes, factors = view.codes("test").double().cpu().numpy(), np.asarray(view.test.factors, dtype=np.float64)
        missing = _unfit(codes, factors)
        if missing is not None:
            return {value.name: missing for value in self.values}
        live = codes.std(0) > 1e-6 * codes.std(0).max()
        codes = codes[:, live]
        varies = factors.std(0) > 0
        nominal = np.isin(np.array(view.split.factor_names or ()), view.split.nominal_factors)[varies]
        factors, binned = bin_columns(factors[:, varies]), bin_columns(codes)
        information = mutual_information(binned, factors)
        prune = np.zeros(len(live))
        if view.lacks("prior") is None:
            prune = PRUNE_SHARE * prior_variances(view).cpu().numpy()
        results = {
            "sap": sap_score(codes, factors, nominal),
            "mig": mutual_information_gap(information, factors),
            "modularity": modularity(corrected_information(binned, factors)),
            "factorvae_score": factorvae_score(codes, factors, rng, prune[live]),
            "mig_rotated": _rotated(view, factors, rng),
        }
        return results | dci_scores(codes, factors, rng, nominal)


def _unfit(codes: np.ndarray, factors: np.ndarray) -> Missing | None:
    if len(codes) < LEAST_ROWS:
        return Missing(f"{len(codes)} held-out rows are fewer than {LEAST_ROWS}", "too_few")
    if codes.std(0).max() == 0:
        return Missing("the codes are constant")
    if factors.std(0).max() == 0:
        return Missing("no factor varies in the held-out data")
    return None


def _rotated(view: View, factors: np.ndarray, rng: np.random.Generator) -> Estimate | Missing:
    white = view.fit.whiten(view.codes("test")).cpu().numpy()
    if white.shape[1] < 2:
        return Missing("a code with fewer than two live dimensions has no rotations")
    gaps = []
    for _ in range(ROTATIONS):
        rotation, _ = np.linalg.qr(rng.standard_normal((white.shape[1],) * 2))
        gaps.append(mutual_information_gap(mutual_information(bin_columns(white @ rotation), factors), factors))
    return Estimate(float(np.mean(gaps)), float(np.std(gaps, ddof=1)))
