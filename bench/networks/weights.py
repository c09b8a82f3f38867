"""Saved weights given to a model, after a look whether they can be what a training left."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from bench.errors import UsageError
from bench.text import printable

#: How a row of the user's data becomes one of the model's: (row - shift) / scale.
SCALING = ("data.shift", "data.scale")
#: N(m̂, Σ̂) of the training codes: mean, directions and their scales (`bench.evaluate.code_density`).
CODES = ("data.code_mean", "data.code_directions", "data.code_scales")


def give_weights(model: nn.Module, tensors: Mapping[str, np.ndarray], what: str) -> None:
    """Loads the tensors of a checkpoint into `model`.

    Args:
        model: laid out as the one that was saved.
        tensors: of the checkpoint, `SCALING` (a scale may be infinite: that of a constant column) and perhaps `CODES`
            among them.
        what: how a message names the checkpoint.

    Raises:
        UsageError: tensors that are missing, too many, of another shape or type; weights that are not finite; a shift
            or scale that is missing or cannot be one.
    """
    own = {name: torch.as_tensor(value) for name, value in tensors.items() if name not in SCALING + CODES}
    now = model.state_dict()
    types = [name for name, value in own.items() if name in now and value.dtype != now[name].dtype]
    parameters = dict(model.named_parameters())
    infinite = [name for name in parameters if name in own and not own[name].isfinite().all()]
    shift, scale = (tensors.get(name, np.full((), np.nan)) for name in SCALING)
    if types:
        why = f"{types[0]} is {own[types[0]].dtype}, not {now[types[0]].dtype}"
    elif infinite:
        why = f"{infinite[0]} holds values that are not finite"
    elif not (shift.dtype.kind == scale.dtype.kind == "f" and np.isfinite(shift).all() and not np.isnan(scale).any()):
        why = "data.shift or data.scale is missing or not a number"
    else:
        try:
            model.load_state_dict(own)
            return
        except RuntimeError as error:
            why = "it does not fit the model: " + " ".join(str(error).split())
    raise UsageError(printable(f"{what} is damaged ({why})", 600))
