"""Versions of a cell: its results by the code and data that made them, the latest in place and the others kept aside.

`versions/<version>/` of a run holds checkpoints and arrays of cells as they were before an edit; their records stay in
`cells.jsonl`, which only grows. `RUN@before` reads each cell as it was before its last edit, `RUN@HASH` as the code
whose hash (a column of results.csv) begins so made it.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bench.errors import UsageError
from bench.files import file_errors, make_directory, safe_id
from bench.text import printable

FOLDER = "versions"
BEFORE = "before"
_FILES = (("checkpoints", "safetensors"), ("arrays", "npz"))
_WORD = re.compile(r"before|[0-9a-f]{4,16}")


def version_of(record: Mapping[str, Any]) -> str:
    """What the results of a record were made with: hashes of code and data, as a folder's name; "" for none."""
    hashes = (record.get("code_hash"), record.get("data_hash"))
    return "-".join(text for text in hashes if isinstance(text, str) and re.fullmatch(r"[0-9a-f]{1,64}", text))


def other_version(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether two records were made with other code or data; data that one of them does not know do not count."""
    data = (before.get("data_hash"), now.get("data_hash"))
    return before.get("code_hash") != now.get("code_hash") or (all(data) and data[0] != data[1])


def split_version(directory: Path | str) -> tuple[Path, str | None]:
    """The directory and the version of `RUN@before` or `RUN@HASH`; (RUN, None) for any other path.

    Raises:
        UsageError: what follows the @ is neither.
    """
    path = Path(directory)
    base, at, word = str(path).rpartition("@")
    if not at or path.exists() or not Path(base).is_dir():
        return path, None
    if not _WORD.fullmatch(word):
        raise UsageError(f"{printable(str(path))}: after the @ stands neither before nor a code hash of 4 to 16 digits")
    return Path(base), word


def chosen(records: Iterable[Mapping[str, Any]], word: str, shown: Path) -> dict[str, str]:
    """The version of each cell that a word of `split_version` means, by cell_id; cells without one are left out.

    Raises:
        UsageError: no cell has one.
    """
    latest: dict[str, str] = {}
    earlier: dict[str, str] = {}
    for record in records:
        cell, version = record["cell_id"], version_of(record)
        if word != BEFORE:
            earlier |= {cell: version} if version.startswith(word) else {}
            continue
        if latest.get(cell, version) != version:
            earlier[cell] = latest[cell]
        latest[cell] = version
    if not earlier:
        what = "no cell with an earlier version" if word == BEFORE else f"no cell made by code {word}…"
        raise UsageError(f"{printable(shown)} has {what}; its code hashes are in results.csv")
    return earlier


def keep_aside(directory: Path, cell_id: str, version: str) -> None:
    """Move a cell's checkpoint and arrays to those of `version`, before others take their place.

    Files that are aside already are the true ones: a run that was killed between moving and recording left the others.
    """
    _move(directory, directory / FOLDER / version, cell_id, replace=False)


def bring_back(directory: Path, cell_id: str, version: str) -> None:
    """Move a cell's checkpoint and arrays of `version` back into place."""
    _move(directory / FOLDER / version, directory, cell_id, replace=True)


def forget(directory: Path, cell_id: str, version: str) -> None:
    """Remove what is kept aside of `version`, because that is about to be made anew."""
    for folder, ending in _FILES:
        path = _path(directory / FOLDER / version, folder, ending, cell_id)
        with file_errors("delete", path):
            path.unlink(missing_ok=True)


def has_weights(directory: Path, cell_id: str, version: str) -> bool:
    """Whether a checkpoint of `version` is kept aside."""
    return _path(directory / FOLDER / version, *_FILES[0], cell_id).is_file()


def folders(directory: Path, versions: Mapping[str, str]) -> dict[str, Path]:
    """Where checkpoints and arrays of these versions lie, for the cells whose files are kept aside."""
    places = {cell: directory / FOLDER / version for cell, version in versions.items()}
    return {cell: place for cell, place in places.items() if _holds_files(place, cell)}


def _holds_files(place: Path, cell_id: str) -> bool:
    return any(_path(place, *kind, cell_id).is_file() for kind in _FILES)


def _path(base: Path, folder: str, ending: str, cell_id: str) -> Path:
    return base / folder / f"{safe_id(cell_id)}.{ending}"


def _move(source: Path, target: Path, cell_id: str, replace: bool) -> None:
    for folder, ending in _FILES:
        path, there = (_path(base, folder, ending, cell_id) for base in (source, target))
        if path.is_file() and (replace or not there.exists()):
            make_directory(target / folder)
            with file_errors("move", path):
                path.replace(there)
    for empty in (source / "checkpoints", source / "arrays", source) if source.parent.name == FOLDER else ():
        with contextlib.suppress(OSError):  # it is not there, or not empty
            empty.rmdir()
