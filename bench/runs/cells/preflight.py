"""What a user can have wrong in a run, found before the first file is made: parameters, data, sizes, network.

Plugins that fail for other reasons are left for the run, which records them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from bench.contracts.dataset import Split
from bench.errors import BenchError, PluginError, TooFewRows, UsageError
from bench.evaluate.samplers import built_samplers
from bench.networks.factories import networks_named
from bench.runs.cells.isolation import contained
from bench.runs.cells.task import Check
from bench.runs.cells.worker_state import Workshop, check_fit
from bench.runs.check_kinds import VALUES
from bench.spec.call import Call
from bench.spec.cells import CellSpec
from bench.spec.registry import Registry
from bench.spec.training import DEFAULT_BATCH, TrainSettings
from bench.spec.trial import failures
from bench.text import printable
from bench.train.replay.compiler import compiler_for


def carry_out(check: Check, workshop: Workshop) -> list[str]:
    """Find the network and build the variant, or load the data; `UsageError` for the first thing that is wrong.

    Too few rows are wrong where no other data are left; else they cost their own cells.

    Returns:
        How a file of data was read and what the batch is, a line each; of a check of the kind `VALUES`, how many values
        a row has; [] of anything else.
    """
    kind, cell, alone, expected = check
    try:
        with contained():
            if kind == "variant":
                networks_named(cell.train.network.name, cell.train.network.params)
                workshop.variant(cell)
            elif kind == VALUES:
                return [str(workshop.split(cell).dimension)]
            else:
                split = workshop.split(cell)
                _refuse_other_data(cell, split, expected)
                check_fit(cell, split)
                return _words(cell, split)
    except UsageError as error:
        if alone or not isinstance(error, TooFewRows):
            raise
    except BenchError:
        pass  # recorded with its reason when the cell runs
    return []


def _words(cell: CellSpec, split: Split) -> list[str]:
    """What was decided for a file of data, whose user may want it otherwise."""
    if "path" not in cell.dataset.params:
        return []
    lines = split.description.split("; ")
    batch = cell.train.batch_for(len(split.train))
    if batch < DEFAULT_BATCH and cell.train.batch_size is None:
        lines.append(f"batches of {batch}, a quarter of the {len(split.train)} training rows (--batch-size)")
    name = Path(str(cell.dataset.params["path"])).name
    return [printable(f"{name}: {line.removeprefix(f'{name!r}: ')}", 400) for line in lines]


def _refuse_other_data(cell: CellSpec, split: Split, expected: str | None = None) -> None:
    if expected is not None and split.checksum() != expected:
        raise UsageError(
            f"{cell.dataset_label} holds other data here (checksum {split.checksum()}) than the reference results were "
            f"measured on ({expected}), and results on different data are not compared; get the data that they name, "
            "or run without --against"
        )


def refuse_samplers(registry: Registry, calls: Sequence[Call]) -> None:
    """Raise a `BenchError` where a sampler cannot be built: a value out of range, a library that is missing."""
    for place, (_, reason) in failures(registry, [("sampler", call) for call in calls]).items():
        raise PluginError(f"sampler {calls[place].name}: {reason}")
    with contained():
        built_samplers(registry, calls)


def refuse_what_is_not_there(settings: TrainSettings, device: str, here: bool) -> None:
    """Raise `UsageError` where a training asks for what a device has not: TF32 on a CPU, a compiler that works.

    Args:
        device: "cpu", "cuda" or "cuda:N". here: whether it is this machine's; another's compiler is not looked at.
    """
    if settings.precision == "tf32" and not device.startswith("cuda"):
        raise UsageError("precision tf32 needs a GPU, and this run is on the CPU; give float32 or bf16")
    if settings.compile and here:
        compiler = compiler_for(torch.device(device))
        if not compiler.works:
            why = f"--compile needs a working compiler ({compiler.reason})"
            raise UsageError(f"{why}; install one or leave --compile out")
