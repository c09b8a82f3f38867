"""Evaluates one cell's model: measurements, arrays for figures, and what its checkpoint holds."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from bench.contracts.dataset import Split
from bench.contracts.model import Model
from bench.contracts.variant import Variant
from bench.cores import Reading, undisturbed
from bench.evaluate.code_density import code_density, density_tensors
from bench.evaluate.evaluate import evaluate
from bench.evaluate.evaluated_model import evaluated_model
from bench.evaluate.figure_arrays import figure_arrays
from bench.evaluate.reference_data import SharedData
from bench.evaluate.samplers import built_samplers, kept_codes
from bench.posix import resource
from bench.runs.cells.cell_records import base_record, checkpoint_meta, split_facts
from bench.runs.cells.task import CellResult, StackTask
from bench.spec.call import format_call
from bench.spec.registry import Registry

if TYPE_CHECKING:
    from bench.runs.cells.worker_state import Workshop
    from bench.spec.cells import CellSpec


def variant_result(
    task: StackTask, workshop: Workshop, cell: CellSpec, split: Split, variant: Variant, facts: dict[str, Any]
) -> CellResult:
    """The result of a trained variant, its weights included; `facts` go into its record."""
    model = evaluated_model(variant, cell.variant_label, len(split.train), torch.device(task.device))
    result = model_result(task, workshop, cell, split, model)
    density = None
    with contextlib.suppress(Exception):  # a model that cannot be called is a result; its metrics say why
        density = code_density(model, _shared(task, workshop, cell, split, model))
    tensors = {name: value.detach().cpu().numpy() for name, value in variant.state_dict().items()}
    tensors |= {"data.shift": np.asarray(split.shift, np.float64), "data.scale": np.asarray(split.scale, np.float64)}
    tensors |= density_tensors(density)
    facts = facts | {"timing_valid": facts.get("timing_valid", True) and result.record["timing_valid"]}
    return CellResult(result.record | facts, tensors, checkpoint_meta(cell, split, model), result.arrays)


def model_result(task: StackTask, workshop: Workshop, cell: CellSpec, split: Split, model: Model) -> CellResult:
    """The result of a model as it stands, without weights."""
    instances, wanted = _metrics(workshop.registry, task)
    samplers = built_samplers(workshop.registry, task.samplers)
    shared = _shared(task, workshop, cell, split, model)
    began = Reading()
    evaluation = evaluate(model, split, instances, wanted, cell.seed, shared, samplers)
    arrays = figure_arrays(model, split, cell.seed)
    with contextlib.suppress(Exception):  # as above
        arrays |= kept_codes(model, shared) if samplers else {}
    record = base_record(task, cell) | {
        "status": "ok",
        "split": split_facts(split),
        "t_eval": Reading().wall - began.wall,
        "timing_valid": timing_valid(task, began),
        "metrics": {name: vars(measured) for name, measured in evaluation.values.items()},
        "metric_seconds": evaluation.seconds,
        "kl_weight": model.kl_weight,
        "decoder_variance": model.decoder_variance,
        "peak_rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        "peak_cuda": torch.cuda.max_memory_allocated(model.device) if model.device.type == "cuda" else None,
    }
    return CellResult(record, arrays=arrays)


def _shared(task: StackTask, workshop: Workshop, cell: CellSpec, split: Split, model: Model) -> SharedData:
    asked = (cell.train.latent_dim, model.device, task.likelihood_rows)
    key = (format_call(cell.dataset), str(model.cost), *asked)
    return workshop.held("shared", key, lambda: SharedData(split, model.cost, *asked))


def timing_valid(task: StackTask, began: Reading) -> bool:
    """Whether the stack's process had its cores since `began`; unknown where several stacks share them."""
    return task.workers is not None and undisturbed(began, Reading(), task.threads or torch.get_num_threads())


def _metrics(registry: Registry, task: StackTask) -> tuple[list[Any], set[str]]:
    """Metric instances and the names of the values that are wanted."""
    chosen, options = registry.metrics_for(task.metrics, task.samplers), registry.metric_options(task.metrics)
    instances = [registry.load("metric", name)(**options.get(name, {})) for name, _ in chosen]
    return instances, {value for _, values in chosen for value in values}
