"""The core's throughput at a run's own shapes: measured quickly once its cells are done, kept as `core.csv`."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import torch

from bench.files import write_text
from bench.losses import ReconstructionCost
from bench.spec.training import DEFAULT_BATCH, TrainSettings
from bench.store.throughput_table import RUN_FILE
from bench.throughput.document import csv_text
from bench.throughput.measuring import measure

#: Data dimensions of one run that are measured, at most, and numbers in the largest batch.
_MOST_DIMS = 3
_MOST_NUMBERS = 2**22
#: Costs whose core is measured.
MEASURED = ("squared", "bernoulli", "gaussian")


def measure_run(directory: Path, settings: TrainSettings, shapes: Iterable[tuple[int, ...]], device: str) -> None:
    """Measure drawing, cost and KL with their gradients at the run's cost, dimensions and batch sizes around its own.

    Eager kernels only, a second or two; `aebench core` measures at leisure. What cannot be measured is a row with its
    reason in the file, never a failed run; costs without a core of their own have no file.

    Args:
        settings: of the run; its reconstruction cost, batch size and latent dimension count.
        shapes: of one example of each of its data sets.
        device: on which its stacks were trained.
    """
    dims = sorted({math.prod(shape) for shape in shapes})[:_MOST_DIMS]
    batch, rows = settings.batch_size or DEFAULT_BATCH, []
    for dim in dims if settings.recon.name in MEASURED else ():
        rows += measure(
            costs=[ReconstructionCost(settings.recon.name, **settings.recon.params)],
            batch_sizes=sorted({max(1, batch // 8), batch, max(batch, min(8 * batch, _MOST_NUMBERS // dim))}),
            dims=[dim],
            latent_dim=settings.latent_dim,
            device=torch.device(device),
            quick=True,
        )
    if rows:
        write_text(Path(directory) / RUN_FILE, csv_text(rows), parents=False)
