"""A path where a plugin's name is expected: people give the file that they have, and are told what reads it."""

from __future__ import annotations

from pathlib import Path

from bench.errors import UsageError
from bench.spec.call import format_value

#: Endings of the files that the data set `file` reads.
TABLES = (".csv", ".tsv", ".npy", ".npz")


def path_given(kind: str, text: str) -> UsageError | None:
    """The error for a file or folder in the place of a name of `kind`, with what to write; None for anything else.

    >>> str(path_given("dataset", "data/iris.csv[label=species]"))
    "'data/iris.csv' is a path and no name of a data set; write 'file[path=data/iris.csv,label=species]'"
    >>> path_given("dataset", "digits") is None
    True
    """
    words, _, rest = text.partition("[")
    name = words.strip()
    path = Path(name).expanduser()
    if not name or "\0" in name or not ("/" in name or path.suffix.lower() in (*TABLES, ".py") or path.is_dir()):
        return None
    what = f"{name!r} is a path and no name of a {'data set' if kind == 'dataset' else kind}"
    if kind == "dataset" and path.suffix != ".py":
        reader = "image-folder" if path.is_dir() else "file"
        more = f",{rest}" if rest.strip(" ]") else "]"
        return UsageError(f"{what}; write '{reader}[path={format_value(name)}{more}'")
    called = path.stem.replace("_", "-").lower() if path.suffix == ".py" else "NAME"
    option = "-d" if kind == "dataset" else "-m"
    return UsageError(f"{what}; write --plugins {name} {option} {called}")
