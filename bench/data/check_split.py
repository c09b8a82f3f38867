"""What the harness may rely on in a `Split` that a plugin returned; the first thing that is wrong is named."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.contracts.dataset import LIKELIHOODS, PARTS, Split
from bench.contracts.rows import ArraySource, blocks
from bench.errors import DataError

BINARISE = ("none", "dynamic")


def check_split(split: Any, name: str) -> Split:
    """`split` itself, if it keeps the contract; all values are read once, in blocks.

    Args:
        split: what the data set `name` returned.
        name: words for it in messages.

    Raises:
        DataError: not a `Split`; an empty train or test part; other shapes or types than promised; values that are not
            finite, or outside [0, 1] though "bernoulli" is offered; labels or factors that do not fit.
    """
    if not isinstance(split, Split):
        raise DataError(f"data set {name}: load() returned a {type(split).__name__}; return a Split")
    for part in PARTS:
        _check_shape(getattr(split, part), split, f"data set {name}, {part}")
    if not len(split.train) or not len(split.test):
        raise DataError(f"data set {name}: the {'test' if len(split.train) else 'train'} part has no rows")
    unknown = set(split.likelihoods) - set(LIKELIHOODS)
    if unknown or not split.likelihoods:
        raise DataError(
            f"data set {name}: likelihoods {sorted(split.likelihoods)}; give some of {', '.join(LIKELIHOODS)}"
        )
    if split.binarise not in BINARISE or (split.binarise == "dynamic" and "bernoulli" not in split.likelihoods):
        raise DataError(f"data set {name}: binarise={split.binarise!r} does not go with {', '.join(split.likelihoods)}")
    _check_scaling(split, name)
    _check_labels(split, name)
    _check_factors(split, name)
    if split.manifold is not None:
        _check_shape(split.manifold, split, f"data set {name}, manifold")
        _check_values(split.manifold, False, f"data set {name}, manifold")
    _check_anomalies(split, name)
    for part in PARTS:
        _check_values(getattr(split, part), "bernoulli" in split.likelihoods, f"data set {name}, {part}")
    return split


def _check_shape(rows: Any, split: Split, where: str) -> None:
    if not isinstance(rows, ArraySource):
        raise DataError(f"{where}: a {type(rows).__name__}; return a float32 array or something that reads like one")
    if len(rows.shape) not in (2, 3, 4) or 0 in rows.shape[1:]:
        raise DataError(f"{where}: shape {tuple(rows.shape)}; expected (N, D), (N, C, T) or (N, C, H, W)")
    if tuple(rows.shape[1:]) != split.data_shape:
        raise DataError(f"{where}: rows of shape {tuple(rows.shape[1:])} where train has {split.data_shape}")


def _check_values(rows: Any, unit: bool, where: str) -> None:
    for block in blocks(tuple(rows.shape)):
        values = rows[block]
        if getattr(values, "dtype", None) != np.float32:
            raise DataError(f"{where}: values of type {getattr(values, 'dtype', type(values))}; expected float32")
        finite = np.isfinite(values)
        if not finite.all():
            row, *index = np.argwhere(~finite)[0]
            place = ", ".join(str(position) for position in index)
            raise DataError(f"{where}: row {block.start + row}, column {place} is {values[(row, *index)]}; remove it")
        if unit and values.size and (values.min() < 0 or values.max() > 1):
            raise DataError(f"{where}: values outside [0, 1], but the likelihood 'bernoulli' is offered")


def _check_scaling(split: Split, name: str) -> None:
    for what in ("shift", "scale"):
        value = np.asarray(getattr(split, what))
        try:
            fits = np.broadcast_shapes(value.shape, split.data_shape) == split.data_shape
        except ValueError:
            fits = False
        # An infinite scale is that of a column which is 0 whatever it holds (one that is constant in training).
        usable = value.dtype.kind in "iuf" and (
            np.isfinite(value).all() if what == "shift" else (np.abs(value) > 0).all() and np.isfinite(value).any()
        )
        if not fits or not usable:
            raise DataError(
                f"data set {name}: {what} must be finite numbers that fit a row of shape {split.data_shape}"
            )


def _check_labels(split: Split, name: str) -> None:
    labels = _all_or_none(split, "labels", name)
    for part, codes in labels.items():
        if codes.ndim != 1 or codes.dtype.kind not in "iu" or len(codes) != len(getattr(split, part)):
            raise DataError(
                f"data set {name}, {part}: labels of shape {codes.shape}, type {codes.dtype}; expected one whole "
                f"number for each of the {len(getattr(split, part))} rows"
            )
        above = len(split.label_names) - 1 if split.label_names is not None else np.inf
        if len(codes) and (codes.min() < 0 or codes.max() > above):
            raise DataError(f"data set {name}, {part}: labels from {codes.min()} to {codes.max()} lack a name")


def _check_factors(split: Split, name: str) -> None:
    for part, values in _all_or_none(split, "factors", name).items():
        expected = (len(getattr(split, part)), len(split.factor_names or ()))
        if values.shape != expected or values.dtype.kind not in "iuf" or not np.isfinite(values).all():
            raise DataError(
                f"data set {name}, {part}: factors of shape {values.shape}, type {values.dtype}; expected finite "
                f"numbers of shape {expected}, one column per name in factor_names"
            )
    strange = [factor for factor in split.nominal_factors if factor not in (split.factor_names or ())]
    if strange:
        raise DataError(f"data set {name}: nominal_factors names {', '.join(map(repr, strange))}, not in factor_names")


def _check_anomalies(split: Split, name: str) -> None:
    if split.anomalies is None:
        if split.anomaly_kinds is not None or split.anomaly_names is not None:
            raise DataError(f"data set {name}: kinds of anomalies, and no anomalies; give both or neither")
        return
    where = f"data set {name}, anomalies"
    _check_shape(split.anomalies, split, where)
    n = len(split.anomalies)
    if not n:
        raise DataError(f"{where}: no rows; give at least one, or None where there are no anomalies to test on")
    _check_values(split.anomalies, False, where)
    if split.anomaly_kinds is None:
        return
    kinds, above = np.asarray(split.anomaly_kinds), len(split.anomaly_names or ()) or np.inf
    if kinds.shape != (n,) or kinds.dtype.kind not in "iu" or kinds.min() < 0 or kinds.max() >= above:
        raise DataError(f"{where}: kinds of shape {kinds.shape}; expected one whole number for each of the {n} rows, "
                        "from 0 on, with a name for each")  # fmt: skip


def _all_or_none(split: Split, what: str, name: str) -> dict[str, np.ndarray]:
    given = {part: getattr(split, f"{part}_{what}") for part in PARTS}
    missing = [part for part, values in given.items() if values is None]
    if len(missing) == len(PARTS):
        return {}
    if missing:
        raise DataError(f"data set {name}: {what} for some parts but not for {' and '.join(missing)}")
    return {part: np.asarray(values) for part, values in given.items()}
