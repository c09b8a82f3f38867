"""What the processes of a run hand to each other: a stack to run, where it keeps its state, and what a cell left."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.provenance.data_files import DataFile
from bench.spec.run import CellSpec

#: The file of `Place.folder` that tells whether a process sees the folder that is meant.
TOKEN = "token"


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


def label_of(cell: CellSpec) -> str:
    """How progress names the stack of `cell`."""
    return f"{cell.variant_label} on {cell.dataset_label}"


@dataclass(frozen=True)
class StackTask:
    """A stack to run: cells that differ in their seed only, and how.

    Attributes:
        cells: the cells.
        plugins: `--plugins` paths.
        metrics: the metrics as the spec names them.
        device: "cpu", "cuda" or "cuda:N".
        threads: torch threads, or None to leave them.
        engine: the engine's name, for the records.
        alone: whether nothing else computes on this machine meanwhile, so that timings mean something.
        together: the seeds that train in one stack, `cells`' own among them; a resumed stack trains all of them again,
            because the last bits of a seed can depend on the width of its stack.
        weights: cell_id → file with saved weights, for cells that are evaluated again; trained where the
            file is not there.
        code_hash: of the code that is expected to run.
        progress: where long trainings keep their state, or None to keep none.
    """

    cells: tuple[CellSpec, ...]
    plugins: tuple[str, ...] = ()
    metrics: str = "core"
    device: str = "cpu"
    threads: int | None = None
    engine: str = "local"
    alone: bool = True
    together: tuple[int, ...] = ()
    weights: dict[str, str] = field(default_factory=dict)
    code_hash: str = ""
    progress: Place | None = None


@dataclass
class CellResult:
    """What one cell left.

    Attributes:
        record: what became of it.
        tensors, meta: a trained one's weights and their description.
        arrays: for figures. data_files: what its data were read from.
    """

    record: dict[str, Any]
    tensors: dict[str, np.ndarray] | None = None
    meta: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    data_files: list[DataFile] = field(default_factory=list)
