"""Why a cell's result no longer holds: the files of code or data that are not what they were, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.provenance.code import differences
from bench.provenance.data_files import DataFile
from bench.runs.fingerprints import Fingerprints
from bench.spec.cells import CellSpec

#: Files that a reason lists before it counts.
_LISTED = 3


def reason(
    cell: CellSpec,
    record: Mapping[str, Any],
    sources: Mapping[str, Mapping[str, Any]],
    data_files: Mapping[str, Sequence[DataFile] | None],
    fingerprints: Fingerprints,
) -> str:
    """What changed since `record` was made, in words: parts of the code with their files, data files.

    Args:
        sources: what `RunStore.sources` has of "code". data_files: data_hash → the files that data were read from.
    """
    before, now = record.get("code") or {}, fingerprints.code(cell)
    if not before:
        return "what it was made with is not recorded"
    said = [
        f"{name}: {_listed(differences(_known(sources, before.get(name)), part))}"
        for name, part in now.items()
        if before.get(name) != part.digest
    ]
    entries = data_files.get(record.get("data_hash") or "")
    changed = [Path(entry.path).name for entry in entries or () if entry.now() != entry.mark]
    said += [f"data: {_listed(changed)}"] if changed else []
    return "; ".join(said) or "data: its parameters name other files from this folder"


def _known(sources: Mapping[str, Mapping[str, Any]], digest: Any) -> dict[str, str]:
    return dict(sources.get(digest, {})) if isinstance(digest, str) else {}


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return (", ".join(names[:_LISTED]) or "other files") + more
