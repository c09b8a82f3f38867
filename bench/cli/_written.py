"""Where a command that reads a run may write: beside it, and over nothing unasked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def writable(path: Path, run: Path, force: bool, inputs: Sequence[Path] = ()) -> Path:
    """`path`, where a file may be written there.

    Raises:
        UsageError: it lies in the run's folder, is one of the `inputs`, or is there already and not `force`.
    """
    from bench.errors import UsageError
    from bench.files import refuse_impossible
    from bench.text import printable

    refuse_impossible(path)
    there = path.resolve()
    if there.is_relative_to(run.resolve()):
        raise UsageError(f"{printable(path)} lies in the folder of the run, which stays as it is; write elsewhere")
    if any(there == one.resolve() for one in inputs):
        raise UsageError(f"{printable(path)} is what is read; write elsewhere")
    if path.is_dir():
        raise UsageError(f"{printable(path)} is a folder; give the name of a file")
    if path.exists() and not force:
        raise UsageError(f"{printable(path)} is there already; give another name, or --force to write over it")
    return path
