"""Codes from a finite or thin set: nearest members of it, and gradients that pass through the choice."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def straight_through(exact: Tensor, smooth: Tensor) -> Tensor:
    """The value of `exact` with the gradient of `smooth` (Bengio et al. 2013), both of one shape."""
    return smooth + (exact - smooth).detach()


def nearest_sparse(z: Tensor, k: int) -> Tensor:
    """The nearest vector with at most k entries that are not 0: (..., L) → (..., L)."""
    places = z.abs().topk(k, dim=-1).indices
    return torch.zeros_like(z).scatter(-1, places, z.gather(-1, places))


def nearest_code(z: Tensor, codebook: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest of K codes in each of G parts of z, looked up, and their numbers: (..., L) and (..., G).

    Args:
        z: (..., L); no gradient goes to it.
        codebook: (G, K, L/G); gradients of the result go to the codes that were chosen.
    """
    groups, _, width = codebook.shape
    parts, codes = z.detach().reshape(-1, groups, width), codebook.detach()
    # ‖z - e‖² without ‖z‖², which is the same for all codes
    distances = codes.square().sum(-1) - 2 * torch.einsum("ngl,gkl->ngk", parts, codes)
    index = distances.argmin(-1)  # (n, G)
    chosen = codebook[torch.arange(groups, device=z.device), index]  # (n, G, L/G)
    return chosen.reshape(z.shape), index.reshape(*z.shape[:-1], groups)


def code_averages(z: Tensor, index: Tensor, codebook: Tensor, counts: Tensor, decay: float) -> tuple[Tensor, Tensor]:
    """Codebook (G, K, L/G) and counts (G, K) after a batch of codes z (B, L) chose `index` (B, G).

    With n_k the number of choices, N_k ← γ N_k + (1-γ) n_k and e_k ← (γ N_k e_k + (1-γ) Σ z)/N_k' for codes that were
    chosen: with γ = 0 a step of k-means. The others keep both.
    """
    groups, size, width = codebook.shape
    choice = one_hot(index, size, z)  # (B, G, K)
    found = choice.sum(0)
    sums = torch.einsum("bgk,bgl->gkl", choice, z.reshape(-1, groups, width))
    chosen = found > 0
    counted = torch.where(chosen, decay * counts + (1 - decay) * found, counts)
    kept, share = (decay * counts / counted).unsqueeze(-1), ((1 - decay) / counted).unsqueeze(-1)
    return torch.where(chosen.unsqueeze(-1), kept * codebook + share * sums, codebook), counted


def grid_codes(z: Tensor, levels: int) -> Tensor:
    """Each entry at the nearest of `levels` values (i - ⌊n/2⌋)/⌊n/2⌋, i = 0 … n - 1: any shape."""
    half = levels // 2
    return (z * half).round().clamp(-half, (levels - 1) // 2) / half


def bounded(z: Tensor, levels: int) -> Tensor:
    """Each entry squeezed by a tanh into the range of `grid_codes`, 0 staying 0 (Mentzer et al. 2024, appendix A.1).

    Rounding spreads the real line over all `levels`: the range ends within half a step of the outer values.
    """
    half, width = levels // 2, (levels - 1) * (1 + 1e-3) / 2
    offset = 0.5 if levels % 2 == 0 else 0.0
    shift = math.atanh(offset / width)
    return (torch.tanh(z + shift) * width - offset) / half


def one_hot(index: Tensor, size: int, like: Tensor) -> Tensor:
    """One-hot vectors (..., size) of numbers (...), in the type of `like`."""
    return (index.unsqueeze(-1) == torch.arange(size, device=like.device)).to(like.dtype)


def signs(z: Tensor) -> Tensor:
    """1 for entries of at least 0 and -1 for the others, in the type of z: any shape."""
    return torch.where(z >= 0, torch.ones_like(z), -torch.ones_like(z))


def bit_entropy(p: Tensor) -> Tensor:
    """-p ln p - (1-p) ln (1-p), elementwise; 0 at 0 and 1, with a finite gradient."""
    tiny = torch.finfo(p.dtype).tiny
    return -p * p.clamp_min(tiny).log() - (1 - p) * (1 - p).clamp_min(tiny).log()
