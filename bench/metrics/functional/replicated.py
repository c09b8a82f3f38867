"""Manifold scores with their Monte-Carlo error: replicates of as many decodes as there are held-out rows."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import torch
from torch import Tensor

from bench.contracts.metric import Estimate, Flagged, Missing
from bench.contracts.view import View
from bench.evaluate.feature_spaces import FeatureSpace, feature_space, space_features
from bench.evaluate.neighbours import Reference, radii
from bench.metrics.functional.manifold import manifold_scores
from bench.metrics.functional.real_reference import beyond_real

SCORES = ("precision", "recall", "density", "coverage")
#: With the harmonic mean of coverage and recall, which neither blur nor noise can win.
ALL_SCORES = (*SCORES, "coverage_recall")
#: Most replicates of as many decodes as held-out rows.
REPLICATES = 20
#: Fewest held-out rows for which five-neighbour balls say something.
LEAST_ROWS = 20
#: Above this share of rows with k exact duplicates the balls are empty and the scores are flagged.
DUPLICATE_SHARE = 0.05


def replicated_scores(
    real: Tensor, fake: Tensor, real_radii: Tensor, k: int = 5
) -> dict[str, Estimate | Missing | Flagged]:
    """`ALL_SCORES` of fake (M, f) against real (N, f), averaged over at most 20 disjoint replicates of N fakes.

    The error is the standard error over replicates, or of a binomial share where there is a single one.
    """
    N = len(real)
    if N < LEAST_ROWS:
        return dict.fromkeys(ALL_SCORES, Missing(f"{N} held-out rows are fewer than {LEAST_ROWS}", "too_few"))
    if len(fake) < LEAST_ROWS:
        return dict.fromkeys(ALL_SCORES, Missing(f"{len(fake)} decodes are fewer than {LEAST_ROWS}", "too_few"))
    if float(real_radii.max()) == 0:
        return dict.fromkeys(
            ALL_SCORES, Missing(f"every held-out row has {k} exact duplicates, so neighbour balls are empty")
        )
    reference = Reference(real)
    parts = [part for part in fake.split(N) if len(part) == N][:REPLICATES] or [fake]
    replicates = [_with_harmonic(asdict(manifold_scores(reference, part, k, real_radii))) for part in parts]
    empty = float((real_radii == 0).float().mean())
    results: dict[str, Estimate | Missing | Flagged] = {}
    for name in ALL_SCORES:
        scores = np.array([replicate[name] for replicate in replicates])
        mean = float(scores.mean())
        if len(scores) > 1:
            error = float(scores.std(ddof=1) / len(scores) ** 0.5)
        elif name == "density":
            error = replicates[0]["density_error"]
        else:
            error = (max(mean * (1 - mean), 0.0) / N) ** 0.5
        results[name] = Estimate(mean, error)
        if empty > DUPLICATE_SHARE:
            results[name] = Flagged(mean, f"{empty:.0%} of held-out rows have {k} exact duplicates", error)
    return results


def _with_harmonic(scores: dict[str, float]) -> dict[str, float]:
    total = scores["coverage"] + scores["recall"]
    return scores | {"coverage_recall": 2 * scores["coverage"] * scores["recall"] / total if total > 0 else 0.0}


def shared_radii(view: View, space: str, real: Tensor, k: int = 5) -> Tensor:
    """Radii of the held-out rows in a feature space, computed once for all models of the data set: (N,)."""
    few = torch.zeros(len(real), device=real.device)
    return view.shared.once(("radii", space, k), lambda: radii(real, k) if len(real) > k else few)


def source_scores(view: View, space: FeatureSpace, source: str) -> dict[str, Estimate | Missing | Flagged]:
    """Manifold scores of decodes of a source in a feature space; `Missing` where the model has no such source."""
    reason = view.lacks_source(source)
    if reason is not None:
        return dict.fromkeys(ALL_SCORES, reason)
    real = space_features(view.shared, space, "test")
    found = replicated_scores(real, view.source_features(source, space), shared_radii(view, space.name, real))
    reference = real_scores(view, space.name)
    return {name: beyond_real(score, reference[name], higher_is_better=True) for name, score in found.items()}


def real_scores(view: View, name: str = "pixels") -> dict[str, Estimate | Missing | Flagged]:
    """What validation rows score in a feature space, once per data set."""

    def compute() -> dict[str, Estimate | Missing | Flagged]:
        space = feature_space(view.shared, name)
        if isinstance(space, Missing):
            return dict.fromkeys(ALL_SCORES, space)
        real, other = (space_features(view.shared, space, part) for part in ("test", "validation"))
        return replicated_scores(real, other, shared_radii(view, name, real))

    return view.shared.once(("real scores", name), compute)


def manifold_of(view: View, name: str, source: str) -> dict[str, Estimate | Missing | Flagged]:
    """Manifold scores of decodes of a source in the feature space of a name, once per model."""
    space = feature_space(view.shared, name)
    if isinstance(space, Missing):
        return dict.fromkeys(ALL_SCORES, space)
    return view.once(("manifold", name, source), lambda: source_scores(view, space, source))
