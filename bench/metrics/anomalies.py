"""Anomalies: how well scores of a trained model tell a data set's test anomalies from its held-out rows.

The score that the headline takes is chosen without a look at anomalies: the model's own where it is a detector, else
the squared error of reconstruction. `anomaly_auroc_best` looks (the best of all scores), and `anomaly_auroc_lost` is
what not looking costs. Scores: `bench.metrics.functional.anomaly_scores`. AUROC does not depend on how many anomalies
there are; average precision does, so its chance level A/(A + N) stands beside it. Rows: at most 10,000 of each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.contracts.dataset import leaked_anomalies
from bench.contracts.metric import Flagged, Metric, Missing, Value, each
from bench.contracts.view import View
from bench.metrics.functional.anomaly_scores import SCORES
from bench.metrics.functional.detection import auroc, auroc_error, average_precision, recall_at

#: Most anomalies that are scored, of a fixed random order.
MOST = 10_000
FALSE_ALARMS = 0.05
SIMPLE = "the likelihood of pictures is higher for simple ones (arXiv 1810.09136): smooth anomalies score as normal"
#: Scores and what they need of a model.
_NEEDS = {
    "reconstruction": ("encode", "decode"),
    "standardised": ("encode", "decode"),
    "elbo": ("posterior", "prior", "likelihood"),
    "iwae": ("posterior", "prior", "likelihood"),
    "mahalanobis": ("encode",),
    "neighbour": ("encode",),
}

#: (scores of normal rows (N,), of anomalies (A,)), or why there are none.
Scored = tuple[np.ndarray, np.ndarray] | Missing


class Anomalies(Metric):
    """AUROC, average precision and recall of anomalies, by the chosen score, by every score, and by kind."""

    family = "anomalies"
    values = each(
        Value(
            "anomaly_auroc",
            "Chance that a test anomaly scores higher than a held-out row, by the score chosen without looking.",
            True,
            range="[0, 1]",
            formula="area under the ROC curve; score: the model's own, or ||decode(mu(x)) - x||^2",
            core=True,
            primary=True,
            smallest_effect=0.005,
        ),
        Value(
            "anomaly_auroc_error",
            "Standard error of anomaly_auroc over other test rows and anomalies, this model held fixed.",
            None,
            range="[0, 0.5]",
            formula="DeLong's, from the placements of rows",
            core=True,
        ),
        Value(
            "anomaly_ap",
            "Average precision of anomalies by the same score; it depends on how many anomalies there are.",
            True,
            range="[0, 1]",
            formula="sum (R_k - R_k-1) P_k over distinct scores",
            core=True,
        ),
        Value(
            "anomaly_ap_chance",
            "Average precision of a score that knows nothing: the share of anomalies among the rows scored.",
            None,
            range="[0, 1]",
            formula="A / (A + N)",
            core=True,
        ),
        Value(
            "anomaly_recall",
            "Share of anomalies found when at most 5 % of held-out rows raise a false alarm, by the same score.",
            True,
            range="[0, 1]",
            formula="P(score > 95 % quantile of held-out scores)",
            core=True,
        ),
        Value(
            "anomaly_auroc_kind",
            "anomaly_auroc of each kind of anomaly by itself, in the order of the data set's description.",
            True,
            range="[0, 1]",
            formula="as anomaly_auroc, anomalies of one kind",
            core=True,
            vector=True,
        ),
        Value(
            "anomaly_auroc_best",
            "Highest AUROC among all scores of the model, which only who knows the anomalies can choose.",
            None,
            range="[0, 1]",
            formula="max over scores of anomaly_auroc_SCORE",
        ),
        Value(
            "anomaly_auroc_lost",
            "What choosing the score without looking at anomalies costs.",
            None,
            range="[0, 1]",
            formula="anomaly_auroc_best - anomaly_auroc",
        ),
        *each(
            Value("anomaly_auroc_{score}", "AUROC by {score}.", True, formula="as anomaly_auroc, score: {score}"),
            Value("anomaly_ap_{score}", "Average precision by {score}.", True, formula="as anomaly_ap, score: {score}"),
            score={
                "reconstruction": ("squared error of reconstruction", "||decode(mu(x)) - x||^2"),
                "standardised": ("squared error relative to training's by column", "sum_j r_j^2 / E r_j^2"),
            },
            range="[0, 1]",
            needs=("encode", "decode"),
        ),
        *each(
            Value("anomaly_auroc_{score}", "AUROC by {score}.", True, formula="as anomaly_auroc, score: {score}"),
            Value("anomaly_ap_{score}", "Average precision by {score}.", True, formula="as anomaly_ap, score: {score}"),
            score={
                "elbo": ("the negative evidence lower bound", "-ELBO, 64 draws"),
                "iwae": ("the importance-weighted bound", "-IWAE_64"),
            },
            range="[0, 1]",
            needs=("posterior", "prior", "likelihood"),
        ),
        *each(
            Value("anomaly_auroc_{score}", "AUROC by {score}.", True, formula="as anomaly_auroc, score: {score}"),
            Value("anomaly_ap_{score}", "Average precision by {score}.", True, formula="as anomaly_ap, score: {score}"),
            score={
                "mahalanobis": ("Mahalanobis distance of codes", "(z - m)' S^-1 (z - m)"),
                "neighbour": ("distance of codes to training codes", "mean distance to 5 nearest, whitened"),
            },
            range="[0, 1]",
            needs=("encode",),
        ),
        needs=("anomalies",),
    )

    def compute(self, view: View, rng: np.random.Generator) -> dict[str, Any]:
        """Every value is a function, so that a run that asks for one score pays for one."""
        leak = view.shared.once("leaked anomalies", lambda: leaked_anomalies(view.split))
        warning = f"a leak: {leak} of the test anomalies are training rows, too" if leak else ""
        results: dict[str, Any] = {
            "anomaly_auroc": lambda: _valued(chosen(view), auroc, warning),
            "anomaly_auroc_error": lambda: _error(chosen(view)),
            "anomaly_ap": lambda: _valued(chosen(view), average_precision, warning),
            "anomaly_ap_chance": lambda: _valued(chosen(view), _chance, ""),
            "anomaly_recall": lambda: _valued(chosen(view), _recall, warning),
            "anomaly_auroc_kind": lambda: _by_kind(view, warning),
            "anomaly_auroc_best": lambda: _best(view)[0],
            "anomaly_auroc_lost": lambda: _best(view)[1],
        }
        for score in SCORES:
            simple = SIMPLE if score in ("elbo", "iwae") and view.has("images") else ""
            said = "; ".join(filter(None, (warning, simple)))
            results[f"anomaly_auroc_{score}"] = lambda s=score, w=said: _valued(scored(view, s), auroc, w)
            results[f"anomaly_ap_{score}"] = lambda s=score, w=said: _valued(scored(view, s), average_precision, w)
        return results


def chosen(view: View) -> Scored:
    """Scores of held-out rows and of anomalies, by the score that is chosen without a look at anomalies."""
    if view.model.score is not None:
        return view.once(("anomaly scores", "own"), lambda: _of_parts(view, view.model.score))
    for need in _NEEDS["reconstruction"]:
        if reason := view.lacks(need):
            return Missing(reason)
    return scored(view, "reconstruction")


def scored(view: View, score: str) -> Scored:
    """The same, by one of `SCORES`."""
    return view.once(("anomaly scores", score), lambda: _of_parts(view, lambda x: SCORES[score](view, x)))


def _of_parts(view: View, score: Callable[[Tensor], Tensor | Missing]) -> Scored:
    normal, anomalous = score(view.test.x), score(_anomalies(view)[0])
    for part in (normal, anomalous):
        if isinstance(part, Missing):
            return part
    found = torch.cat([torch.as_tensor(normal), torch.as_tensor(anomalous)]).double().cpu().numpy()
    if wrong := int((~np.isfinite(found)).sum()):
        return Missing(f"{wrong} of the {len(found)} rows have a score that is no finite number")
    return found[: len(view.test)], found[len(view.test) :]


def _anomalies(view: View) -> tuple[Tensor, np.ndarray]:
    """The anomalies that are scored, (A, *data_shape), and the kind of each, (A,)."""

    def load() -> tuple[Tensor, np.ndarray]:
        assert view.split.anomalies is not None  # asked for by `needs`
        n = len(view.split.anomalies)
        rows = np.sort(view.shared.numpy_generator("anomalies").permutation(n)[:MOST])
        kinds = np.zeros(n, dtype=np.int64) if view.split.anomaly_kinds is None else view.split.anomaly_kinds
        return view.shared.load("anomalies", rows), np.asarray(kinds)[rows]

    return view.shared.once("anomalies", load)


def _valued(scores: Scored, of: Callable[[np.ndarray, np.ndarray], float], warning: str) -> float | Missing | Flagged:
    if isinstance(scores, Missing):
        return scores
    return Flagged(of(*scores), warning) if warning else of(*scores)


def _chance(normal: np.ndarray, anomalous: np.ndarray) -> float:
    return len(anomalous) / (len(normal) + len(anomalous))


def _recall(normal: np.ndarray, anomalous: np.ndarray) -> float:
    return recall_at(normal, anomalous, FALSE_ALARMS)


def _error(scores: Scored) -> float | Missing:
    if isinstance(scores, Missing):
        return scores
    if min(map(len, scores)) < 2:
        what = "test anomaly" if len(scores[1]) < 2 else "held-out row"
        return Missing(f"there is one {what}, which says nothing of others: no interval", "too_few")
    return auroc_error(*scores)


def _by_kind(view: View, warning: str) -> np.ndarray | Missing | Flagged:
    scores = chosen(view)
    if isinstance(scores, Missing):
        return scores
    kinds = _anomalies(view)[1]
    found = np.array([auroc(scores[0], scores[1][kinds == kind]) for kind in np.unique(kinds)])
    return Flagged(found, warning) if warning else found


def _best(view: View) -> tuple[float, float] | tuple[Missing, Missing]:
    """The highest AUROC of all scores, and by how much it is above that of the chosen one."""
    own = chosen(view)
    if isinstance(own, Missing):
        return own, own
    names = [score for score in SCORES if not any(view.lacks(need) for need in _NEEDS[score])]
    found = [scores for score in names if not isinstance(scores := scored(view, score), Missing)]
    first = auroc(*own)
    best = max(first, *(auroc(*scores) for scores in found)) if found else first
    return best, best - first
