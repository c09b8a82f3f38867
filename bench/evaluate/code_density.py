"""N(m̂, Σ̂) of a trained model's codes, and how a checkpoint keeps it: what a model without a prior draws from."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from bench.contracts.model import Model
from bench.errors import UsageError
from bench.evaluate.latent_density import GaussianFit
from bench.evaluate.model_view import View
from bench.evaluate.reference_data import SharedData
from bench.networks.weights import CODES
from bench.text import printable


def code_density(model: Model, shared: SharedData) -> GaussianFit | None:
    """The Gaussian that `coverage_fit` draws from, where a model has finite codes and no prior; else None."""
    view = View(model, shared)
    if model.prior is not None or view.lacks_source("fit") is not None or not view.codes("train").isfinite().all():
        return None
    return view.fit


def density_tensors(density: GaussianFit | None) -> dict[str, np.ndarray]:
    """What a checkpoint holds of a density, by name (`CODES`)."""
    if density is None:
        return {}
    parts = (density.mean, density.directions, density.scales)
    return {name: part.cpu().numpy() for name, part in zip(CODES, parts, strict=True)}


def density_of(tensors: Mapping[str, np.ndarray], latent_dim: int, what: str) -> GaussianFit | None:
    """The density that a checkpoint holds, or None where it holds none.

    Args:
        what: how a message names the checkpoint.

    Raises:
        UsageError: tensors that are no density of codes (N, `latent_dim`).
    """
    if not any(name in tensors for name in CODES):
        return None
    mean, directions, scales = (np.asarray(tensors.get(name, np.zeros(0))) for name in CODES)
    shapes = (mean.shape, directions.shape) == ((latent_dim,), (latent_dim, len(np.atleast_1d(scales))))
    numbers = all(part.dtype == np.float64 and np.isfinite(part).all() for part in (mean, directions, scales))
    if not (shapes and scales.ndim == 1 and numbers):
        raise UsageError(printable(f"{what} is damaged (it holds no Gaussian of codes); run it again", 600))
    return GaussianFit(*map(torch.from_numpy, (mean, directions, scales)))
