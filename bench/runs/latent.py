"""L of each data set of a run that does not choose it (`bench.spec.training.latent_dim_for`).

It stands in a cell's id, so it must be known before any cell is judged: from what an earlier call recorded of the same
data, or by a look at them where the run's stacks will run.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from bench.runs.cells.task import Check
from bench.runs.check_kinds import VALUES
from bench.runs.fingerprints import Fingerprints
from bench.runs.resume import History
from bench.spec.call import format_call
from bench.spec.cells import CellSpec
from bench.spec.networks import short_names
from bench.spec.registry import ARRAYS
from bench.spec.request import ResolvedRun
from bench.spec.training import DEFAULT_LATENT_DIM, latent_dim_for

if TYPE_CHECKING:
    from bench.contracts.dataset import Split
    from bench.runs.engines import Engine

#: Values in a row of built-in data, so that the default run looks at nothing before it is planned.
KNOWN = {"digits": 64}


def first_cells(run: ResolvedRun) -> dict[str, CellSpec]:
    """One cell of each data set, by label, where L follows the data."""
    found: dict[str, CellSpec] = {}
    for cell in run.cells if run.spec.follows else ():
        found.setdefault(cell.dataset_label, cell)
    return found


def known_values(
    run: ResolvedRun, history: History | None, fingerprints: Fingerprints, arrays: Split | None = None
) -> dict[str, int]:
    """Values in a row of each data set that nobody has to look at for it, by label."""
    found = {}
    for label, cell in first_cells(run).items():
        if cell.dataset.name == ARRAYS and arrays is not None:
            found[label] = arrays.dimension
        elif cell.dataset.name in KNOWN:
            found[label] = KNOWN[cell.dataset.name]
        elif history is not None and (values := _recorded(cell, history, fingerprints)):
            found[label] = values
    return found


def _recorded(cell: CellSpec, history: History, fingerprints: Fingerprints) -> int | None:
    """What an earlier call recorded of the cell's data, where files and code are what they were."""
    size = history.sizes.get(format_call(cell.dataset))
    if size is None or size.code != fingerprints.code(cell)["data set"].digest:
        return None
    return size.values if fingerprints.same_data(size.data_hash, history.data_files, (cell.dataset,)) else None


def values_by_look(run: ResolvedRun, known: Mapping[str, int], engine: Engine) -> dict[str, int]:
    """Values in a row of the data sets that are not `known`, by label; without those that cannot be loaded.

    Raises:
        UsageError: data that cannot be used as they were asked for.
    """
    cells = first_cells(run)
    alone = len(cells) == 1
    found = {}
    for label, cell in cells.items():
        if label not in known:
            said = engine.check([Check(VALUES, cell, alone)])
            with contextlib.suppress(ValueError, IndexError):  # nothing was said: its cells tell why
                found[label] = int(said[0])
    return found


def following(run: ResolvedRun, values: Mapping[str, int]) -> ResolvedRun:
    """`run` with L of each data set by the values of its rows; the default where they are not known."""
    latent = {label: latent_dim_for(n) for label, n in values.items() if latent_dim_for(n) != DEFAULT_LATENT_DIM}
    if not run.spec.follows or not latent:
        return run
    cells = (
        replace(cell, train=cell.train.replace(latent_dim=latent[cell.dataset_label]))
        if cell.dataset_label in latent
        else cell
        for cell in run.cells
    )
    return replace(run, cells=tuple(cells))


def said(values: Mapping[str, int]) -> list[str]:
    """A line on each data set whose L is not the default."""
    names = short_names(values)
    return [
        f"L = {latent_dim_for(n)} on {names[label]}, half of its {n} values (--latent-dim chooses another)"
        for label, n in values.items()
        if latent_dim_for(n) != DEFAULT_LATENT_DIM
    ]
