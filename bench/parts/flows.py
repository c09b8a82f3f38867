"""Invertible maps of codes with the logarithm of their volume change, and posteriors that are made with them.

A flow takes z to z' and gives ln |det ∂z'/∂z|, so that ln q(z') = ln q(z) - ln |det| (Rezende and Mohamed 2015, eq. 6).
Shapes: z (..., B, L), contexts (B, L), ln |det| (..., B).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.nn.functional import linear, logsigmoid, softplus

from bench.losses import sample_normal
from bench.parts.posteriors import normal_log_density, standard_log_density

Flow = Callable[[Tensor], tuple[Tensor, Tensor]]


def planar(z: Tensor, direction: Tensor, normal: Tensor, offset: Tensor) -> tuple[Tensor, Tensor]:
    """z + û tanh(wᵀz + b), one planar step (Rezende and Mohamed 2015, eq. 10 to 12).

    û = u + (ln(1 + e^{wᵀu}) - 1 - wᵀu) w/‖w‖² keeps wᵀû above -1 and the step invertible (appendix A.1 there).

    Args:
        z: (..., B, L).
        direction: u, (B, L). normal: w, (B, L). offset: b, () or (B,).
    """
    slope = (normal * direction).sum(-1, keepdim=True)
    size = normal.square().sum(-1, keepdim=True).clamp_min(1e-12)
    bent = direction + (softplus(slope) - 1 - slope) * normal / size
    height = torch.tanh((z * normal).sum(-1) + offset)  # (..., B)
    change = 1 + (1 - height.square()) * (bent * normal).sum(-1)
    return z + bent * height.unsqueeze(-1), change.clamp_min(1e-12).log()


class AutoregressiveStep(nn.Module):
    """z' = σ z + (1 - σ) m, with mⱼ and σⱼ of z₁ … zⱼ₋₁ and a context h (Kingma et al. 2016, algorithm 1).

    A network with one hidden layer and masked weights (Germain et al. 2015) gives m and the logit of σ, which starts
    near `forget`, so that a new step hardly moves z.
    """

    into: Tensor
    out: Tensor

    def __init__(self, latent_dim: int, hidden: int, forget: float = 2.0) -> None:
        super().__init__()
        self.first = nn.Linear(latent_dim, hidden)
        self.context = nn.Linear(latent_dim, hidden, bias=False)
        self.second = nn.Linear(hidden, 2 * latent_dim)
        with torch.no_grad():
            self.second.weight.mul_(0.1)
            self.second.bias.zero_()
            self.second.bias[latent_dim:] = forget
        places = torch.arange(latent_dim)
        degrees = torch.arange(hidden) % max(latent_dim - 1, 1)
        self.register_buffer("into", (degrees[:, None] >= places).to(torch.get_default_dtype()))
        self.register_buffer("out", (places[:, None] > degrees).repeat(2, 1).to(torch.get_default_dtype()))

    def forward(self, z: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """z (..., B, L) and h (B, L) → z' (..., B, L) and ln |det| (..., B)."""
        inner = torch.tanh(linear(z, self.first.weight * self.into, self.first.bias) + self.context(context))
        mean, gate = linear(inner, self.second.weight * self.out, self.second.bias).chunk(2, -1)
        share = torch.sigmoid(gate)
        return share * z + (1 - share) * mean, logsigmoid(gate).sum(-1)


class FlowPosterior(Distribution):
    """q(z|x): a diagonal normal taken through a flow; its density is known along its own draws.

    Args:
        mean, log_variance: of the normal, (B, L).
        flow: (S, B, L) → the same and ln |det| (S, B).
    """

    arg_constraints: dict[str, Any] = {}  # noqa: RUF012

    def __init__(self, mean: Tensor, log_variance: Tensor, flow: Flow) -> None:
        self._mean, self._log_variance, self._flow = mean, log_variance, flow
        super().__init__(mean.shape[:-1], mean.shape[-1:], validate_args=False)

    def sample_and_log_prob(self, shape=()) -> tuple[Tensor, Tensor]:
        """Draws (*shape, B, L) and their log densities (*shape, B), from torch's global generator."""
        noise = torch.randn(*shape, *self._mean.shape, dtype=self._mean.dtype, device=self._mean.device)
        return pushed(self._mean, self._log_variance, noise, self._flow)

    def rsample(self, sample_shape=()) -> Tensor:
        """Draws (*sample_shape, B, L) with gradients."""
        return self.sample_and_log_prob(sample_shape)[0]


def pushed(mean: Tensor, log_variance: Tensor, noise: Tensor, flow: Flow) -> tuple[Tensor, Tensor]:
    """The flow of μ + σ ε and its log density: noise (..., B, L) → (..., B, L) and (..., B)."""
    start = sample_normal(mean, log_variance, noise)
    z, log_change = flow(start)
    return z, normal_log_density(start, mean, log_variance).sum(-1) - log_change


def leapfrog(
    z: Tensor, momentum: Tensor, slope: Callable[[Tensor], Tensor], sizes: Tensor, cooling: Tensor
) -> tuple[Tensor, Tensor]:
    """z and ρ (..., B, L) after one leapfrog step for each row ε of `sizes` (K, L) and factor a of `cooling` (K,).

    ρ ← ρ - ½ε ∇U(z), z ← z + ε ρ, ρ ← a (ρ - ½ε ∇U(z)): volume changes by a^L, and where a = 1 the way leads back once
    ρ is turned round.

    Args:
        slope: ∇U, (..., B, L) → (..., B, L).
    """
    for size, factor in zip(sizes, cooling, strict=True):
        momentum = momentum - 0.5 * size * slope(z)
        z = z + size * momentum
        momentum = factor * (momentum - 0.5 * size * slope(z))
    return z, momentum


def cooling_roots(first: Tensor, steps: int) -> Tensor:
    """√β_0 … √β_K of the quadratic scheme from `first` up to 1 (Caterini et al. 2018, section 3.3): (K + 1,)."""
    share = torch.arange(steps + 1, device=first.device, dtype=first.dtype).square() / max(steps, 1) ** 2
    return 1 / ((1 - 1 / first) * share + 1 / first)


class HamiltonianPosterior(Distribution):
    """Draws z_K of a diagonal normal moved by a map of (z, ρ) that keeps volume, ρ ~ N(0, I).

    The density of z_K alone is not known; ln q(z₀) + ln N(ρ₀) - ln N(ρ_K) stands in for it: p(x, z_K) over its
    exponential is an unbiased weight, as with any auxiliary variable (Caterini et al. 2018, eq. 9).
    """

    arg_constraints: dict[str, Any] = {}  # noqa: RUF012

    def __init__(
        self, mean: Tensor, log_variance: Tensor, move: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
    ) -> None:
        self._mean, self._log_variance, self._move = mean, log_variance, move
        super().__init__(mean.shape[:-1], mean.shape[-1:], validate_args=False)

    def sample_and_log_prob(self, shape=()) -> tuple[Tensor, Tensor]:
        """Draws (*shape, B, L) and what stands for their log densities (*shape, B), from torch's global generator."""
        noise = torch.randn(2, *shape, *self._mean.shape, dtype=self._mean.dtype, device=self._mean.device)
        start = sample_normal(self._mean, self._log_variance, noise[0])
        z, last = self._move(start, noise[1])
        log_q = normal_log_density(start, self._mean, self._log_variance) + standard_log_density(noise[1])
        return z, (log_q - standard_log_density(last)).sum(-1)

    def sample(self, sample_shape=()) -> Tensor:
        """Draws (*sample_shape, B, L)."""
        return self.sample_and_log_prob(sample_shape)[0].detach()
