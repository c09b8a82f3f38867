"""A path where a plugin's name is expected: a file of data is read, of anything else people are told what reads it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bench.errors import UsageError
from bench.spec.call import format_value
from bench.text import printable

#: Endings of the files that the data set `file` reads.
TABLES = (".csv", ".tsv", ".parquet", ".npy", ".npz")


def data_file(text: str) -> str | None:
    """The call of `file` that an existing file of data stands for, with its parameters; None for anything else.

    >>> data_file("digits") is None
    True
    """
    name, rest = _divided(text)
    if Path(name).suffix.lower() not in TABLES or not _is(Path.is_file, name):
        return None
    return f"file[path={format_value(name)}{rest}"


def path_given(kind: str, text: str) -> UsageError | None:
    """The error for a file or folder in the place of a name of `kind`, with what to write; None for anything else.

    >>> str(path_given("dataset", "data/pictures/[size=8]"))
    "'data/pictures/' is a path and no name of a data set; write 'file[path=data/pictures/,size=8]'"
    >>> path_given("dataset", "digits") is None
    True
    """
    name, rest = _divided(text)
    path = Path(name)
    table = path.suffix.lower() in TABLES
    if not name or "\0" in name or not ("/" in name or table or path.suffix.lower() == ".py" or _is(Path.is_dir, name)):
        return None
    if kind == "dataset" and table and not _is(Path.exists, name):
        return UsageError(
            f"{printable(name)!r} does not exist (looked in {Path.cwd()}); give the path of a file of data"
        )
    what = f"{name!r} is a path and no name of a {'data set' if kind == 'dataset' else kind}"
    if kind == "dataset" and path.suffix != ".py":
        reader = "image-folder" if _is(Path.is_dir, name) else "file"
        return UsageError(f"{what}; write '{reader}[path={format_value(name)}{rest}'")
    called = path.stem.replace("_", "-").lower() if path.suffix == ".py" else "NAME"
    option = "-d" if kind == "dataset" else "-m"
    return UsageError(f"{what}; write --plugins {name} {option} {called}")


def _divided(text: str) -> tuple[str, str]:
    """A path, and what closes a call that begins with it: the parameters, and the bracket."""
    if _is(Path.is_file, text.strip()):  # its name may hold brackets
        return text.strip(), "]"
    name, _, rest = text.partition("[")
    return name.strip(), f",{rest}" if rest.strip(" ]") else "]"


def _is(test: Callable[[Path], bool], name: str) -> bool:
    """Whether `test` holds for the path `name`; not where that is no path."""
    try:
        return bool(name) and test(Path(name).expanduser())
    except (OSError, ValueError, RuntimeError):  # too long, a null byte, an unknown home
        return False
