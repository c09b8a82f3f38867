"""Checks of a data set's parameters that are not numbers: each returns the value or raises a one-line `UsageError`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.contracts.checks import whole_number
from bench.errors import UsageError, unknown_name


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
        raise UsageError(f"{name}={str(value)!r} does not exist (looked in {str(Path.cwd())!r})") from None
    except OSError as error:
        raise UsageError(f"{name}={str(value)!r} cannot be read: {error.strerror or error}") from None
    return path


def existing_file(name: str, value: Any) -> Path:
    """The path of the regular file that `value` names."""
    path = existing_path(name, value)
    if not path.is_file():
        kind = "a folder" if path.is_dir() else "no regular file"
        raise UsageError(f"{name}={str(value)!r} is {kind}; give a file")
    return path


def existing_folder(name: str, value: Any) -> Path:
    """The path of the folder that `value` names."""
    path = existing_path(name, value)
    if not path.is_dir():
        raise UsageError(f"{name}={str(value)!r} is a file; give a folder")
    return path


def whole_bytes(name: str, value: Any) -> int:
    """`value` as a number of bytes of at least 1; 2e9 is read as a whole number, too."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return whole_number(name, value, 1)
