"""How many processes share a run, and with how many threads each: from cores, stacks, planned work and memory.

The plan decides when a run is done and never what it says: seeds train in groups that are the same for any plan
(`bench.seeding.seed_groups`), and threads follow from machine and run, not from the number of workers.
"""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.cores import usable_cores
from bench.errors import UsageError
from bench.memory import available_memory
from bench.runs.cells.task import group_size
from bench.runs.engines.limits import SHARE
from bench.spec.cells import CellSpec
from bench.spec.run import RunOptions
from bench.spec.training import TrainSettings

#: Bytes of its own that a worker needs: .57 GB were measured on digits with five seeds of the default network.
NEED = 700_000_000
#: And for every byte of a data file, which each worker reads for itself.
_PER_FILE_BYTE = 4
#: Planned work of fewer seconds than this ends sooner in one process than in several that have to start first.
WORTH_STARTING = 6.0
#: Rough seconds on one core, for that decision alone: of a seed's step, of a model's evaluation; steps of an epoch.
_STEP, _HEAVY_STEP, _EVALUATION, _EPOCH = 5e-4, 2e-2, 0.2, 100
#: Weights between hidden layers from which on a fully connected network keeps several threads busy.
_HEAVY_WEIGHTS = 400_000


@dataclass(frozen=True)
class WorkerPlan:
    """Who does the work.

    Attributes:
        workers: stacks at a time. threads: of each.
        memory: bytes that are available. own_process: whether even a single worker is a child process.
    """

    workers: int
    threads: int
    memory: int
    own_process: bool = False

    @property
    def inline(self) -> bool:
        """Whether the run stays in the calling process."""
        return self.workers == 1 and not self.own_process

    def __str__(self) -> str:
        workers, threads = _counted(self.workers, "worker"), _counted(self.threads, "thread")
        return f"{workers} × {threads}, {self.memory / 1e9:.0f} GB"


def plan_workers(
    options: RunOptions, cells: Sequence[CellSpec], done: Collection[str] = (), device: str = "cpu"
) -> WorkerPlan:
    """The plan for `cells` of which those with an id in `done` have results.

    Raises:
        UsageError: more workers are asked for than memory holds.
    """
    due = [cell for cell in cells if cell.cell_id not in done]
    memory, threads = available_memory(), options.threads or _own_threads() or _threads(cells, device)
    own = options.timeout is not None or options.n_jobs not in ("auto", 1)
    if not due:
        return WorkerPlan(1, threads, memory)
    need = NEED + _PER_FILE_BYTE * _data_bytes(due)
    room = max(1, int(memory * SHARE / need))
    if isinstance(options.n_jobs, str):  # "auto"
        alone = device.startswith("cuda") or _only_here(due) or planned_seconds(due) < WORTH_STARTING
        wanted = 1 if alone else min(room, usable_cores() // threads)
    elif options.n_jobs > room:
        raise UsageError(
            f"{options.n_jobs} workers need about {options.n_jobs * need / 1e9:.0f} GB and "
            f"{memory * SHARE / 1e9:.0f} GB may be used; give --n-jobs {room} or fewer, or auto"
        )
    else:
        wanted = options.n_jobs
    return WorkerPlan(max(1, min(wanted, _pieces(due, device))), threads, memory, own)


def _data_bytes(cells: Sequence[CellSpec]) -> int:
    """Bytes of the largest file that a data set of `cells` is read from; one that is mapped (.npy) needs no copy."""
    named = {str(cell.dataset.params.get("path") or "") for cell in cells}
    paths = [Path(text) for text in named if text and not text.endswith(".npy")]
    return max((path.stat().st_size for path in paths if path.is_file()), default=0)


def _only_here(cells: Sequence[CellSpec]) -> bool:
    """Whether the networks are those of the user's own script or notebook, which another process must not run again."""
    return any(cell.train.network.name.startswith("__main__:") for cell in cells)


def planned_seconds(cells: Sequence[CellSpec]) -> float:
    """About how long one core would take for `cells`."""
    return sum(map(_seconds, cells))


def _seconds(cell: CellSpec) -> float:
    train = cell.train
    steps = 0 if cell.is_control else train.steps or (train.epochs or 0) * _EPOCH
    return steps * (_HEAVY_STEP if is_heavy(train) else _STEP) + _EVALUATION


def is_heavy(train: TrainSettings) -> bool:
    """Whether one seed's step can keep several threads busy: convolutions, or large products between hidden layers."""
    name, hidden = train.network.name, train.network.params.get("hidden", ())
    if name != "mlp":
        return name == "conv"
    sizes = [width for width in hidden if isinstance(width, int)] if isinstance(hidden, (list, tuple)) else []
    return 2 * sum(a * b for a, b in itertools.pairwise(sizes)) > _HEAVY_WEIGHTS


def _threads(cells: Sequence[CellSpec], device: str) -> int:
    """Threads per worker: one, but where a run of large models has fewer of them than there are cores."""
    if device.startswith("cuda") or not cells or not all(is_heavy(cell.train) for cell in cells):
        return 1
    return max(1, usable_cores() // len(cells))


def _own_threads() -> int | None:
    """What the user's OMP_NUM_THREADS says, or None."""
    text = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(text) if text.isascii() and text.isdigit() and int(text) > 0 else None


def _pieces(cells: Sequence[CellSpec], device: str) -> int:
    """Pieces of work that can be done at the same time."""
    sizes = {cell.stack_id: group_size(cell, device) for cell in cells}
    return sum(-(-seeds // sizes[stack]) for stack, seeds in Counter(cell.stack_id for cell in cells).items())


def _counted(n: int, word: str) -> str:
    return f"{n} {word}{'' if n == 1 else 's'}"
