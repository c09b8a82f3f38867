"""Which of a cell's stored arrays figures can be drawn from: numbers in the shapes that `bench.evaluate` writes.

A run may come from somebody else. What does not fit is left out, so that its figure lacks a panel and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

#: Groups of examples: how many axes stand before the shape of one example.
_EXAMPLES = {"originals": 1, "reconstructions": 1, "fit_samples": 1, "prior_samples": 1, "strips": 2, "strip_ends": 2,
             "grid": 2}  # fmt: skip
#: Arrays with as many entries as another has along an axis: name → (the other, its axis).
_LENGTHS = {
    "original_labels": ("originals", 0),
    "code_labels": ("codes", 0),
    "strip_ends": ("strips", 0),
    "strip_unevenness": ("strips", 0),
    "strip_realism": ("strips", 0),
    "grid_y": ("grid", 0),
    "grid_x": ("grid", 1),
}
_VECTORS = ("original_labels", "code_labels", "strip_unevenness", "strip_realism", "grid_x", "grid_y", "mu_rms",
            "sigma_median")  # fmt: skip
#: Beyond this, the numbers of a picture cannot be squared or spread any more.
_LARGEST = 1e30


def drawable(arrays: Mapping[str, np.ndarray], shape: tuple[int, ...] | None = None) -> dict[str, np.ndarray]:
    """The arrays of a cell that are what their names say.

    Args:
        shape: of one example; that of the first group of examples if None.
    """
    kept = {name: values for name, values in arrays.items() if _is_numeric(values) and _has_axes(name, values)}
    shapes = [values.shape[_EXAMPLES[name] :] for name, values in kept.items() if name in _EXAMPLES]
    shape = shape or next(iter(shapes), ())
    kept = {name: values for name, values in kept.items() if _fits(name, values, shape)}
    for name, (other, axis) in _LENGTHS.items():
        if name in kept and (other not in kept or len(kept[name]) != kept[other].shape[axis]):
            del kept[name]
    return kept


def example_shape(arrays: Mapping[str, np.ndarray]) -> tuple[int, ...] | None:
    """The shape of one example in drawable arrays, or None where they hold none."""
    return next((values.shape[_EXAMPLES[name] :] for name, values in arrays.items() if name in _EXAMPLES), None)


def _is_numeric(values: np.ndarray) -> bool:
    if values.dtype.kind not in "iuf" or not values.size:
        return False
    return bool(np.isfinite(values).all() and (np.abs(values.astype(np.float64)) < _LARGEST).all())


def _has_axes(name: str, values: np.ndarray) -> bool:
    if name in _EXAMPLES:
        return values.ndim - _EXAMPLES[name] in (1, 2, 3)
    return values.ndim == 2 if name == "codes" else values.ndim == 1


def _fits(name: str, values: np.ndarray, shape: tuple[int, ...]) -> bool:
    if name == "strip_ends" and values.shape[1] != 2:
        return False
    if name in ("grid", "strips") and min(values.shape[:2]) < (2 if name == "grid" else 1):
        return False
    return name not in _EXAMPLES or values.shape[_EXAMPLES[name] :] == shape
