"""What every data set must return to be usable: checks for built-in and foreign plugins alike.

`check_dataset` calls `load` twice and looks at every row once, in blocks; it never raises.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from bench.conformance import Check
from bench.contracts.dataset import LIKELIHOODS, PARTS, Split

_BLOCK_ROWS = 4096


@dataclass
class Subject:
    """A data set's `load` with the parameters to try it with."""

    load: Callable[..., Split]
    params: dict[str, Any]

    @cached_property
    def split(self) -> Split:
        """What the first call returns."""
        return self.load(**self.params)

    def blocks(self) -> Iterator[np.ndarray]:
        """All rows of all parts, some thousand at a time."""
        for part in PARTS:
            rows = getattr(self.split, part)
            for start in range(0, len(rows), _BLOCK_ROWS):
                yield rows[start : start + _BLOCK_ROWS]


def check_dataset(load: Callable[..., Split], params: dict[str, Any] | None = None) -> list[Check]:
    """All checks of a data set's `load`, called with `params`; the first failure of `load` itself ends them."""
    subject = Subject(load, params or {})
    checks = []
    for name, check in CHECKS.items():
        try:
            check(subject)
            checks.append(Check(name, True))
        except Exception as error:
            words = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
            checks.append(Check(name, False, " ".join(words.split())))
            if not isinstance(subject.__dict__.get("split"), Split):
                break
    return checks


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)


def returns_split(subject: Subject) -> None:
    """`load` returns a `Split`."""
    _require(isinstance(subject.split, Split), f"load returned {type(subject.split).__name__}, not a Split")


def shapes(subject: Subject) -> None:
    """All parts hold rows of one shape, (D,) or (C, H, W), and training and test have some."""
    split = subject.split
    found = {part: tuple(getattr(split, part).shape) for part in PARTS}
    _require(len(split.data_shape) in (1, 3), f"rows have shape {split.data_shape}; give (D,) or (C, H, W)")
    _require(len({shape[1:] for shape in found.values()}) == 1, f"parts differ in the shape of their rows: {found}")
    _require(all(size > 0 for size in split.data_shape), f"rows of shape {split.data_shape} hold no values")
    for part in ("train", "test"):
        _require(found[part][0] > 0, f"{part} has no rows")


def values(subject: Subject) -> None:
    """All values are finite float32, and within [0, 1] where the data claim to be Bernoulli's."""
    low, high = np.inf, -np.inf
    for block in subject.blocks():
        _require(block.dtype == np.float32, f"values are {block.dtype}, not float32")
        _require(bool(np.isfinite(block).all()), "there are missing or infinite values")
        low, high = min(low, float(block.min())), max(high, float(block.max()))
    inside = low >= 0 and high <= 1
    _require(inside or "bernoulli" not in subject.split.likelihoods, f"bernoulli data lie in [{low:g}, {high:g}]")


def companions(subject: Subject) -> None:
    """Labels are integers from 0, factors are finite, and both have one entry per row in every part or in none."""
    split = subject.split
    for what in ("labels", "factors"):
        given = {part: getattr(split, f"{part}_{what}") for part in PARTS}
        if all(entries is None for entries in given.values()):
            continue
        for part, entries in given.items():
            _require(entries is not None, f"{part} has no {what}, but other parts do")
            rows = len(getattr(split, part))
            _require(len(entries) == rows, f"{part} has {rows} rows and {len(entries)} {what}")
            if what == "factors":
                _require(bool(np.isfinite(entries).all()), f"{part} has factors that are not finite")
            elif rows:
                _require(np.issubdtype(entries.dtype, np.integer), f"{part} labels are {entries.dtype}, not integers")
                known = split.n_classes or 0
                _require(0 <= entries.min() and entries.max() < known, f"{part} labels are not all in 0 … {known - 1}")


def description(subject: Subject) -> None:
    """There is a description of one line, and the likelihoods are known ones."""
    split = subject.split
    _require(bool(split.description.strip()), "the description is empty")
    _require("\n" not in split.description, "the description has more than one line")
    unknown = set(split.likelihoods) - set(LIKELIHOODS)
    _require(not unknown and bool(split.likelihoods), f"likelihoods {split.likelihoods} are not some of {LIKELIHOODS}")


def repeats(subject: Subject) -> None:
    """Loading again gives the same content and leaves the global random generators alone."""
    first = subject.split.checksum()
    random.random(), np.random.random()  # away from the state that a seed set inside the first call would restore
    before = _generators()
    again = subject.load(**subject.params)
    _require(again.checksum() == first, "a second call returned other data")
    _require(_generators() == before, "load drew from, or seeded, a global random generator")


def _generators() -> tuple[object, str]:
    return random.getstate(), repr(np.random.get_state())


CHECKS: dict[str, Callable[[Subject], None]] = {
    "load returns a Split": returns_split,
    "all parts hold rows of one shape": shapes,
    "all values are finite float32 in the range that is claimed": values,
    "labels and factors match the rows": companions,
    "description and likelihoods are given": description,
    "loading twice gives the same data and moves no global generator": repeats,
}
