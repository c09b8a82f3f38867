"""What engines share: how a stack is named and how its progress is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.progress import Progress
from bench.spec import CellSpec

if TYPE_CHECKING:
    from bench.work import StackTask


def label_of(cell: CellSpec) -> str:
    """How progress names the stack of `cell`."""
    return f"{cell.variant_label} on {cell.dataset_label}"


def report_step(progress: Progress, task: StackTask, done: int, steps: int) -> None:
    """Tell that each cell of `task` has done `done` of `steps` steps."""
    progress.stack(label_of(task.cells[0]), len(task.cells), steps)
    progress.advance(done)
