"""Whose weights a checkpoint holds: its own description is held against the cell that they are wanted for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.errors import UsageError
from bench.text import printable


def refuse_foreign(meta: Mapping[str, Any], wanted: Mapping[str, Any], path: Path) -> None:
    """Raise `UsageError` where a checkpoint says that it belongs to another cell than `wanted`.

    Args:
        meta: of the checkpoint; earlier versions wrote no cell_id, and variant, data set and seed decide then.
        wanted: cell_id, variant and dataset (as `NAME[p=v]`) and seed.
    """
    keys = ["cell_id"] if "cell_id" in meta else ["variant", "dataset", "seed"]
    if any(meta.get(key) != wanted[key] for key in keys):
        theirs, ours = (
            f"{one.get('variant')} on {one.get('dataset')} with seed {one.get('seed')}" for one in (meta, wanted)
        )
        other = f"of {theirs}, not of {ours}" if theirs != ours else f"of {ours} under other settings"
        raise UsageError(printable(f"{path} is the checkpoint {other}"))
