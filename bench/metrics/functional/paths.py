"""Geometry of interpolation paths γ₀ … γ_K in data space.

With steps sₖ = ‖γₖ₊₁ - γₖ‖: arc/chord ratio A = Σs / ‖γ_K - γ₀‖, unevenness U = 1 + CV²(s) = K Σs² / (Σs)² in [1, K],
energy E = K Σs² / ‖γ_K - γ₀‖² = A² U, turning κ = the sum of angles between successive steps, jump (Berthelot et al.,
arXiv 1807.07543) = max s / Σs - 1/K.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class PathGeometry:
    """One number per path, each (P,); NaN where a path has no chord (or no length)."""

    chord: Tensor
    arc_chord: Tensor
    unevenness: Tensor
    energy: Tensor
    turning: Tensor
    jump: Tensor


def path_geometry(paths: Tensor, least_chord: Tensor | float = 0.0) -> PathGeometry:
    """Geometry of paths (P, K+1, d); a path whose chord is at most `least_chord` (scalar or (P,)) is all NaN.

    >>> straight = lerp(torch.zeros(1, 2), torch.tensor([[3.0, 4.0]]), steps=5)
    >>> round(float(path_geometry(straight).unevenness), 4)
    1.0
    """
    steps = paths[:, 1:] - paths[:, :-1]  # (P, K, d)
    lengths = steps.norm(dim=2)  # (P, K)
    K = lengths.shape[1]
    arc, chord = lengths.sum(1), (paths[:, -1] - paths[:, 0]).norm(dim=1)
    nothing = torch.full_like(chord, torch.nan)
    degenerate = chord <= torch.as_tensor(least_chord, device=chord.device)

    def kept(values: Tensor) -> Tensor:
        return torch.where(degenerate, nothing, values)

    unevenness = K * lengths.square().sum(1) / arc.square()
    return PathGeometry(
        chord=chord,
        arc_chord=kept(arc / chord),
        unevenness=kept(unevenness),
        energy=kept(K * lengths.square().sum(1) / chord.square()),
        turning=kept(_turning(steps, lengths)),
        jump=kept(lengths.max(1).values / arc - 1 / K),
    )


def _turning(steps: Tensor, lengths: Tensor) -> Tensor:
    """Σ of angles between successive non-zero steps, (P,): 2 atan2(‖u-v‖, ‖u+v‖) of unit vectors u and v."""
    tiny = 1e-6 * lengths.sum(1)
    total = torch.zeros_like(tiny)
    previous = torch.zeros_like(steps[:, 0])
    started = torch.zeros_like(tiny, dtype=torch.bool)
    for step, length in zip(steps.unbind(1), lengths.unbind(1), strict=True):
        moving = length > tiny
        unit = step / length.clamp_min(1e-30)[:, None]
        angle = 2 * torch.atan2((unit - previous).norm(dim=1), (unit + previous).norm(dim=1))
        total = torch.where(moving & started, total + angle, total)
        previous = torch.where(moving[:, None], unit, previous)
        started = started | moving
    return total


def lerp(start: Tensor, end: Tensor, steps: int) -> Tensor:
    """Points a + (k/K)(b - a), k = 0 … K, between rows of start and end (P, f): (P, K+1, f).

    >>> lerp(torch.zeros(1, 1), torch.ones(1, 1), steps=2).ravel()
    tensor([0.0000, 0.5000, 1.0000])
    """
    weights = torch.linspace(0, 1, steps + 1, device=start.device, dtype=start.dtype)[:, None]
    return start[:, None] + weights * (end - start)[:, None]
