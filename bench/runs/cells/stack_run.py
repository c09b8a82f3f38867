"""One stack of cells from spec to results: build, train, evaluate. Writes nothing.

Runs in the main process, in a child process or on a cluster worker; the caller alone appends to the store.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.contracts.dataset import Split
from bench.contracts.variant import Variant
from bench.cores import Reading
from bench.errors import PluginError, UsageError
from bench.evaluate.baselines import BASELINES
from bench.evaluate.control_models import CONTROLS
from bench.networks.build import cost_of
from bench.networks.weights import give_weights
from bench.provenance.data_files import digest_of
from bench.runs.cells.cell_records import base_record, failure_record, split_facts, weight_facts
from bench.runs.cells.evaluation import model_result, timing_valid, variant_result
from bench.runs.cells.isolation import contained
from bench.runs.cells.task import CellResult, StackTask
from bench.runs.cells.training import Trainer, n_parameters
from bench.runs.cells.worker_state import Workshop, check_fit, steps_of
from bench.runs.fingerprints import Fingerprints
from bench.spec.call import format_call
from bench.spec.cells import CellSpec
from bench.spec.registry import CONTROL
from bench.store.array_files import load_tensors
from bench.store.identity import refuse_foreign
from bench.train import TrainedSeed
from bench.train.loop import Checkpointer

#: Models that somebody might take instead of a variant, so that what fitting them costs stands beside its training.
FITTED = ("pca", *BASELINES)
#: Given the seeds that train together and a digest of their data's files, the place where their state is kept.
Places = Callable[[Sequence[int], str], Checkpointer | None]


def run_stack(
    task: StackTask,
    workshop: Workshop,
    on_step: Callable[[int, int], Any] = lambda done, steps: None,
    checkpoints: Places = lambda seeds, data: None,
) -> Iterator[CellResult]:
    """Run a stack and yield one result per cell, whatever happens; only KeyboardInterrupt and the like escape.

    Args:
        on_step: hears (steps done, steps) while the stack trains.
        checkpoints: gives the seeds that train together the place where their state is kept.
    """
    left = list(task.cells)
    started = datetime.now(UTC).isoformat(timespec="seconds")

    def dated(result: CellResult) -> CellResult:
        result.record["started_at"] = started
        result.data_files = workshop.data_files(task.cells[0])
        return result

    try:
        with contained(task.threads):
            for result in _results(task, workshop, on_step, checkpoints):
                left = [cell for cell in left if cell.cell_id != result.record["cell_id"]]
                yield dated(result)
    except (Exception, SystemExit) as error:
        for cell in left:
            yield dated(CellResult(failure_record(task, cell, error)))


def _results(task: StackTask, workshop: Workshop, on_step, checkpoints: Places) -> Iterator[CellResult]:
    first = task.cells[0]
    _refuse_other_code(task, workshop)
    split = workshop.split(first)
    if first.is_control:
        name = first.variant.name.removeprefix(CONTROL)
        build = {**CONTROLS, **BASELINES}[name]
        for cell in task.cells:
            began = Reading()
            model = build(split, cell.train.latent_dim, cost_of(cell.train), cell.seed)
            fitted = {"t_train": Reading().wall - began.wall} if name in FITTED else {}
            result = model_result(task, workshop, cell, split, model)
            result.record |= fitted
            yield result
        return
    check_fit(first, split)
    device = torch.device(task.device)
    weights = {cell_id: Path(path) for cell_id, path in task.weights.items() if Path(path).is_file()}
    notes: dict[str, str] = {}
    for cell in task.cells:
        if cell.cell_id in weights:
            again = _evaluated_again(task, workshop, cell, split, weights[cell.cell_id])
            if isinstance(again, UsageError):  # of this cell's file alone: neighbours are evaluated, it is trained
                notes[cell.cell_id] = f"{again}; that cell is trained again"
                del weights[cell.cell_id]
            else:
                yield again
    fresh = [cell for cell in task.cells if cell.cell_id not in weights]
    if not fresh:
        return
    trainer = Trainer(
        workshop,
        split,
        steps_of(first, split),
        device,
        on_step,
        checkpoint=lambda seeds: checkpoints(seeds, digest_of(workshop.data_files(first))),
        undisturbed=functools.partial(timing_valid, task),
    )
    for cell, trained, facts in trainer.outcomes(fresh, task.together):
        result = _finished(task, workshop, cell, split, trained, facts)
        result.note = notes.get(cell.cell_id, "")
        yield result


def _refuse_other_code(task: StackTask, workshop: Workshop) -> None:
    """Raise `PluginError` where files hold other code than the run was planned with, whose hash its results would bear.

    Plugins are imported when they are first needed, which in a long run is long after it was planned.
    """
    if not task.code_hash:
        return
    here = Fingerprints(workshop.registry, task.metrics, task.likelihood_rows, task.samplers)
    same = here.code_hash(task.cells[0]) == task.code_hash
    if not same or here.metrics_hash != task.metrics_hash:
        what = "a metric" if same else "its code"
        raise PluginError(
            f"{what} was changed after this run began; what is done keeps the earlier code's numbers: "
            "run the same command again"
        )


def _evaluated_again(
    task: StackTask, workshop: Workshop, cell: CellSpec, split: Split, path: Path
) -> CellResult | UsageError:
    """The result of saved weights, which stay where they are, or why they are not this cell's, or not whole."""
    try:
        variant = workshop.attached(cell, split).to(torch.device(task.device))
        try:
            _take_weights(variant, cell, path)
        except UsageError as error:
            return error
        result = variant_result(task, workshop, cell, split, variant, {"n_params": n_parameters(variant)})
    except (Exception, SystemExit) as error:
        return CellResult(failure_record(task, cell, error))
    return CellResult(result.record, arrays=result.arrays)


def _take_weights(variant: Variant, cell: CellSpec, path: Path) -> None:
    tensors, meta = load_tensors(path)
    calls = {"variant": format_call(cell.variant), "dataset": format_call(cell.dataset)}
    refuse_foreign(meta, {"cell_id": cell.cell_id, "seed": cell.seed, **calls}, path)
    give_weights(variant, tensors, str(path))


def _finished(
    task: StackTask,
    workshop: Workshop,
    cell: CellSpec,
    split: Split,
    trained: TrainedSeed | Exception,
    facts: dict[str, Any],
) -> CellResult:
    if isinstance(trained, Exception):
        return CellResult(failure_record(task, cell, trained))
    variant = trained.variant
    facts = {**facts, "n_params": n_parameters(variant), "steps_run": trained.steps_run}
    history = {f"history_{name}": np.asarray(v, np.float32) for name, v in trained.history.items()}
    if trained.diverged_step is not None:
        reason = f"the loss or the weights became non-finite at step {trained.diverged_step}"
        record = base_record(task, cell) | facts
        record |= {"status": "diverged", "reason": reason, "diverged_step": trained.diverged_step}
        record |= {"split": split_facts(split), **weight_facts(variant)}
        return CellResult(record, arrays=history)
    result = variant_result(task, workshop, cell, split, variant, facts)
    result.arrays |= history
    return result
