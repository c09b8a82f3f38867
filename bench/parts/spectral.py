"""The largest singular value of weights by power iteration (Miyato et al. 2018, arXiv 1802.05957, algorithm 1)."""

from __future__ import annotations

import torch
from torch import Tensor

_TINY = 1e-12


def spectral_norm(weight: Tensor, left: Tensor) -> tuple[Tensor, Tensor]:
    """σ(W) from one step of power iteration, and the left vector after it: (), (m,).

    v = Wᵀu/‖Wᵀu‖, u' = Wv/‖Wv‖, σ = u'ᵀ W v with u' and v held fixed, so that ∂σ/∂W = u' vᵀ.

    Args:
        weight: W, (m, ...), flattened behind its first dimension.
        left: u, (m,), of unit length.
    """
    matrix = weight.flatten(1)
    with torch.no_grad():
        right = _unit(matrix.t().mv(left))
        left = _unit(matrix.mv(right))
    return left.dot(matrix.mv(right)), left


def _unit(vector: Tensor) -> Tensor:
    return vector / torch.linalg.vector_norm(vector).clamp_min(_TINY)
