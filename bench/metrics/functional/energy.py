"""Energy distance of two samples (Székely and Rizzo 2013): 2E‖x-y‖ - E‖x-x'‖ - E‖y-y'‖, 0 only where laws agree.

Each mean is over distinct pairs (a U-statistic), so the estimate is unbiased and may fall below 0. Relative to the
constant decoder's distance real data score 0 and a point at the training mean scores 1.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bench.contracts.metric import Estimate, Flagged, Missing
from bench.contracts.view import View
from bench.evaluate.feature_spaces import FeatureSpace, feature_space, space_features
from bench.evaluate.neighbours import Reference, distance_chunks
from bench.evaluate.reference_data import SharedData
from bench.metrics.functional.real_reference import beyond_real

#: Most decodes: their Monte-Carlo error is then far below that of a few hundred held-out rows.
DRAWS = 4000
#: Pairs of decodes are taken within blocks of this many, which keeps the estimate unbiased and its cost linear.
BLOCK = 500
#: Fewest rows of a sample.
LEAST_ROWS = 20


def mean_distances(queries: Tensor, reference: Reference) -> Tensor:
    """Mean Euclidean distance of each query (M, f) to all reference rows (N, f): (M,) float64."""
    means = torch.empty(len(queries), dtype=torch.float64, device=queries.device)
    for rows, squared in distance_chunks(queries, reference):
        means[rows] = squared.sqrt_().sum(1, dtype=torch.float64) / len(reference)
    return means


def own_distances(points: Tensor, block: int | None = None) -> Tensor:
    """Mean distance of each point (N, f) to the other points of its block (all points without one): (N,) float64."""
    size = len(points) if block is None else max(2, -(-len(points) // max(1, len(points) // block)))
    parts = list(points.split(size))
    if len(parts) > 1 and len(parts[-1]) == 1:  # a single point has no pair
        parts[-2:] = [torch.cat(parts[-2:])]
    means = []
    for part in parts:
        squares = torch.cat([_own_block(rows, squared) for rows, squared in distance_chunks(part, part)])
        means.append(squares / (len(part) - 1))
    return torch.cat(means)


def _own_block(rows: slice, squared: Tensor) -> Tensor:
    """Sums of distances without those of points to themselves, which rounding leaves slightly above 0."""
    own = torch.arange(len(squared), device=squared.device)
    squared[own, own + rows.start] = 0
    return squared.sqrt_().sum(1, dtype=torch.float64)


def energy_distance(real: Reference, fake: Tensor, real_own: float, block: int | None = None) -> tuple[float, float]:
    """Distance of fake (M, f) from real (N, f), and its standard error over fakes, the real sample given.

    Args:
        real_own: E‖x-x'‖ of the real sample.
        block: size of the blocks within which pairs of fakes are taken; all pairs without it.
    """
    own = own_distances(fake, block)
    influence = mean_distances(fake, real) - own  # half of the first-order term of each fake
    across = influence + own
    value = 2 * float(across.mean()) - real_own - float(own.mean())
    return value, 2 * float(influence.std()) / len(fake) ** 0.5 if len(fake) > 1 else 0.0


def _scale(shared: SharedData, space: FeatureSpace) -> tuple[Reference, float, float]:
    """The held-out rows, E‖x-x'‖ of them, and the constant decoder's energy distance; once per data set."""

    def compute() -> tuple[Reference, float, float]:
        real = Reference(space_features(shared, space, "test"))
        own = float(own_distances(real.rows).mean())
        return real, own, 2 * float(mean_distances(space(shared.train_mean[None]), real)[0]) - own

    return shared.once(("energy scale", space.name), compute)


def relative_energy(shared: SharedData, space: FeatureSpace, features: Tensor) -> Estimate | Missing:
    """Energy distance of features (M, f) from the held-out rows, relative to the constant decoder's."""
    few = min(len(features), shared.size("test"))
    if few < LEAST_ROWS:
        return Missing(f"{few} rows are fewer than {LEAST_ROWS}", "too_few")
    real, own, constant = _scale(shared, space)
    if constant <= 1e-6 * max(own, 1e-30):
        return Missing("the held-out data are no further from each other than from a constant")
    value, error = energy_distance(real, features[:DRAWS], own, BLOCK)
    return Estimate(value / constant, error / constant)


def real_energy(shared: SharedData, space_name: str) -> Estimate | Missing:
    """What real data score: validation rows, which neither the model nor the classifier was trained on."""

    def compute() -> Estimate | Missing:
        space = feature_space(shared, space_name)
        if isinstance(space, Missing):
            return space
        if shared.size("validation") < LEAST_ROWS:
            return Missing(f"the reference is validation rows, and there are fewer than {LEAST_ROWS}", "too_few")
        return relative_energy(shared, space, space_features(shared, space, "validation"))

    return shared.once(("real energy", space_name), compute)


def source_energy(view: View, space_name: str, source: str) -> Estimate | Flagged | Missing:
    """Relative energy distance of decodes of a latent source in a feature space."""
    missing = view.lacks_source(source)
    space = feature_space(view.shared, space_name)
    if missing is not None:
        return missing
    if isinstance(space, Missing):
        return space
    energy = relative_energy(view.shared, space, view.source_features(source, space)[:DRAWS])
    return beyond_real(energy, real_energy(view.shared, space_name), higher_is_better=False)
