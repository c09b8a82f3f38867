"""Effective rank of a decoder under a code density: exp(entropy) of the normalised eigenvalues of Σ_z E[JᵀJ]."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_CHUNK_NUMBERS = 2**22


def pullback_metric(decode: Callable[[Tensor], Tensor], codes: Tensor) -> Tensor:
    """G = E[JᵀJ] over codes (n, L), by L Jacobian-vector products each: (L, L) float64.

    The products come from differentiating a vector-Jacobian product, which needs no forward-mode rule of the decoder's
    layers. A decoder that autograd cannot differentiate counts as constant.

    >>> pullback_metric(lambda z: 2 * z, torch.zeros(3, 2))
    tensor([[4., 0.],
            [0., 4.]], dtype=torch.float64)
    """
    L = codes.shape[1]
    with torch.no_grad():
        d = decode(codes[:1]).numel()
    size = max(1, _CHUNK_NUMBERS // (L * max(d, L)))
    total = torch.zeros(L, L, dtype=torch.float64, device=codes.device)
    directions = torch.eye(L, device=codes.device)
    for chunk in codes.split(size):
        points = chunk.repeat_interleave(L, 0)  # (n L, L)
        tangents = directions.repeat(len(chunk), 1)
        _, columns = torch.autograd.functional.jvp(lambda z: decode(z).reshape(len(z), -1), points, tangents)
        jacobians = columns.reshape(len(chunk), L, d).double()
        total += torch.einsum("nid,njd->ij", jacobians, jacobians)
    return total / len(codes)


def effective_rank(covariance: Tensor, pullback: Tensor) -> float | None:
    """exp(entropy) of the normalised eigenvalues of covariance · pullback, both (L, L); None when all are 0.

    >>> round(effective_rank(torch.eye(3), torch.eye(3)), 6)
    3.0
    """
    values, vectors = torch.linalg.eigh(covariance.double().reshape(pullback.shape))
    root = vectors * values.clamp_min(0).sqrt()
    spectrum = torch.linalg.eigvalsh(root.T @ pullback.double() @ root).clamp_min(0)
    total = float(spectrum.sum())
    if total <= 0:
        return None
    shares = spectrum / total
    return float(torch.exp(-torch.special.xlogy(shares, shares).sum()))
