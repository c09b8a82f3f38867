"""Checks of single values that plugins and settings share: one clear line for a value of the wrong type or size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.errors import UsageError, unknown_name
from bench.text import printable


def number_in(name: str, value: Any, low: float, high: float = float("inf"), *, open_low: bool = False) -> float:
    """`value` if it is a number within [low, high] (or (low, high]); a one-line `UsageError` otherwise."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UsageError(f"{name}={value!r} is not a number; give a number {_interval(low, high, open_low)}")
    inside = (value > low if open_low else value >= low) and value <= high
    if not inside or value != value or abs(value) == float("inf"):
        raise UsageError(f"{name}={value!r} is out of range; give a number {_interval(low, high, open_low)}")
    return value


def whole_number(name: str, value: int, low: int) -> int:
    """`value` if it is a whole number of at least `low`; a one-line `UsageError` otherwise."""
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise UsageError(f"{name}={value!r} is not a whole number of at least {low}")
    return value


def _interval(low: float, high: float, open_low: bool) -> str:
    least = f"above {low:g}" if open_low else f"of at least {low:g}"
    return least if high == float("inf") else f"{least} and at most {high:g}"


def one_of(name: str, value: Any, known: Sequence[str]) -> str:
    """`value` if it is one of the `known` words."""
    if value not in known:
        raise unknown_name(name, str(value), known)
    return value


def true_or_false(name: str, value: Any) -> bool:
    """`value` if it is a truth value."""
    if not isinstance(value, bool):
        raise UsageError(f"{name}={value!r} is neither true nor false")
    return value


def existing_path(name: str, value: Any) -> Path:
    """The path that `value` names, with `~` expanded, if something is there."""
    if not isinstance(value, (str, Path)) or not str(value) or "\0" in str(value):
        raise UsageError(f"{name}={value!r} is not a path")
    path = Path(value).expanduser()
    try:
        path.stat()
    except FileNotFoundError:
        raise UsageError(
            f"{_typed(name, value)} does not exist (looked in {str(Path.cwd())!r}){_hint(value)}"
        ) from None
    except OSError as error:
        raise UsageError(f"{_typed(name, value)} cannot be read: {error.strerror or error}{_hint(value)}") from None
    return path


def _typed(name: str, value: Any) -> str:
    """A path as it was typed: backslashes are not doubled."""
    return f"{name}='{printable(value)}'"


def _hint(value: Any) -> str:
    if str(value).isprintable():
        return ""
    return (
        "; it holds a tab, line break or the like, which \\t, \\n, … mean in \"…\": write it without quotes or in '…'"
    )


def existing_file(name: str, value: Any) -> Path:
    """The path of the regular file that `value` names."""
    path = existing_path(name, value)
    if not path.is_file():
        kind = "a folder" if path.is_dir() else "no regular file"
        raise UsageError(f"{_typed(name, value)} is {kind}; give a file")
    return path


def existing_folder(name: str, value: Any) -> Path:
    """The path of the folder that `value` names."""
    path = existing_path(name, value)
    if not path.is_dir():
        raise UsageError(f"{_typed(name, value)} is a file; give a folder")
    return path


def whole_bytes(name: str, value: Any) -> int:
    """`value` as a number of bytes of at least 1; 2e9 is read as a whole number, too."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return whole_number(name, value, 1)
