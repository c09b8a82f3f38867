"""The score of anomalies that a variant declares: its method `anomaly_score`, in batches and held to its shape."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from bench.contracts.variant import Variant
from bench.errors import PluginError

#: Rows that are scored at a time.
BATCH_ROWS = 256


def declared_score(variant: Variant) -> Callable[[Tensor], Tensor] | None:
    """x (N, *data_shape) → (N,), how unusual `variant` finds each row; None where it declares no score of its own.

    The score raises `PluginError` where the method returns anything but one number for each row.
    """
    # No attribute of the base class, whose code decides trainings: a score decides what is measured of them alone.
    own = getattr(variant, "anomaly_score", None)
    if own is None:
        return None

    def score(x: Tensor) -> Tensor:
        with torch.no_grad():
            return torch.cat([_one_each(own(rows.clone()), rows) for rows in x.split(BATCH_ROWS)])

    return score


def _one_each(scores: Tensor, rows: Tensor) -> Tensor:
    found = tuple(getattr(scores, "shape", ()))
    if found != (len(rows),):
        raise PluginError(f"anomaly_score of {tuple(rows.shape)} has shape {found}; return one number for each row")
    return scores
