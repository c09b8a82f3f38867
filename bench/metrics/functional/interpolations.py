"""Decoded interpolation paths of a viewed model: their geometry, and their distance to held-out data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.contracts.metric import Estimate, Flagged, Missing
from bench.contracts.view import View
from bench.evaluate.feature_spaces import FeatureSpace, space_features
from bench.evaluate.neighbours import nearest
from bench.evaluate.reference_data import SharedData
from bench.metrics.functional.paths import lerp, path_geometry
from bench.metrics.functional.real_reference import beyond_real

STEPS = 16
PAIRS = 1000
LEAST_ROWS = 20
#: A chord whose square is below this share of 2 tr Cov(x), the mean squared distance of data, is degenerate.
DEGENERATE_SHARE = 1e-3
#: Above this share of degenerate pairs the mean over the others is flagged.
FLAG_SHARE = 0.05
#: The cross-fade is seen to leave the data where it does so by this many standard errors over pairs: its excess, the
#: unit of every other, is then known to a fifth.
SEEN_SIGMAS = 5.0
_CHUNK_NUMBERS = 2**24


@dataclass(frozen=True)
class Pairs:
    """Held-out pairs (P, 2) as indices into the test rows, and whether each is of one class (None without labels).

    `all` (P,) are those that stand for any pair: classes meet in it as often as in random pairs of the data.
    """

    indices: np.ndarray
    same: np.ndarray | None
    all: np.ndarray

    def groups(self) -> dict[str, np.ndarray | None]:
        """Masks (P,) by suffix: any pair, same class and cross class (None where there are no such pairs)."""
        groups: dict[str, np.ndarray | None] = {"": self.all}
        for suffix, mask in (("_same", self.same), ("_cross", None if self.same is None else ~self.same)):
            groups[suffix] = mask if mask is not None and mask.any() else None
        return groups


def interpolation_pairs(shared: SharedData) -> Pairs:
    """1,000 pairs of distinct held-out rows, the same for every model; with labels, a quarter of them in one class."""
    return shared.once("interpolation pairs", lambda: _draw_pairs(shared))


def _draw_pairs(shared: SharedData) -> Pairs:
    rows = shared.rows("test")
    N, chooser = len(rows), shared.numpy_generator("interpolation pairs")
    first = chooser.integers(N, size=PAIRS)
    second = (first + chooser.integers(1, N, size=PAIRS)) % N
    if rows.labels is None:
        return Pairs(np.stack([first, second], 1), None, np.ones(PAIRS, dtype=bool))
    labels = rows.labels
    for index in range(PAIRS):
        related = labels == labels[first[index]]
        if index % 4 == 0:
            related[first[index]] = False
        else:
            related = ~related
        partners = np.flatnonzero(related)
        if len(partners):
            second[index] = partners[chooser.integers(len(partners))]
    same = labels[first] == labels[second]
    return Pairs(np.stack([first, second], 1), same, _as_at_random(same, labels))


def _as_at_random(same: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Which pairs to take so that as many are of one class as of random pairs of rows: (P,) truth values."""
    counts = np.unique(labels, return_counts=True)[1].astype(float)
    within = float((counts * (counts - 1)).sum()) / (len(labels) * (len(labels) - 1))
    n_same, n_cross = int(same.sum()), int((~same).sum())
    kept_same = min(n_same, round(n_cross * within / (1 - within))) if within < 1 else n_same
    kept_cross = min(n_cross, round(n_same * (1 - within) / within)) if within > 0 else n_cross
    turn = np.where(same, np.cumsum(same), np.cumsum(~same))  # a pair's place among its kind, from 1
    return turn <= np.where(same, kept_same, kept_cross)


def _too_few(view: View) -> Missing | None:
    if len(view.test) < LEAST_ROWS:
        return Missing(f"{len(view.test)} held-out rows are fewer than {LEAST_ROWS}", "too_few")
    if view.shared.test_variance <= 0:
        return Missing("the held-out data are constant")
    return None


def _path_chunks(view: View) -> Iterator[tuple[slice, Tensor]]:
    """Decoded paths of all pairs in chunks: (rows, (p, K+1, d)); decoded once where one chunk holds them all."""
    size = max(1, _CHUNK_NUMBERS // (view.dimension * (STEPS + 1)))
    if size >= PAIRS:
        return iter(view.once("paths", lambda: list(_decoded_paths(view, size))))
    return _decoded_paths(view, size)


def _decoded_paths(view: View, size: int) -> Iterator[tuple[slice, Tensor]]:
    codes, pairs = view.codes("test"), interpolation_pairs(view.shared).indices
    for start in range(0, len(pairs), size):
        chunk = pairs[start : start + size]
        latent = lerp(codes[chunk[:, 0]], codes[chunk[:, 1]], STEPS)  # (p, K+1, L)
        decoded = view.decode(latent.flatten(0, 1)).reshape(len(chunk), STEPS + 1, -1)
        yield slice(start, start + len(chunk)), decoded


def _mean(values: np.ndarray) -> Estimate:
    return Estimate(float(values.mean()), float(values.std(ddof=1) / len(values) ** 0.5) if len(values) > 1 else None)


def geometry_values(view: View) -> dict[str, Any]:
    """Unevenness (all, same and cross class), arc/chord, turning, jump and the share of degenerate pairs."""
    names = ("interp_unevenness", "interp_arc_chord", "interp_turning", "interp_jump", "interp_degenerate")
    missing = _too_few(view)
    if missing is not None:
        return dict.fromkeys((*names, "interp_unevenness_same", "interp_unevenness_cross"), missing)
    geometry = view.once("path geometry", lambda: _geometry(view))  # name → (P,), NaN where degenerate
    degenerate, anywhere = np.isnan(geometry["unevenness"]), interpolation_pairs(view.shared).all
    results: dict[str, Any] = {"interp_degenerate": _mean(degenerate[anywhere].astype(float))}
    for name in ("arc_chord", "turning", "jump"):
        results[f"interp_{name}"] = _mean_of_proper(geometry[name][anywhere], degenerate[anywhere])
    for suffix, mask in interpolation_pairs(view.shared).groups().items():
        if mask is None:
            results[f"interp_unevenness{suffix}"] = Missing("no held-out pair is of this kind")
        else:
            results[f"interp_unevenness{suffix}"] = _mean_of_proper(geometry["unevenness"][mask], degenerate[mask])
    return results


def _mean_of_proper(values: np.ndarray, degenerate: np.ndarray) -> Estimate | Missing | Flagged:
    share = float(degenerate.mean())
    if share == 1:
        return Missing("the decoded ends of every pair coincide, so there is no path")
    mean = _mean(values[~degenerate])
    if share > FLAG_SHARE:
        return Flagged(mean.value, f"the decoded ends of {share:.0%} of the pairs coincide; not counted", mean.error)
    return mean


def _geometry(view: View) -> dict[str, np.ndarray]:
    least = (DEGENERATE_SHARE * 2 * view.shared.test_variance) ** 0.5
    names = ("unevenness", "arc_chord", "turning", "jump")
    parts: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for _, paths in _path_chunks(view):
        geometry = path_geometry(paths, least)
        for name in names:
            parts[name].append(getattr(geometry, name).double().cpu().numpy())
    return {name: np.concatenate(values) for name, values in parts.items()}


def point_distances(paths: Tensor, reference: Tensor, pairs: np.ndarray | None) -> np.ndarray:
    """Distance of each path point to the nearest reference row that is not an end of its pair.

    Args:
        paths: features of path points, (P, K+1, f), ends included.
        reference: (N, f).
        pairs: (P, 2), the reference rows of each path's ends; None where no row is left out.

    Returns:
        (P, K+1) float64.
    """
    P, count = paths.shape[:2]
    ends = None
    if pairs is not None:
        ends = torch.as_tensor(pairs, device=reference.device).repeat_interleave(count, 0)  # (P(K+1), 2)
    distances = nearest(paths.flatten(0, 1), reference, exclude=ends)[0]
    return distances.reshape(P, count).double().cpu().numpy()


@dataclass(frozen=True)
class PathDistances:
    """Mean distance to other held-out data of each path's interior, and of its two ends: each (P,)."""

    interior: np.ndarray
    ends: np.ndarray

    @classmethod
    def of(cls, distances: np.ndarray) -> PathDistances:
        """From distances of all path points, (P, K+1)."""
        return cls(distances[:, 1:-1].mean(1), distances[:, [0, -1]].mean(1))

    @property
    def rise(self) -> np.ndarray:
        """How much further from other data the interior is than the path's own ends, (P,)."""
        return self.interior - self.ends


def _distances(
    chunks: Iterator[tuple[slice, Tensor]], features: Callable, reference: Tensor, pairs: np.ndarray | None
) -> PathDistances:
    result = np.empty((PAIRS, STEPS + 1))
    for rows, paths in chunks:
        mapped = features(paths.flatten(0, 1)).reshape(*paths.shape[:2], -1)
        result[rows] = point_distances(mapped, reference, None if pairs is None else pairs[rows])
    return PathDistances.of(result)


def _path_distances(view: View, space: FeatureSpace) -> tuple[PathDistances, PathDistances]:
    """Distances of the model's paths and of the cross-fade's, in a feature space; once per model and data set."""
    shared, pairs = view.shared, interpolation_pairs(view.shared).indices
    reference = space_features(shared, space, "test")

    def of(chunks: Iterator[tuple[slice, Tensor]]) -> PathDistances:
        return _distances(chunks, space, reference, pairs)

    faded = shared.once(("cross-fade", space.name), lambda: of(_fade_chunks(view)))
    return view.once(("path distances", space.name), lambda: of(_path_chunks(view))), faded


def _by_kind(
    view: View, name: str, space: FeatureSpace | Missing, score: Callable[[PathDistances, PathDistances], Any]
) -> dict[str, Any]:
    """A score of the model's distances and the cross-fade's under `name`, and with suffixes _same and _cross."""
    missing = space if isinstance(space, Missing) else _too_few(view)
    if missing is not None or isinstance(space, Missing):
        return {f"{name}{suffix}": missing for suffix in ("", "_same", "_cross")}
    both = _path_distances(view, space)
    results: dict[str, Any] = {}
    for suffix, mask in interpolation_pairs(view.shared).groups().items():
        own = None if mask is None else [PathDistances(found.interior[mask], found.ends[mask]) for found in both]
        results[f"{name}{suffix}"] = Missing("no held-out pair is of this kind") if own is None else score(*own)
    return results


def excess_values(view: View, name: str, space: FeatureSpace | Missing) -> dict[str, Any]:
    """Excess distance of the interior over the path's own decoded ends, in units of the cross-fade's."""
    return _by_kind(view, name, space, lambda model, faded: excess(model, faded, getattr(space, "name", "")))


def excess(model: PathDistances, faded: PathDistances, space: str) -> Estimate | Missing:
    """(interior - own ends) of the model's paths over that of the cross-fade's; a blurred decoder's ends blur as well.

    Missing where the cross-fade itself is not seen to leave the data: then no path can be, in this space.
    """
    rise = faded.rise
    error = rise.std(ddof=1) / len(rise) ** 0.5 if len(rise) > 1 else np.inf
    if rise.mean() <= SEEN_SIGMAS * error:
        share = f"{rise.mean() / max(faded.ends.mean(), 1e-30):+.1%} ± {error / max(faded.ends.mean(), 1e-30):.1%}"
        return Missing(f"even a cross-fade lies no further from other data than its ends do ({share}, {space})")
    return _ratio(model.rise, rise)


def realism_values(view: View, name: str, space: FeatureSpace | Missing) -> dict[str, Any]:
    """Distance of the path's interior relative to the cross-fade's, flagged where it is below real data's own."""
    return _by_kind(view, name, space, realism)


def realism(model: PathDistances, faded: PathDistances) -> Estimate | Flagged | Missing:
    """Interior of the model's paths over that of the cross-fade's; held-out data themselves score `faded.ends`."""
    if faded.interior.mean() <= 0:
        return Missing("the cross-fade lies on held-out data everywhere, so the ratio is not defined")
    return beyond_real(
        _ratio(model.interior, faded.interior), _ratio(faded.ends, faded.interior), higher_is_better=False
    )


def true_distance(view: View) -> Estimate | Missing:
    """Distance of the path's interior to the data's true manifold, by the noise-free points that the split carries."""
    missing = _too_few(view)
    if missing is not None:
        return missing
    points = torch.as_tensor(view.split.manifold, device=view.device).flatten(1)
    return _mean(_distances(_path_chunks(view), lambda flat: flat, points, None).interior)


def _ratio(model: np.ndarray, faded: np.ndarray) -> Estimate:
    """Ratio of means with its delta-method standard error over pairs."""
    ratio = model.mean() / faded.mean()
    error = (model - ratio * faded).std(ddof=1) / faded.mean() / len(model) ** 0.5 if len(model) > 1 else None
    return Estimate(float(ratio), None if error is None else float(error))


def _fade_chunks(view: View) -> Iterator[tuple[slice, Tensor]]:
    flat, pairs = view.test.flat, interpolation_pairs(view.shared).indices
    size = max(1, _CHUNK_NUMBERS // (view.dimension * (STEPS + 1)))
    for start in range(0, len(pairs), size):
        chunk = pairs[start : start + size]
        yield slice(start, start + len(chunk)), lerp(flat[chunk[:, 0]], flat[chunk[:, 1]], STEPS)
