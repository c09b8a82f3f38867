"""`sources.json`: which files of code and data stand behind the cells of a run, and the text of those from outside.

Records name their entries by hash, so that a thousand cells of one data set share one entry.
"""

from __future__ import annotations

from typing import Any

SCHEMA = 1
#: A part of code is {file: digest}; data are a list of `bench.provenance.data_files.DataFile.to_dict`; the text of a
#: part is {file: digest of its content} (`bench.store.source_texts`); metrics are {name: part}, by metrics_hash.
_KINDS = {"code": dict, "data": list, "text": dict, "metrics": dict}


class Sources:
    """The entries of a run, by kind ("code", "data", "text" or "metrics") and hash.

    Args:
        content: of the file; what is not an entry is left out, since the file is as untrusted as the rest of a run.
    """

    def __init__(self, content: dict[str, Any]) -> None:
        self._entries: dict[str, dict[str, Any]] = {}
        for kind, shape in _KINDS.items():
            found = content.get(kind)
            entries = found.items() if isinstance(found, dict) else ()
            self._entries[kind] = {key: value for key, value in entries if isinstance(value, shape)}

    def __getitem__(self, kind: str) -> dict[str, Any]:
        return self._entries[kind]

    def add(self, kind: str, key: str, value: Any) -> bool:
        """Adds an entry, or mends a damaged one; whether that changed anything."""
        if self._entries[kind].get(key) == value:
            return False
        self._entries[kind][key] = value
        return True

    def to_dict(self) -> dict[str, Any]:
        """What the file holds."""
        return {"schema": SCHEMA, **self._entries}
