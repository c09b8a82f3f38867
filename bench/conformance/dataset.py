"""What every data set must do to be usable: checks for built-in and foreign plugins alike.

`check_dataset` calls `load` twice and looks at every row once; it never raises.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from bench.conformance.variant import Check
from bench.contracts.dataset import Split
from bench.data.check_split import check_split


@dataclass
class Subject:
    """A data set's `load` with the parameters to try it with."""

    load: Callable[..., Split]
    params: dict[str, Any]

    @cached_property
    def split(self) -> Split:
        """What the first call returns."""
        return self.load(**self.params)


def check_dataset(load: Callable[..., Split], params: dict[str, Any] | None = None) -> list[Check]:
    """All checks of a data set's `load`, called with `params`; the first failure ends them, since the rest needs it."""
    subject = Subject(load, params or {})
    checks = []
    for name, check in CHECKS.items():
        try:
            check(subject)
            checks.append(Check(name, True))
        except Exception as error:
            words = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
            return [*checks, Check(name, False, " ".join(words.split()))]
    return checks


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)


def keeps_contract(subject: Subject) -> None:
    """`load` returns a `Split` with rows of one shape, finite float32 values, and labels and factors that fit."""
    check_split(subject.split, "under test")


def description(subject: Subject) -> None:
    """There is a description, of one line."""
    text = subject.split.description
    _require(bool(text.strip()), "the description is empty; it is what a report's header says about the data")
    _require("\n" not in text, "the description has more than one line")


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
    "load returns a Split that keeps the contract": keeps_contract,
    "the data are described in one line": description,
    "loading twice gives the same data and moves no global generator": repeats,
}
