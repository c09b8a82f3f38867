"""What `python -m bench.MODULE RUN... > document.md` has in common: print, or say in one line what is wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.errors import BenchError


def print_document(document: Callable[[list[Path]], str], runs: Sequence[str], usage: str | None = None) -> int:
    """Print `document` of the directories `runs`; returns the exit code, 2 when one of them is no run.

    Args:
        usage: what to say where no run is named; None where the document can do without.
    """
    if usage is not None and not runs:
        sys.stderr.write(f"usage: {usage}\n")
        return 2
    try:
        sys.stdout.write(document([Path(run) for run in runs]))
    except BenchError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0
