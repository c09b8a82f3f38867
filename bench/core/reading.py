"""Reading `core.csv` back. Its content is not trusted: what does not fit is left out, and never raises."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

from bench.core import COLUMNS
from bench.text import printable

_TEXTS = ("variant", "cost", "device", "path", "compiler", "stage", "status", "reason")
_WHOLE = ("batch_size", "dim", "latent_dim", "threads", "repeats")
_POSITIVE = ("seconds", "seconds_low", "seconds_high", "samples_per_second")
_MOST_BYTES = 1_000_000
_MOST_ROWS = 500


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The measured rows of a `core.csv`, with the keys of `COLUMNS`; [] where there is no such file."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            return []
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        rows = [_row(line) for line in csv.DictReader(lines)]
    except (OSError, csv.Error):
        return []
    return [row for row in rows if row is not None][:_MOST_ROWS]


def _row(line: dict[str | None, Any]) -> dict[str, Any] | None:
    row: dict[str, Any] = {}
    for name in COLUMNS:
        text = line.get(name)
        if name in _TEXTS:
            row[name] = printable(text or "", 100)
        elif not text:
            row[name] = None
        else:
            try:
                value = int(text) if name in _WHOLE else float(text)
            except ValueError:
                return None
            if not math.isfinite(value) or value < 0:
                return None
            row[name] = value
    complete = all(row[name] for name in ("batch_size", "dim", *_POSITIVE))
    return row if complete and row["status"] == "ok" else None
