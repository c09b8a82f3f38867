"""Frames of polars and Arrow as the frame of pandas that everything else reads; neither library is imported here."""

from __future__ import annotations

from typing import Any

from bench.errors import DataError


def plain_frame(data: Any) -> Any:
    """`data`, where it is a frame of polars or a table of Arrow as a pandas frame of the same columns.

    Raises:
        DataError: a frame that is not computed yet, or two columns of one name.
    """
    kind = _library(data)
    if kind == "polars" and hasattr(data, "collect"):
        raise DataError("a LazyFrame is not computed yet; give frame.collect()")
    if kind == "polars" and hasattr(data, "get_columns"):
        columns = [(column.name, column.to_numpy()) for column in data.get_columns()]
    elif kind == "pyarrow" and hasattr(data, "schema") and hasattr(data, "column"):
        names = list(data.schema.names)
        columns = [(name, data.column(place).to_numpy(zero_copy_only=False)) for place, name in enumerate(names)]
    else:
        return data
    import pandas as pd

    names = [name for name, _ in columns]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(f"the frame has two columns of the name {twice[0]!r}; give each its own")
    return pd.DataFrame(dict(columns))


def plain_labels(labels: Any) -> Any:
    """`labels`, where they are an array of Arrow or a series of polars as a list."""
    to_list = {"pyarrow": "to_pylist", "polars": "to_list"}.get(_library(labels), "")
    return getattr(labels, to_list)() if to_list and hasattr(labels, to_list) else labels


def _library(data: Any) -> str:
    return type(data).__module__.partition(".")[0]
