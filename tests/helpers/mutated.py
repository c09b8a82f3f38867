"""Files of a run as a stranger could leave them: one entry replaced or removed, a file of another kind in its place."""

from __future__ import annotations

import copy
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

#: What may stand in place of any entry of a JSON or YAML document.
VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 1.5, -1e299, 1e299, float("nan"), float("inf"), 2**31, 2**53 + 1, 2**63 - 1, 2**64,
    -(2**63), 10**400, "", "text", "nan", "=1+1", "\x1b[2J", "a\nb", "\ud800", "../../etc/passwd", "x" * 5000, "vae[",
    "[]", "mlp[hidden=[]]", "gaussian[scale=nan]", [], [1], ["a"], [[1]], [None], {}, {"a": 1}, {"a": {"b": [1]}},
    [float("nan")], list(range(200)), "2020-13-45T99:99:99",
]  # fmt: skip


def places(document: Any, at: tuple = ()) -> Iterator[tuple]:
    """The path of every entry of a document of dictionaries and lists, whole ones included."""
    if at:
        yield at
    if isinstance(document, dict):
        for key, value in document.items():
            yield from places(value, (*at, key))
    elif isinstance(document, list):
        for index, value in enumerate(document[:20]):
            yield from places(value, (*at, index))


def mutated(document: Any, rng: random.Random) -> Any:
    """A copy of `document` with one entry replaced by one of `VALUES`, removed, or called otherwise."""
    document = copy.deepcopy(document)
    *parents, last = rng.choice(list(places(document)))
    inside = document
    for key in parents:
        inside = inside[key]
    change = rng.random()
    if change < 0.1:
        del inside[last]
    elif change < 0.2 and isinstance(inside, dict):
        inside[rng.choice(["", "x", "a\nb", "kl[99999]", "=1", "history_"])] = inside.pop(last)
    else:
        inside[last] = rng.choice(VALUES)
    return document


def mutated_array(values: np.ndarray, rng: random.Random) -> np.ndarray:
    """Another array in place of `values`: other numbers, another type, another shape."""
    changes = [
        lambda: values[:0],
        lambda: values.reshape(-1),
        lambda: values[None],
        lambda: np.zeros((), np.float32),
        lambda: values[: max(1, len(values) // 2)] if values.ndim else values,
        lambda: np.full(values.shape, np.nan, np.float32),
        lambda: np.full(values.shape, np.inf, np.float32),
        lambda: np.full(values.shape, 3e38, np.float32),
        lambda: np.full(values.shape, -7, np.int64),
        lambda: np.full(values.shape, "text"),
        lambda: values.astype(np.complex64) if values.dtype.kind in "biuf" else values,
        lambda: values.astype(bool) if values.dtype.kind in "biuf" else values,
        lambda: np.full(values.shape, "2020-01-01", "datetime64[D]"),
        lambda: np.zeros((0, 0), np.float64),
        lambda: np.ones((3, 5, 2, 2), np.float16),
    ]
    return np.asarray(rng.choice(changes)())


def put_pipe(path: Path) -> None:
    """A pipe in place of `path`: one that opens it to read waits for ever."""
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def put_device(path: Path) -> None:
    """A link to a device without end in place of `path`."""
    path.unlink(missing_ok=True)
    path.symlink_to("/dev/zero")


def put_folder(path: Path) -> None:
    """A folder in place of `path`."""
    path.unlink(missing_ok=True)
    path.mkdir()
