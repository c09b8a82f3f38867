"""What a run says of its metrics (`metrics.json`): its report stays right when their code has moved on or is gone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.errors import UsageError
from bench.text import printable

_TEXTS = ("family", "summary", "unit", "range", "formula", "gauge")
_SWITCHES = ("core", "vector", "primary")
#: Scales on which differences can count (`bench.analysis.scales`).
SCALES = ("linear", "log", "excess over 1")


def checked(metrics: Any, path: Path) -> dict[str, dict[str, Any]]:
    """Declarations by the value's name, as read from `path`: each with the fields of a `Value` and its family.

    Raises:
        UsageError: something else.
    """
    if not isinstance(metrics, Mapping) or not all(map(_is_declaration, metrics.values())):
        raise UsageError(f"{printable(path)} is damaged; run the same command again to rebuild it")
    return dict(metrics)


def _is_declaration(entry: Any) -> bool:
    if not isinstance(entry, Mapping):
        return False
    lists, effect = (entry.get("needs"), entry.get("sees", ())), entry.get("smallest_effect")
    return (
        all(isinstance(entry.get(key), str) for key in _TEXTS)
        and all(isinstance(entry.get(key), bool) for key in _SWITCHES)
        and (entry.get("higher_is_better") is None or isinstance(entry["higher_is_better"], bool))
        and entry.get("scale", "") in ("", *SCALES)
        and isinstance(effect, (int, float, type(None)))
        and all(isinstance(one, (list, tuple)) and all(isinstance(text, str) for text in one) for one in lists)
    )
