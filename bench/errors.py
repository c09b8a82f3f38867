"""The errors a user can cause. Each message is one line: what was wrong, what was expected, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from bench.text import printable


class BenchError(Exception):
    """Base of every error that aebench raises on purpose."""


class UsageError(BenchError):
    """The request cannot be carried out as it was written: the command line answers it with exit code 2."""


class DataError(UsageError):
    """The data cannot be used as they are; the message names the place (row, column, file)."""


class Incompatible(BenchError):
    """A variant, network, likelihood and data set that do not go together: the cell is recorded as skipped."""


class TooFewRows(DataError, Incompatible):
    """Data with fewer rows than are asked for: refused where they are alone, skipped where a run has others as well."""


class PluginError(BenchError):
    """A plugin cannot be read, imported or built; other plugins are not touched by it."""


class UserInterrupt(KeyboardInterrupt):
    """Ctrl-C of the user; a plain KeyboardInterrupt in a plugin's code is the plugin's own."""


class Terminated(UserInterrupt):
    """The signal `number` asks this process to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """A `UsageError` for an unknown `name` of a `kind`, naming the nearest known ones."""
    known = sorted(known)
    near = [printable(one, 60) for one in difflib.get_close_matches(name, known, n=3, cutoff=0.5)]
    names = [printable(one, 60) for one in known[:40]] + ["…"] * (len(known) > 40)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names) or 'none'}"
    return UsageError(f"unknown {kind} {name!r}; {hint}")


def one_line(error: BaseException, bare: bool = False) -> str:
    """An exception in one printable line, with its type unless `bare`."""
    text = printable(" ".join(str(error).split()), 400)
    return text if bare else f"{type(error).__name__}: {text}" if text else type(error).__name__
