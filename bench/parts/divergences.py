"""Divergences between codes and a prior, and statistics of a batch of codes; all survive a batch of one.

Shapes: z (B, L) codes, p (M, L) draws from the prior; means over a batch are one number for all its examples.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bench.parts.posteriors import normal_log_density

#: Scales of the inverse multiquadratic kernels, in units of the expected squared distance of prior draws (WAE's code).
SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


def coin_kl(rho: float, found: Tensor) -> Tensor:
    """KL between coins that fall on 1 with probability ρ and ρ̂: ρ ln ρ/ρ̂ + (1-ρ) ln (1-ρ)/(1-ρ̂), elementwise."""
    tiny = torch.finfo(found.dtype).tiny
    cross = rho * found.clamp_min(tiny).log() + (1 - rho) * (1 - found).clamp_min(tiny).log()
    return rho * math.log(rho) + (1 - rho) * math.log(1 - rho) - cross


def covariance(z: Tensor) -> Tensor:
    """The covariance of the rows of z (B, L), divided by B: (L, L)."""
    centred = z - z.mean(0)
    return centred.t() @ centred / len(z)


def squared_distances(one: Tensor, other: Tensor) -> Tensor:
    """‖aᵢ - bⱼ‖², never negative: (B, L), (M, L) → (B, M)."""
    squares = one.square().sum(-1).unsqueeze(1) + other.square().sum(-1)
    return (squares - 2 * one @ other.t()).clamp_min(0)


def kernel_sum(squared: Tensor, unit: float) -> Tensor:
    """Σ_s C_s / (C_s + d²) over `SCALES`, C_s = s · `unit`, elementwise (Tolstikhin et al. 2018, section 4)."""
    return sum((scale * unit / (scale * unit + squared) for scale in SCALES), torch.zeros_like(squared))


def mmd(z: Tensor, p: Tensor) -> Tensor:
    """The unbiased squared maximum mean discrepancy of z and p, both (B, L), under `kernel_sum`: ().

    Each pair's distance is computed once for all scales; C_1 = 2L, the expected squared distance of draws from N(0, I).
    A batch of one has no pairs within it: its first two means are 0.
    """
    n, unit = len(z), 2.0 * z.shape[-1]
    own = kernel_sum(squared_distances(z, z), unit) + kernel_sum(squared_distances(p, p), unit)
    pairs = own.sum() - own.diagonal().sum()
    return pairs / max(n * (n - 1), 1) - 2 * kernel_sum(squared_distances(z, p), unit).mean()


def sliced_wasserstein(z: Tensor, p: Tensor, directions: Tensor) -> Tensor:
    """Mean over directions of the squared 2-Wasserstein distance of the projections of z and p, both (B, L): ().

    Args:
        directions: (P, L), made unit vectors here.
    """
    unit = directions / torch.linalg.vector_norm(directions, dim=-1, keepdim=True)
    one, other = (points @ unit.t() for points in (z, p))  # (B, P)
    return (one.sort(0).values - other.sort(0).values).square().mean()


def cramer_wold(z: Tensor) -> Tensor:
    """The squared Cramér-Wold distance of z (B, L), L ≥ 2, and N(0, I), always above 0 (Knop et al. 2020, eq. 10): ().

    The mean over directions v of ∫ (1/B Σᵢ N(t; vᵀzᵢ, γ) - N(t; 0, 1 + γ))² dt, γ = (4/(3B))^(2/5), where the mean of
    e^{-(vᵀz)² s} over directions is taken as (1 + 4 s ‖z‖²/(2L - 3))^(-1/2).
    """
    n, scale = len(z), 2 * z.shape[-1] - 3
    gamma = (4 / (3 * n)) ** 0.4
    own = (gamma + squared_distances(z, z) / scale).rsqrt().mean()
    cross = (gamma + 0.5 + z.square().sum(-1) / scale).rsqrt().mean()
    return (own + (1 + gamma) ** -0.5 - 2 * cross) / (2 * math.sqrt(math.pi))


def aggregate_log_densities(z: Tensor, mean: Tensor, log_variance: Tensor, n_train: int) -> tuple[Tensor, Tensor]:
    """ln q(z) and Σⱼ ln q(zⱼ) of q(z) = 1/N Σ_n q(z|x_n), estimated from a batch: (B,) each.

    zᵢ is drawn from q(z|xᵢ); xᵢ counts with its share 1/N, the others of the batch share the rest, (N-1)/N/(B-1) each:
    an unbiased estimate of q(z) (the stratified weights of Chen et al. 2018, appendix C.1, averaged over which example
    is the last). A batch of one stands for q(z) itself.

    Args:
        z, mean, log_variance: (B, L).
        n_train: N, the number of training examples.
    """
    rows = len(z)
    own = torch.eye(rows, device=z.device, dtype=z.dtype)
    share = max(n_train, rows)
    weights = own / share + (1 - own) * ((share - 1) / share / max(rows - 1, 1)) if rows > 1 else own
    densities = normal_log_density(z.unsqueeze(1), mean, log_variance)  # (B, B, L)
    log_weights = weights.log().unsqueeze(-1)
    joint = (densities.sum(-1) + log_weights.squeeze(-1)).logsumexp(1)
    return joint, (densities + log_weights).logsumexp(1).sum(-1)
