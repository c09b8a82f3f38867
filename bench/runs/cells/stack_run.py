"""One stack of cells from spec to results: build, train, evaluate. Writes nothing.

Runs in the main process, in a child process or on a cluster worker; the caller alone appends to the store.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.contracts.dataset import Split
from bench.contracts.variant import Variant
from bench.evaluate.control_models import CONTROLS
from bench.evaluate.evaluate import evaluate
from bench.evaluate.evaluated_model import evaluated_model
from bench.evaluate.figure_arrays import figure_arrays
from bench.posix import resource
from bench.runs.cells.cell_records import base_record, checkpoint_meta, failure_record, split_facts, weight_facts
from bench.runs.cells.isolation import contained
from bench.runs.cells.task import CellResult, StackTask
from bench.runs.cells.worker_state import Workshop, check_fit, cost_of, steps_of
from bench.spec.registry import CONTROL
from bench.store.array_files import load_tensors
from bench.train import TrainedSeed, TrainPlan, train
from bench.train.device import out_of_memory
from bench.train.loop import Checkpointer
from bench.train.stack import flops_per_step, is_convolutional, stack_width


def run_stack(
    task: StackTask,
    workshop: Workshop,
    on_step: Callable[[int, int], Any] = lambda done, steps: None,
    checkpoints: Callable[[Sequence[int]], Checkpointer | None] = lambda seeds: None,
) -> Iterator[CellResult]:
    """Run a stack and yield one result per cell, whatever happens; only KeyboardInterrupt and the like escape.

    Args:
        on_step: hears (steps done, steps) while the stack trains.
        checkpoints: gives the seeds that train together the place where their state is kept.
    """
    left = list(task.cells)
    started = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        with contained(task.threads):
            for result in _results(task, workshop, on_step, checkpoints):
                result.record["started_at"] = started
                left = [cell for cell in left if cell.cell_id != result.record["cell_id"]]
                yield result
    except (Exception, SystemExit) as error:
        for cell in left:
            yield CellResult(failure_record(task, cell, error) | {"started_at": started})


def _results(task: StackTask, workshop: Workshop, on_step, checkpoints) -> Iterator[CellResult]:
    first = task.cells[0]
    split = workshop.split(first)
    if first.is_control:
        build = CONTROLS[first.variant.name.removeprefix(CONTROL)]
        for cell in task.cells:
            model = build(split, cell.train.latent_dim, cost_of(first), cell.seed)
            yield _evaluated(task, workshop, cell, split, model, {}, None)
        return
    check_fit(first, split)
    device = torch.device(task.device)
    cost = cost_of(first)
    weights = {cell_id: Path(path) for cell_id, path in task.weights.items() if Path(path).is_file()}
    saved = [cell for cell in task.cells if cell.cell_id in weights]
    for cell in saved:
        variant = workshop.attached(cell, split, cost).to(device)
        tensors, _ = load_tensors(weights[cell.cell_id])
        own = {name: torch.as_tensor(value) for name, value in tensors.items() if not name.startswith("data.")}
        variant.load_state_dict(own)
        model = evaluated_model(variant, cell.variant_label, len(split.train), device)
        yield _evaluated(task, workshop, cell, split, model, {"n_params": _n_parameters(variant)}, None)
    fresh = [cell for cell in task.cells if cell.cell_id not in weights]
    if not fresh:
        return
    wanted = {cell.seed for cell in fresh}
    group = [replace(first, seed=seed) for seed in dict.fromkeys((*task.together, *(cell.seed for cell in fresh)))]
    probe = workshop.attached(first, split, cost)
    convolutional = is_convolutional(probe)
    width = stack_width(len(group), _n_parameters(probe), type(probe).stackable, convolutional, device)
    stacks = [group[start : start + width] for start in range(0, len(group), width)]
    stacks = [stack for stack in stacks if wanted.intersection(cell.seed for cell in stack)]
    steps = steps_of(first, split)
    for position, stack in enumerate(stacks):
        step = functools.partial(_report_step, on_step, position, len(stacks), steps)
        for cell, trained, facts in _trained(task, workshop, stack, split, cost, device, step, checkpoints):
            if cell.seed in wanted:
                yield _finished(task, workshop, cell, split, trained, facts, device)


def _report_step(on_step: Callable[[int, int], Any], position: int, stacks: int, steps: int, step: int) -> None:
    on_step((position * steps + step) // stacks, steps)


def _trained(task, workshop: Workshop, cells, split: Split, cost, device, step, checkpoints):
    """(cell, TrainedSeed, cost facts) for each of `cells`, in one stack, or one after another where that fails."""
    settings = cells[0].train
    plan = TrainPlan(
        steps=steps_of(cells[0], split),
        batch_size=settings.batch_size,
        optimizer=settings.optimizer.name,
        optimizer_params=settings.optimizer.params,
        schedule=settings.schedule.name,
        schedule_params=settings.schedule.params,
        early_stopping=settings.early_stopping,
        binarise=split.binarise,
        precision=settings.precision,
        compile=settings.compile,
    )
    train_rows, validation_rows = workshop.rows(cells[0], device)
    models = [workshop.attached(cell, split, cost).to(device) for cell in cells]
    probe = workshop.attached(cells[0], split, cost).to(device)
    flops = flops_per_step(probe, train_rows, plan.batch_size, device)
    seeds = [cell.seed for cell in cells]
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    smaller = 0
    try:
        place = checkpoints(seeds)
        trained, seconds = train(models, seeds, train_rows, validation_rows, plan, device, step, place)
    except Exception as error:
        if len(cells) == 1:
            raise
        smaller = max(1, len(cells) // 2) if out_of_memory(error) else 1
    if smaller:  # not in the handler: until it ends, the error's traceback keeps the whole stack in memory
        del models, probe
        if device.type == "cuda":
            torch.cuda.empty_cache()
        for start in range(0, len(cells), smaller):
            yield from _each(task, workshop, cells[start : start + smaller], split, cost, device, step, checkpoints)
        return
    examples = plan.steps * plan.batch_size
    facts = {
        "t_train": seconds / len(cells),
        "samples_per_second": examples * len(cells) / seconds if seconds > 0 else None,
        "flops": flops * plan.steps,
        "stack_seeds": seeds,
    }
    for cell, one in zip(cells, trained, strict=True):
        yield cell, one, facts


def _each(task, workshop, cells, split, cost, device, step, checkpoints):
    """As `_trained`, for a smaller stack after the whole one failed; a failing seed does not take the others along."""
    try:
        yield from _trained(task, workshop, cells, split, cost, device, step, checkpoints)
    except Exception as error:
        for cell in cells:
            yield cell, error, {}


def _finished(task, workshop, cell, split, trained: TrainedSeed | Exception, facts, device) -> CellResult:
    if isinstance(trained, Exception):
        return CellResult(failure_record(task, cell, trained))
    variant = trained.variant
    facts = {**facts, "n_params": _n_parameters(variant), "steps_run": trained.steps_run}
    history = {f"history_{name}": np.asarray(v, np.float32) for name, v in trained.history.items()}
    if trained.diverged_step is not None:
        reason = f"the loss or the weights became non-finite at step {trained.diverged_step}"
        record = base_record(task, cell) | facts
        record |= {"status": "diverged", "reason": reason, "diverged_step": trained.diverged_step}
        record |= {"split": split_facts(split), **weight_facts(variant)}
        return CellResult(record, arrays=history)
    model = evaluated_model(variant, cell.variant_label, len(split.train), device)
    result = _evaluated(task, workshop, cell, split, model, facts, variant)
    result.arrays |= history
    return result


def _evaluated(task, workshop: Workshop, cell, split, model, facts, variant: Variant | None) -> CellResult:
    instances, wanted = workshop.metrics(task.metrics)
    shared = workshop.shared(cell, model.cost, model.device)
    started = time.perf_counter()
    evaluation = evaluate(model, split, instances, wanted, cell.seed, shared)
    arrays = figure_arrays(model, split, cell.seed)
    record = base_record(task, cell) | facts
    record |= {
        "status": "ok",
        "split": split_facts(split),
        "t_eval": time.perf_counter() - started,
        "metrics": {name: vars(measured) for name, measured in evaluation.values.items()},
        "metric_seconds": evaluation.seconds,
        "kl_weight": model.kl_weight,
        "decoder_variance": model.decoder_variance,
        "peak_rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        "peak_cuda": torch.cuda.max_memory_allocated(model.device) if model.device.type == "cuda" else None,
    }
    tensors, meta = None, {}
    if variant is not None:
        tensors = {name: value.detach().cpu().numpy() for name, value in variant.state_dict().items()}
        meta = checkpoint_meta(task, cell, split, model)
        tensors |= {
            "data.shift": np.asarray(split.shift, np.float64),
            "data.scale": np.asarray(split.scale, np.float64),
        }
    return CellResult(record, tensors, meta, arrays)


def _n_parameters(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())
