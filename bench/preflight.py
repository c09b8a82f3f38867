"""What a user can have wrong in a run, found before the first file is made: parameters, data, sizes, network.

Plugins that fail for other reasons are left for the run, which records them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from bench.containment import contained
from bench.errors import BenchError, UsageError
from bench.networks import networks_named
from bench.spec import CellSpec
from bench.workshop import Workshop, check_fit

#: What is looked at, "variant" or "dataset", and a cell that has it.
Check = tuple[str, CellSpec]


def checks_for(cells: Sequence[CellSpec], known: Collection[str] = ()) -> list[Check]:
    """One check for every variant, then for every data set, among the cells that have to be trained.

    Args:
        known: ids of cells that have results already, so that their data need not even be loaded.
    """
    checks: dict[tuple, Check] = {}
    for kind in ("variant", "dataset"):
        for cell in cells:
            key = (kind, getattr(cell, kind))
            if key not in checks and not cell.is_control and cell.cell_id not in known:
                checks[key] = (kind, cell)
    return list(checks.values())


def carry_out(check: Check, workshop: Workshop) -> None:
    """Find the network and build the variant, or load the data; `UsageError` for the first thing that is wrong."""
    kind, cell = check
    try:
        with contained():
            if kind == "variant":
                networks_named(cell.train.network.name, cell.train.network.params)
                workshop.variant(cell)
            else:
                check_fit(cell, workshop.split(cell))
    except UsageError:
        raise
    except BenchError:
        return  # recorded with its reason when the cell runs
