"""What was found in sources of this package, kept beside Python's own compiled files, so that it is found once.

An entry is named by the content of its source; the file is void as soon as the code that finds things changes. Where it
cannot be read or written, everything is found anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any


class Kept:
    """Entries by name, as JSON in one file.

    Args:
        finder: the source file of the code that makes entries.
    """

    def __init__(self, finder: Path) -> None:
        self._by = hashlib.sha256(finder.read_bytes()).hexdigest()
        self.path = Path(importlib.util.cache_from_source(str(finder))).with_suffix(".found.json")
        self._entries: dict[str, Any] | None = None
        self._new = False

    def get(self, name: str) -> Any:
        """The entry, or None."""
        if self._entries is None:
            self._entries = self._read()
        return self._entries.get(name)

    def set(self, name: str, entry: Any) -> None:
        """Add an entry; it is written by `save`."""
        if self._entries is None:
            self._entries = self._read()
        self._entries[name], self._new = entry, True

    def save(self) -> None:
        """Write what is new, atomically, where Python may write compiled files at all."""
        if not self._new or sys.dont_write_bytecode:
            return
        self._new = False
        temporary = self.path.with_suffix(f".{os.getpid()}.tmp")
        with contextlib.suppress(OSError):
            temporary.write_text(json.dumps({"by": self._by, "entries": self._entries}), encoding="utf-8")
            temporary.replace(self.path)

    def _read(self) -> dict[str, Any]:
        with contextlib.suppress(OSError, ValueError, RecursionError):
            content = json.loads(self.path.read_text(encoding="utf-8"))
            if isinstance(content, dict) and content.get("by") == self._by and isinstance(content.get("entries"), dict):
                return content["entries"]
        return {}
