"""The samplers of a run, built from their calls, and the training codes that a run keeps for fitting them again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bench.contracts.model import Model
from bench.contracts.sampler import Sampler
from bench.errors import BenchError, PluginError, UsageError, one_line
from bench.evaluate.model_view import View
from bench.evaluate.reference_data import SharedData
from bench.spec.call import Call
from bench.spec.registry import Registry
from bench.text import printable

#: The name under which a cell's arrays hold codes of training rows, (N, L) float32.
TRAINING_CODES = "training_codes"
#: Most numbers of these (4 MB).
KEPT_NUMBERS = 2**20


def built_samplers(registry: Registry, calls: Sequence[Call]) -> dict[str, Sampler]:
    """The samplers that resolved calls name, by name.

    Raises:
        UsageError: a parameter that is out of range, a library that is not installed.
        PluginError: a plugin that cannot be imported or built.
    """
    return {call.name: _built(registry, call) for call in calls}


def _built(registry: Registry, call: Call) -> Sampler:
    kind = registry.load("sampler", call.name)
    try:
        return kind(**call.params)
    except BenchError:
        raise
    except (Exception, SystemExit) as error:
        raise PluginError(f"sampler {call} cannot be built: {one_line(error)}") from error


def kept_codes(model: Model, shared: SharedData) -> dict[str, np.ndarray]:
    """What a cell's arrays hold of a model's training codes: {} where it has no encoder or they are not finite."""
    view = View(model, shared)
    if view.lacks("encode") is not None or shared.size("train") == 0:
        return {}
    codes = view.codes("train")[: max(1, KEPT_NUMBERS // model.latent_dim)]
    return {TRAINING_CODES: codes.cpu().numpy()} if bool(codes.isfinite().all()) else {}


def codes_kept(arrays: Mapping[str, np.ndarray], latent_dim: int, what: str) -> np.ndarray | None:
    """The training codes that a cell's arrays hold, or None.

    Args:
        what: how a message names the cell.

    Raises:
        UsageError: an array that cannot be codes (N, `latent_dim`).
    """
    codes = arrays.get(TRAINING_CODES)
    if codes is None:
        return None
    if codes.ndim != 2 or codes.shape[1] != latent_dim or codes.dtype != np.float32 or not np.isfinite(codes).all():
        raise UsageError(printable(f"{what} is damaged (its training codes cannot be used); run it again", 600))
    return codes
