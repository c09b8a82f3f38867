"""Codes from a finite or thin set: nearest members of it, and gradients that pass through the choice."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.parts.divergences import squared_distances


def straight_through(exact: Tensor, smooth: Tensor) -> Tensor:
    """The value of `exact` with the gradient of `smooth` (Bengio et al. 2013), both of one shape."""
    return smooth + (exact - smooth).detach()


def nearest_sparse(z: Tensor, k: int) -> Tensor:
    """The nearest vector with at most k entries that are not 0: (..., L) → (..., L)."""
    places = z.abs().topk(k, dim=-1).indices
    return torch.zeros_like(z).scatter(-1, places, z.gather(-1, places))


def nearest_code(z: Tensor, codebook: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest entry of a codebook (K, L) to each z (..., L), without gradient: (..., L) and its number (...)."""
    flat = z.detach().reshape(-1, z.shape[-1])
    index = squared_distances(flat, codebook.detach()).argmin(-1)
    return codebook[index].reshape(z.shape), index.reshape(z.shape[:-1])
