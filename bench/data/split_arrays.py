"""A `Split` from arrays: checked, divided by a seed, scaled by the training rows; larger than memory where needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench.contracts.dataset import Split
from bench.contracts.rows import LazyRows
from bench.data.array_like import Names, arrange, as_numbers, column_names
from bench.data.labels import encode_labels
from bench.data.scaling import fit_scaling, summarise, within_unit
from bench.data.splitting import TEST, VALIDATION, part_size, partition
from bench.errors import UsageError

#: Bytes of float32 that a data set may take in memory before its rows are read on demand.
MEMORY_LIMIT = 2_000_000_000
NAMED_COLUMNS = 5


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
) -> Split:
    """Check `data`, divide its rows by `split_seed` and scale them by what the training rows say.

    Args:
        data: (N, D), (N, H, W), (N, C, H, W) or (N, H, W, 1 or 3) real numbers: array, frame, tensor or lists; see
            `tables.arrange` for the rule on channels.
        labels: (N,) whole numbers, truth values or text, or None.
        scale: "auto", "none", "unit" or "standard"; see `scaling.fit_scaling`.
        validation, test: fraction below 1 (rounded up) or number of rows; validation may be 0, test needs a row.
        split_seed: which division; the same seed gives the same one.
        columns: names of the columns for messages (a frame brings its own).
        row_name: row number → words for messages.
        what: words for the data in messages and in the description.
        memory_limit: bytes of float32 above which rows are read from `data` on demand (`LazyRows`).

    Raises:
        DataError: the data cannot be used; the message names row and column.
        UsageError: a parameter makes no sense.
    """
    if part_size("test", test, 1000) == 0:
        raise UsageError("test=0: at least one row is needed for testing")
    names = Names(columns or column_names(data), row_name, what)
    base = arrange(as_numbers(data, names), what)
    codes, label_names = (None, None) if labels is None else encode_labels(labels, len(base), row_name=row_name)
    rows = partition(len(base), validation=validation, test=test, split_seed=split_seed)
    summary = summarise(base, rows.train, names)
    fitted = fit_scaling(summary, scale, base.dtype, names)
    lazy = base.size * 4 > memory_limit
    parts = [LazyRows(base, part, fitted.shift, fitted.scale) for part in rows]
    train, validation_part, test_part = parts if lazy else [part.load() for part in parts]
    train_labels, validation_labels, test_labels = (None,) * 3 if codes is None else [codes[part] for part in rows]
    return Split(
        train,
        validation_part,
        test_part,
        train_labels,
        validation_labels,
        test_labels,
        label_names,
        likelihoods=("squared", "bernoulli", "gaussian") if within_unit(summary, fitted) else ("squared", "gaussian"),
        shift=fitted.shift,
        scale=fitted.scale,
        description=_describe(what, base.shape, fitted.words, fitted.constant, names, lazy),
    )


def _describe(
    what: str, shape: tuple[int, ...], words: str, constant: tuple[int, ...], names: Names, lazy: bool
) -> str:
    size = "×".join(str(axis) for axis in shape[1:])
    text = f"{what}: {shape[0]} rows of {size} values; {words}"
    if constant:
        named = ", ".join(names.column(index) for index in constant[:NAMED_COLUMNS])
        more = f" and {len(constant) - NAMED_COLUMNS} more" if len(constant) > NAMED_COLUMNS else ""
        text += f"; WARNING: constant in training and therefore kept at 0: {named}{more}"
    return text + ("; larger than memory, read on demand" if lazy else "")
