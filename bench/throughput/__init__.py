"""Throughput of the sampling-and-loss core: draw z, per-example reconstruction cost and KL, their gradients.

No matrix product takes part: the decoder's output and the gradient it sends back to z are given tensors. `measure`
returns rows, `aebench core` writes them as `core.csv`, `core.md` and `core.svg`; a run stores those of a quick
measurement as `core.csv` in its directory, where the report finds them. `COLUMNS` explains every column. This module
imports without torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.throughput.measuring import measure


__all__ = ["COLUMNS", "RUN_FILE", "measure"]


def __getattr__(name: str) -> Any:
    if name == "measure":
        from bench.throughput.measuring import measure

        return measure
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
