"""The von Mises-Fisher distribution on the unit sphere of R^L: density, KL from the uniform law, draws with gradients.

q(z) ∝ e^{κ μᵀz} for unit vectors μ and z. The cosine w = μᵀz has density ∝ e^{κw} (1 - w²)^{(L-3)/2}, whose integral
Z(κ) is a Gauss-Jacobi sum; the rest of z is uniform around μ. By scipy's Bessel functions ln Z is right to 1e-8 for
κ ≤ `LARGEST_KAPPA` at L ≤ 64.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from scipy.special import roots_jacobi
from torch import Tensor, nn
from torch.distributions import Distribution

#: Concentrations are kept below this.
LARGEST_KAPPA = 1e3
#: Points of the sums: over all cosines, and above a given one.
NODES, TAIL_NODES = 300, 40
#: Proposals per draw; each is taken with probability .65 or more, so that one draw in 10⁷ takes a refused one.
PROPOSALS = 16


class Cosine(nn.Module):
    """The law of w = μᵀz: its normaliser, mean and draws, for dimension L ≥ 2; κ is (B,)."""

    nodes: Tensor
    tail: Tensor

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.dimension = dimension
        self.exponent = (dimension - 3) / 2
        self.register_buffer("nodes", _jacobi(NODES, self.exponent, self.exponent))
        self.register_buffer("tail", _jacobi(TAIL_NODES, 0.0, self.exponent))

    def log_normaliser(self, kappa: Tensor) -> Tensor:
        """ln Z(κ) = ln ∫ e^{κw} (1-w²)^{(L-3)/2} dw: (B,) → (B,)."""
        w, log_weights = self.nodes.to(kappa.dtype)
        return (log_weights + kappa.unsqueeze(-1) * w).logsumexp(-1)

    def mean(self, kappa: Tensor) -> Tensor:
        """E w = d ln Z/dκ: (B,) → (B,)."""
        w, log_weights = self.nodes.to(kappa.dtype)
        return ((log_weights + kappa.unsqueeze(-1) * w).softmax(-1) * w).sum(-1)

    def kl(self, kappa: Tensor) -> Tensor:
        """KL(q ‖ uniform) = κ E w - ln Z(κ) + ln Z(0), in nats: (B,) → (B,)."""
        return kappa * self.mean(kappa) - self.log_normaliser(kappa) + self.log_normaliser(torch.zeros_like(kappa))

    def draw(self, kappa: Tensor, normal: Tensor, uniform: Tensor) -> Tensor:
        """Draws of w (B,) by Wood's rejection (1994), with the gradient dw/dκ at a fixed quantile.

        Args:
            kappa: (B,). normal: (P, B, L) and uniform: (P, B), the numbers behind P proposals.
        """
        with torch.no_grad():
            w = self._accepted(kappa, normal, uniform)
            slope = self._slope(w, kappa)
        return w + slope * (kappa - kappa.detach())

    def _accepted(self, kappa: Tensor, normal: Tensor, uniform: Tensor) -> Tensor:
        rest = self.dimension - 1
        beta = 0.5 + 0.5 * normal[..., 0] / torch.linalg.vector_norm(normal, dim=-1)  # Beta((L-1)/2, (L-1)/2)
        b = rest / (2 * kappa + (4 * kappa.square() + rest**2).sqrt())
        centre = (1 - b) / (1 + b)
        most = kappa * centre + rest * torch.log1p(-centre.square())
        w = (1 - (1 + b) * beta) / (1 - (1 - b) * beta)
        taken = kappa * w + rest * torch.log1p(-centre * w) - most >= uniform.log()
        return w.gather(0, taken.to(torch.uint8).argmax(0, keepdim=True)).squeeze(0)

    def _slope(self, w: Tensor, kappa: Tensor) -> Tensor:
        """dw/dκ = ∫_w^1 (t - E w) f(t) dt / f(w), f the density of w: implicit reparametrisation (Figurnov 2018)."""
        nodes, log_weights = self.tail.to(kappa.dtype)
        share = 0.5 * (1 + nodes)  # in [0, 1], with weight share^exponent
        t = 1 - (1 - w).unsqueeze(-1) * share
        log_ratio = (
            kappa.unsqueeze(-1) * (t - w.unsqueeze(-1)) + self.exponent * ((1 + t) / (1 + w.unsqueeze(-1))).log()
        )
        scale = -(self.exponent + 1) * math.log(2)
        terms = (log_weights + log_ratio + scale).exp() * (t - self.mean(kappa).unsqueeze(-1))
        return (1 - w) * terms.sum(-1)


def _jacobi(count: int, alpha: float, beta: float) -> Tensor:
    """Nodes and logarithms of weights of ∫ f(t) (1-t)^α (1+t)^β dt over [-1, 1], (2, count) float64."""
    nodes, weights = (torch.from_numpy(values) for values in roots_jacobi(count, alpha, beta))
    return torch.stack([nodes, weights.clamp_min(1e-300).log()])


def around(mean: Tensor, w: Tensor, normal: Tensor) -> Tensor:
    """The unit vector at cosine w from μ, in the direction of a normal vector: (B, L), (B,), (B, L) → (B, L)."""
    tangent = unit(normal - (normal * mean).sum(-1, keepdim=True) * mean)
    return w.unsqueeze(-1) * mean + (1 - w.square()).clamp_min(0).sqrt().unsqueeze(-1) * tangent


def unit(z: Tensor) -> Tensor:
    """z over its length: (..., L); 0 stays 0."""
    return z / torch.linalg.vector_norm(z, dim=-1, keepdim=True).clamp_min(1e-12)


def log_area(dimension: int) -> float:
    """ln of the area of the unit sphere of R^dimension."""
    return math.log(2) + dimension / 2 * math.log(math.pi) - math.lgamma(dimension / 2)


class VonMisesFisher(Distribution):
    """q(z|x) on the sphere: mean directions (B, L), concentrations (B,)."""

    arg_constraints: dict[str, Any] = {}  # noqa: RUF012

    def __init__(self, direction: Tensor, kappa: Tensor, cosine: Cosine) -> None:
        self.direction, self.kappa, self._cosine = direction, kappa, cosine
        super().__init__(direction.shape[:-1], direction.shape[-1:], validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """ln q(z) with respect to area: (..., B, L) → (..., B)."""
        uniform = self._cosine.log_normaliser(torch.zeros_like(self.kappa)) - log_area(self._cosine.dimension)
        return self.kappa * (value * self.direction).sum(-1) - self._cosine.log_normaliser(self.kappa) + uniform

    def sample(self, sample_shape=()) -> Tensor:
        """Draws (*sample_shape, B, L), from torch's global generator."""
        count = math.prod(sample_shape)
        direction, kappa = (value.expand(count, *value.shape) for value in (self.direction, self.kappa))
        flat = torch.randn(PROPOSALS + 1, *direction.shape, dtype=kappa.dtype, device=kappa.device)
        uniform = torch.rand(PROPOSALS, *kappa.shape, dtype=kappa.dtype, device=kappa.device)
        w = self._cosine.draw(kappa, flat[1:], uniform)
        return around(direction, w, flat[0]).reshape(*sample_shape, *self.direction.shape).detach()


class UniformOnSphere(Distribution):
    """The uniform distribution on the unit sphere of R^L, event (L,), in the type of `like`."""

    arg_constraints: dict[str, Any] = {}  # noqa: RUF012

    def __init__(self, dimension: int, like: Tensor) -> None:
        self._like = like.detach().new_zeros(())
        super().__init__(torch.Size(), torch.Size((dimension,)), validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """-ln of the sphere's area, (...)."""
        return torch.full_like(value[..., 0], -log_area(self.event_shape[0]))

    def sample(self, sample_shape=()) -> Tensor:
        """Draws (*sample_shape, L), from torch's global generator."""
        shape = (*sample_shape, *self.event_shape)
        return unit(torch.randn(shape, dtype=self._like.dtype, device=self._like.device))
