"""A `Split` from arrays: checked, divided by a seed, scaled by the training rows; larger than memory where needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bench.contracts.dataset import Split
from bench.contracts.rows import LazyRows
from bench.data.anomalies import Marked, divide, mark, with_anomalies
from bench.data.array_like import Names, arrange, as_numbers, column_names
from bench.data.labels import encode_labels, require_one_index
from bench.data.scaling import Scaling, Summary, fit_scaling, summarise, within_unit
from bench.data.splitting import TEST, VALIDATION, Rows, part_size, partition
from bench.errors import UsageError
from bench.text import printable

#: Bytes of float32 that a data set may take in memory before its rows are read on demand.
MEMORY_LIMIT = 2_000_000_000


def split_arrays(
    data: Any,
    labels: Any = None,
    *,
    scale: str = "auto",
    validation: float = VALIDATION,
    test: float = TEST,
    split_seed: int = 0,
    columns: list[str] | None = None,
    row_name: Callable[[int], str] = "row {}".format,
    what: str = "data",
    memory_limit: int = MEMORY_LIMIT,
    notes: Sequence[str] = (),
    flags: Sequence[int] = (),
    anomaly: Any = None,
    contamination: float = 0.0,
) -> Split:
    """Check `data`, divide its rows by `split_seed` and scale them by what the training rows say.

    Args:
        data: (N, D), (N, H, W), (N, C, H, W) or (N, H, W, 1 or 3) real numbers: array, frame, tensor or lists; see
            `array_like.arrange` for the rule on channels.
        labels: (N,) whole numbers, truth values or text, or None; of a frame, with the same index.
        scale: "auto", "none", "unit" or "standard"; see `scaling.fit_scaling`.
        validation, test: fraction below 1 (rounded up) or number of rows; validation may be 0, test needs a row.
        split_seed: which division; the same seed gives the same one.
        columns: names of the columns for messages (a frame brings its own).
        row_name: row number → words for messages.
        what: words for the data in messages and in the description.
        memory_limit: bytes of float32 above which rows are read from `data` on demand (`LazyRows`).
        notes: what the description says beside, e.g. how a file was read.
        flags: columns of a table that hold 0 and 1 for no and yes; they stay so beside scaled numbers, where those of
            one text together vary about as much as one number.
        anomaly: the class of `labels`, or a list of classes, whose rows are set apart as test anomalies; or rows that
            are `anomalies.Marked` already. Parts, scaling and sizes are those of the other rows.
        contamination: the share of the training rows that are anomalies all the same, to measure what that costs.

    Raises:
        DataError: the data cannot be used; the message names row and column.
        UsageError: a parameter makes no sense.
    """
    if part_size("test", test, 1000) == 0:
        raise UsageError("test=0: at least one row is needed for testing")
    names = Names(columns or column_names(data), row_name, what)
    base = arrange(as_numbers(data, names), what)
    require_one_index(data, labels)
    codes, label_names = (None, None) if labels is None else encode_labels(labels, len(base), row_name=row_name)
    sizes: dict[str, Any] = {"validation": validation, "test": test, "split_seed": split_seed}
    marked = anomaly if isinstance(anomaly, Marked) else mark(codes, label_names, anomaly, contamination)
    rows, apart = (partition(len(base), **sizes), None) if marked is None else divide(marked, **sizes)
    summary = summarise(base, rows.train, names, apart)
    fitted = _keeping(fit_scaling(summary, scale, base.dtype, names), flags)
    lazy = base.size * 4 > memory_limit
    description = _describe(what, base.shape, fitted, notes, lazy)
    split = scaled_split(base, rows, (codes, label_names), summary, fitted, description, lazy)
    if marked is None or apart is None:
        return split
    anomalies = LazyRows(base, apart, fitted.shift, fitted.scale)
    return with_anomalies(split, anomalies if lazy else anomalies.load(), marked.kinds[apart], marked)


def scaled_split(
    base: np.ndarray,
    rows: Rows,
    labels: tuple[np.ndarray | None, tuple[str, ...] | None],
    summary: Summary,
    fitted: Scaling,
    description: str,
    lazy: bool = False,
) -> Split:
    """The split of rows `base` (N, ...) whose parts, scaling and labels (codes (N,), names of classes) are decided."""
    parts: list[Any] = [LazyRows(base, part, fitted.shift, fitted.scale) for part in rows]
    train, validation, test = parts if lazy else [part.load() for part in parts]
    codes, label_names = labels
    train_labels, validation_labels, test_labels = (None,) * 3 if codes is None else [codes[part] for part in rows]
    return Split(
        train,
        validation,
        test,
        train_labels,
        validation_labels,
        test_labels,
        label_names,
        likelihoods=("squared", "bernoulli", "gaussian") if within_unit(summary, fitted) else ("squared", "gaussian"),
        shift=fitted.shift,
        scale=fitted.scale,
        description=description,
    )


def _keeping(fitted: Scaling, flags: Sequence[int]) -> Scaling:
    """`fitted`, with the columns `flags` as they are; those that are constant in training become 0 all the same."""
    if not len(flags) or np.ndim(fitted.scale) == 0:
        return fitted
    shift, scale = np.array(fitted.shift), np.array(fitted.scale)
    varies = [place for place in flags if np.isfinite(scale[place])]
    shift[varies], scale[varies] = 0.0, 1.0
    return replace(fitted, shift=shift, scale=scale, words=f"{fitted.words}, those of 0 and 1 for a text's kinds kept")


def _describe(what: str, shape: tuple[int, ...], fitted: Scaling, notes: Sequence[str], lazy: bool) -> str:
    size = "×".join(str(axis) for axis in shape[1:])
    warnings = (f"WARNING: {warning}" for warning in fitted.warnings)
    parts = [f"{what}: {shape[0]} rows of {size} values", fitted.words, *notes, *warnings]
    return printable("; ".join(parts + ["larger than memory, read on demand"] * lazy))
