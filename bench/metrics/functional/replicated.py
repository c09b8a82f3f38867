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

SCORES = ("precision", "recall", "density", "coverage")
#: Fewest held-out rows for which five-neighbour balls say something.
LEAST_ROWS = 20
#: Above this share of rows with k exact duplicates the balls are empty and the scores are flagged.
DUPLICATE_SHARE = 0.05


def replicated_scores(
    real: Tensor, fake: Tensor, real_radii: Tensor, k: int = 5
) -> dict[str, Estimate | Missing | Flagged]:
    """The four scores of fake (M, f) against real (N, f), averaged over M // N disjoint replicates of N fakes.

    The error is the standard error over replicates, or of a binomial share where there is a single one.
    """
    N = len(real)
    if N < LEAST_ROWS:
        return dict.fromkeys(SCORES, Missing(f"{N} held-out rows are fewer than {LEAST_ROWS}", "too_few"))
    if len(fake) < LEAST_ROWS:
        return dict.fromkeys(SCORES, Missing(f"{len(fake)} decodes are fewer than {LEAST_ROWS}", "too_few"))
    if float(real_radii.max()) == 0:
        return dict.fromkeys(
            SCORES, Missing(f"every held-out row has {k} exact duplicates, so neighbour balls are empty")
        )
    reference = Reference(real)
    parts = [part for part in fake.split(N) if len(part) == N] or [fake]
    replicates = [asdict(manifold_scores(reference, part, k, real_radii)) for part in parts]
    empty = float((real_radii == 0).float().mean())
    results: dict[str, Estimate | Missing | Flagged] = {}
    for name in SCORES:
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


def shared_radii(view: View, space: str, real: Tensor, k: int = 5) -> Tensor:
    """Radii of the held-out rows in a feature space, computed once for all models of the data set: (N,)."""
    few = torch.zeros(len(real), device=real.device)
    return view.shared.once(("radii", space, k), lambda: radii(real, k) if len(real) > k else few)


def source_scores(view: View, space: FeatureSpace, source: str) -> dict[str, Estimate | Missing | Flagged]:
    """Manifold scores of decodes of a source in a feature space; `Missing` where the model has no such source."""
    reason = view.lacks_source(source)
    if reason is not None:
        return dict.fromkeys(SCORES, reason)
    real = space_features(view.shared, space, "test")
    return replicated_scores(real, view.source_features(source, space), shared_radii(view, space.name, real))


def manifold_of(view: View, name: str, source: str) -> dict[str, Estimate | Missing | Flagged]:
    """Manifold scores of decodes of a source in the feature space of a name, once per model."""
    space = feature_space(view.shared, name)
    if isinstance(space, Missing):
        return dict.fromkeys(SCORES, space)
    return view.once(("manifold", name, source), lambda: source_scores(view, space, source))
