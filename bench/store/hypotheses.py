"""`hypotheses.json`: when each hypothesis of a run was declared, and how many results there were by then."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.files import write_text
from bench.untrusted import read_json

FILE = "hypotheses.json"
SCHEMA = 1


def declare(directory: Path, texts: Sequence[str], results: int) -> None:
    """Note hypotheses that the run's file does not have yet; what it has stays as it was declared first.

    Args:
        results: cells that have results at this moment.
    """
    known = declared(directory)
    if new := [text for text in texts if text not in known]:
        at = datetime.now(UTC).isoformat(timespec="seconds")
        known |= {text: {"at": at, "results": results} for text in new}
        write_text(directory / FILE, json.dumps({"schema": SCHEMA, "declared": known}, indent=1) + "\n")


def declared(directory: Path) -> dict[str, dict[str, Any]]:
    """What was declared, by hypothesis: "at" (time) and "results" (cells that had some); entries that are neither are
    left out.

    Raises:
        UsageError: the file is not regular, too large, or not JSON.
    """
    path = directory / FILE
    found = read_json(path).get("declared") if path.exists() else {}
    return {text: dict(entry) for text, entry in found.items() if _is_entry(entry)} if isinstance(found, dict) else {}


def _is_entry(entry: Any) -> bool:
    if not isinstance(entry, Mapping):
        return False
    results = entry.get("results")
    return isinstance(entry.get("at"), str) and isinstance(results, int) and not isinstance(results, bool)
