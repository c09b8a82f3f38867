"""One training outside a run, on the path of its cells: the same rows, settings and seed give the same weights."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from bench.contracts.dataset import Split
from bench.data.array_like import Names, arrange
from bench.data.counts import LOG1P, log_counts
from bench.data.labels import encode_labels
from bench.data.scaling import fit_scaling, summarise
from bench.data.split_arrays import scaled_split
from bench.data.splitting import Rows, partition
from bench.errors import Incompatible, UsageError
from bench.evaluate.code_density import code_density
from bench.evaluate.evaluated_model import evaluated_model
from bench.evaluate.reference_data import SharedData
from bench.runs.cells.cell_records import checkpoint_meta
from bench.runs.cells.isolation import contained
from bench.runs.cells.preflight import refuse_what_is_not_there
from bench.runs.cells.training import Trainer
from bench.runs.cells.worker_state import Workshop, check_trainable, steps_of
from bench.spec.cells import CellSpec
from bench.spec.registry import Registry
from bench.train import TrainedSeed
from bench.trained_model import TrainedModel


class FitError(UsageError, ValueError):
    """Data and settings from which nothing can be fitted; a `ValueError`, too, as scikit-learn raises it."""


@contextmanager
def as_fit_errors() -> Iterator[None]:
    """What aebench refuses inside is raised as a `FitError` with the same words."""
    try:
        yield
    except (UsageError, Incompatible) as error:
        raise FitError(str(error)) from error


def training_split(
    rows: np.ndarray, labels: Any, *, scale: str, validation: float, seed: int, columns: list[str] | None
) -> Split:
    """Rows (N, ...) as the training part of a split, scaled by themselves; in the order given where none is held back.

    Args:
        labels: (N,) classes, or None.
        validation: share or number of rows that are held back for early stopping, chosen by `seed`; 0 for none.

    Warns:
        UserWarning: columns that are constant and so not looked at, or that count the rows.

    Raises:
        DataError: the rows cannot be used.
    """
    names = Names(columns, what="X")
    base = arrange(rows, "X")
    if scale == LOG1P:
        base, scale = log_counts(base, names), "standard"
    codes, label_names = (None, None) if labels is None else encode_labels(labels, len(base), what="y")
    none = np.zeros(0, np.int64)
    parts = Rows(np.arange(len(base)), none, none)
    if validation:
        parts = partition(len(base), validation=validation, test=0, split_seed=seed)
    summary = summarise(base, parts.train, names)
    fitted = fit_scaling(summary, scale, base.dtype, names)
    for warning in fitted.warnings:
        warnings.warn(f"X: {warning}", stacklevel=4)
    return scaled_split(base, parts, (codes, label_names), summary, fitted, fitted.words)


def trained(registry: Registry, cell: CellSpec, split: Split, device: str, threads: int | None) -> TrainedSeed:
    """`cell` trained alone on `split`, by the trainer of runs; its model is on the CPU.

    Raises:
        FitError: what a run would skip or refuse, or a training that diverged.
    """
    place = torch.device(device)
    trainer = Trainer(
        Workshop(registry, split),
        split,
        steps_of(cell, split),
        place,
        on_step=lambda done, steps: None,
        checkpoint=lambda seeds: None,
        undisturbed=lambda reading: False,
    )
    with as_fit_errors(), contained(threads):
        check_trainable(cell, split)
        refuse_what_is_not_there(cell.train, device, here=True)
        _, outcome, _ = next(trainer.outcomes([cell], ()))
        if isinstance(outcome, Exception):
            raise outcome
    if outcome.diverged_step is not None:
        raise FitError(
            f"the training of {cell.variant_label} diverged: the loss or the weights became non-finite at step "
            f"{outcome.diverged_step}; give a smaller learning rate, e.g. optimizer='adam[lr=1e-3]', or another scale"
        )
    outcome.variant.to("cpu")
    return outcome


def as_trained_model(
    cell: CellSpec, split: Split, one: TrainedSeed, counts: bool = False
) -> tuple[TrainedModel, dict[str, Any]]:
    """The model of a training with what it is given beside its weights, and what a file says to build it again.

    Args:
        counts: whether its rows are counts (`scale="log1p"`).
    """
    model = evaluated_model(one.variant, cell.variant_label, len(split.train), torch.device("cpu"))
    density = code_density(model, SharedData(split, model.cost, model.latent_dim))
    info = {"variant": cell.variant.name, "variant_label": cell.variant_label, "seed": cell.seed}
    meta = checkpoint_meta(cell, split, model) | ({"counts": True} if counts else {})
    shift, scale = np.asarray(split.shift), np.asarray(split.scale)
    return TrainedModel(one.variant, shift, scale, info, density, counts=counts), meta
