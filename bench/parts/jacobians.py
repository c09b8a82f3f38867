"""The squared Frobenius norm of a Jacobian, exactly or estimated, by products of vectors with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def squared_jacobian(function: Callable[[Tensor], Tensor], at: Tensor, directions: Tensor) -> Tensor:
    """Σ_p ‖Jᵀ v_p‖² per example, J = ∂function/∂at of that example: (B,).

    Σ_p over all unit vectors is ‖J‖²_F itself (Rifai et al. 2011); for v ~ N(0, I) each term has that mean
    (Hutchinson 1990).

    Args:
        function: (B, ...) → (B, m), example by example.
        at: (B, ...).
        directions: v, (P, B, m) or (P, 1, m).
    """
    pull_back: Callable[..., Any] = torch.func.vjp(function, at)[1]
    wide = directions.expand(len(directions), len(at), directions.shape[-1])
    (rows,) = torch.vmap(pull_back)(wide)  # (P, B, ...)
    return rows.flatten(2).square().sum((0, 2))


def unit_directions(width: int, like: Tensor) -> Tensor:
    """All unit vectors of R^width as directions (width, 1, width), on the device and in the type of `like`."""
    return torch.eye(width, device=like.device, dtype=like.dtype).unsqueeze(1)
