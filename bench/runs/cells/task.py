"""What the processes of a run hand to each other: a stack to run, where it keeps its state, and what a cell left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bench.provenance.data_files import DataFile
from bench.seeding import CPU_GROUP, GPU_GROUP
from bench.spec.call import Call
from bench.spec.cells import CellSpec

#: The file of `Place.folder` that tells whether a process sees the folder that is meant.
TOKEN = "token"


class Check(NamedTuple):
    """What is looked at before a run.

    Attributes:
        kind: "variant" or "dataset". cell: one that has it.
        alone: whether all cells of the run are of this data set, so that without it there is nothing to do.
        expected: the checksum that its data must have, or None.
    """

    kind: str
    cell: CellSpec
    alone: bool = True
    expected: str | None = None


@dataclass(frozen=True)
class Place:
    """A folder for training states, as every process that trains is told of it.

    Attributes:
        folder: its path.
        token: what its file `token` holds; a machine where it does not lies elsewhere and keeps no states.
        every: seconds of training between two saved states.
    """

    folder: str
    token: str
    every: float

    @property
    def is_here(self) -> bool:
        """Whether this process sees the folder that is meant."""
        try:
            return (Path(self.folder) / TOKEN).read_text() == self.token
        except (OSError, ValueError):
            return False


def label_of(cells: Sequence[CellSpec]) -> str:
    """How progress names what trains together: `cells` of one stack."""
    seeds = [cell.seed for cell in cells]
    which = f"seeds {seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else f"seed {seeds[0]}"
    split = f", split {cells[0].split_number}" if cells[0].split_number else ""
    return f"{cells[0].variant_label} on {cells[0].dataset_label}{split}, {which}"


def group_size(cell: CellSpec, device: str) -> int:
    """Seeds of the stack of `cell` that make one task at most; on a CPU seeds of convolutional networks train alone."""
    if device.startswith("cuda"):
        return GPU_GROUP
    return 1 if cell.train.network.name == "conv" else CPU_GROUP


@dataclass(frozen=True)
class StackTask:
    """A stack to run, or a part of one: cells that differ in their seed only, and how.

    Attributes:
        cells: the cells.
        plugins: `--plugins` paths.
        metrics, likelihood_rows, samplers: as the spec says.
        device: "cpu", "cuda" or "cuda:N".
        threads: torch threads, or None to leave them.
        engine: the engine's name, for the records.
        workers: stacks that run at a time, or None where that is not known, so that no timing is called valid.
        together: the seeds that train in one stack, `cells`' own among them; a resumed stack trains all of them again,
            because the last bits of a seed can depend on the width of its stack.
        weights: cell_id → file with saved weights, for cells that are evaluated again; trained where the
            file is not there.
        code_hash, metrics_hash: of the code that is expected to train and to evaluate; "" where nobody looks.
        progress: where long trainings keep their state, or None to keep none.
    """

    cells: tuple[CellSpec, ...]
    plugins: tuple[str, ...] = ()
    metrics: str = "core"
    likelihood_rows: int | str = "auto"
    samplers: tuple[Call, ...] = ()
    device: str = "cpu"
    threads: int | None = None
    engine: str = "local"
    workers: int | None = 1
    together: tuple[int, ...] = ()
    weights: dict[str, str] = field(default_factory=dict)
    code_hash: str = ""
    metrics_hash: str = ""
    progress: Place | None = None


@dataclass
class CellResult:
    """What one cell left.

    Attributes:
        record: what became of it.
        tensors, meta: a trained one's weights and their description.
        arrays: for figures. data_files: what its data were read from.
        note: what the user must be told of it besides, or "".
    """

    record: dict[str, Any]
    tensors: dict[str, np.ndarray] | None = None
    meta: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    data_files: list[DataFile] = field(default_factory=list)
    note: str = ""
