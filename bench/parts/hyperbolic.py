"""Hyperbolic space of curvature -c in tangent coordinates at its origin, u = (distance from it) × (unit direction).

The Poincaré ball's point of u is tanh(√c ‖u‖/2) u/(√c ‖u‖), and moving by v from a point is Möbius addition of v's
point (Ungar 2008; Ganea et al. 2018, lemma 2). Shapes: (..., L).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

#: Points are kept this far from the ball's edge, in units of its radius: distances end at 2 artanh(1 - EDGE)/√c.
EDGE = 1e-6
_TINY = 1e-12


def to_ball(u: Tensor, curvature: float) -> Tensor:
    """Tangent coordinates to points of the ball of radius 1/√c."""
    root, size = math.sqrt(curvature), _length(u)
    return torch.tanh(root * size / 2) / (root * size) * u


def from_ball(point: Tensor, curvature: float) -> Tensor:
    """Points of the ball to tangent coordinates."""
    root, size = math.sqrt(curvature), _length(point)
    return 2 * torch.atanh((root * size).clamp_max(1 - EDGE)) / (root * size) * point


def mobius_sum(one: Tensor, other: Tensor, curvature: float) -> Tensor:
    """a ⊕ b of points of the ball (Ganea et al. 2018, eq. 4)."""
    product = (one * other).sum(-1, keepdim=True)
    first, second = (point.square().sum(-1, keepdim=True) for point in (one, other))
    upper = (1 + 2 * curvature * product + curvature * second) * one + (1 - curvature * first) * other
    return upper / (1 + 2 * curvature * product + curvature**2 * first * second).clamp_min(_TINY)


def log_volume(u: Tensor, curvature: float) -> Tensor:
    """ln of hyperbolic volume over that of tangent coordinates, (L-1) ln sinh(√c ‖u‖)/(√c ‖u‖): (..., L) → (...)."""
    r = math.sqrt(curvature) * _length(u).squeeze(-1)
    # ln sinh r/r = r + ln (1 - e^{-2r})/(2r)
    return (u.shape[-1] - 1) * (r + (-torch.expm1(-2 * r) / (2 * r)).log())


def shifted(v: Tensor, mean: Tensor, curvature: float) -> tuple[Tensor, Tensor]:
    """v moved from the origin to μ, in tangent coordinates, and ln |det ∂/∂v|: v (..., B, L), μ (B, L).

    The move keeps hyperbolic volume, so that the determinant is the ratio of both volume factors.
    """
    point = mobius_sum(to_ball(mean, curvature), to_ball(v, curvature), curvature)
    z = from_ball(point, curvature)
    return z, log_volume(v, curvature) - log_volume(z, curvature)


def _length(u: Tensor) -> Tensor:
    """‖u‖ with dimension kept, above 0 so that its gradient is finite at the origin: (..., 1)."""
    return (u.square().sum(-1, keepdim=True) + _TINY).sqrt()
