"""Records of cells: what was asked, what became of it, and what a checkpoint needs to be loaded again."""

from __future__ import annotations

import traceback as tracebacks
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from bench.contracts.dataset import Split, value_range
from bench.contracts.model import Model
from bench.contracts.variant import Variant
from bench.errors import BenchError, Incompatible, one_line
from bench.spec.call import format_call
from bench.spec.cells import CellSpec
from bench.text import printable
from bench.train.device import out_of_memory

if TYPE_CHECKING:
    from bench.runs.cells.task import StackTask

#: Characters of a traceback that a record keeps.
TRACEBACK_CHARACTERS = 4000


def checkpoint_meta(cell: CellSpec, split: Split, model: Model) -> dict[str, Any]:
    """Whose model it is, and what is needed to build it again and give it the user's own rows."""
    return {
        "cell_id": cell.cell_id,
        "variant": format_call(cell.variant),
        "dataset": format_call(cell.dataset),
        "seed": cell.seed,
        "train": cell.train.to_dict(),
        "data_shape": list(split.data_shape),
        "n_train": len(split.train),
        "n_classes": split.n_classes,
        "kl_weight": model.kl_weight,
        "label": cell.variant_label,
    }


def base_record(task: StackTask, cell: CellSpec) -> dict[str, Any]:
    """What every record of a cell holds, whatever became of it."""
    return {
        "cell_id": cell.cell_id,
        "stack_id": cell.stack_id,
        "variant": cell.variant.name,
        "variant_params": cell.variant.params,
        "variant_label": cell.variant_label,
        "dataset": cell.dataset.name,
        "dataset_params": cell.dataset.params,
        "dataset_label": cell.dataset_label,
        "seed": cell.seed,
        "split_number": cell.split_number,
        "engine": task.engine,
        "device": task.device,
        "num_threads": task.threads or torch.get_num_threads(),
        "workers": task.workers,
        "timing_valid": False,
        "metrics": {},
    }


def failure_record(task: StackTask, cell: CellSpec, error: BaseException) -> dict[str, Any]:
    """The record of a cell that ended in `error`: skipped, oom or error, with type, message and traceback's tail."""
    status = "error"
    if isinstance(error, Incompatible):
        status = "skipped"
    elif out_of_memory(error):
        status = "oom"
    reason = _batch_of_one(error, cell) or one_line(error, bare=isinstance(error, BenchError))
    record = base_record(task, cell) | {"status": status, "reason": reason}
    if status == "skipped":
        return record
    text = "".join(tracebacks.format_exception(error))
    return record | {
        "error_type": type(error).__name__,
        "error": printable(str(error), 1000),
        "traceback": text[-TRACEBACK_CHARACTERS:],
    }


#: Layers that take their statistics from the batch.
_OVER_BATCH = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm, nn.InstanceNorm1d, nn.InstanceNorm2d)


def _batch_of_one(error: BaseException, cell: CellSpec) -> str:
    """What torch's "Expected more than 1 value per channel" means: which layer, which batch, what to do; else ""."""
    if not (isinstance(error, ValueError) and "more than 1 value per channel" in str(error)):
        return ""
    frames = [frame.f_locals.get("self") for frame, _ in tracebacks.walk_tb(error.__traceback__)]
    layers = [str(layer) for layer in frames if isinstance(layer, _OVER_BATCH)]
    layer = layers[-1] if layers else "a normalisation over the batch"
    size = cell.train.batch_size
    at = f"at --batch-size {size}" if size else "at the batch that follows from their number"
    return printable(
        f"{layer} needs more than one example in a batch, and "
        + (f"the last batch of an epoch has one {at}" if size != 1 else "--batch-size is 1")
        + "; give a batch size that leaves no single row over, or use LayerNorm or GroupNorm instead"
    )


def split_facts(split: Split) -> dict[str, Any]:
    """Sizes, shape and checksum of the data."""
    return {
        "n_train": len(split.train),
        "n_validation": len(split.validation),
        "n_test": len(split.test),
        "data_shape": list(split.data_shape),
        "checksum": _facts(split)[0],
        "largest": _facts(split)[1],
        "description": printable(split.description, 800),
    }


_FACTS: dict[int, tuple[Split, tuple[str, float]]] = {}


def _facts(split: Split) -> tuple[str, float]:
    """The checksum and the largest magnitude, found once for consecutive cells."""
    held = _FACTS.get(id(split))
    if held is None or held[0] is not split:
        _FACTS.clear()
        largest = max(map(abs, value_range(split, whole=False)))
        _FACTS[id(split)] = held = (split, (split.checksum(), largest))
    return held[1]


def weight_facts(variant: Variant) -> dict[str, Any]:
    """λ and s² of a variant."""
    variance = variant.decoder_variance
    return {"kl_weight": variant.kl_weight_value, "decoder_variance": None if variance is None else float(variance)}
