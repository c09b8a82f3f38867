"""Hyperbolic VAE: min Σ E_q[cost(Θ(Z), xᵢ) + λ ln q(Z|xᵢ)/p(Z)] on a space of curvature -c (Mathieu et al. 2019).

Codes are tangent coordinates at the origin, all of R^L, in which the prior, a wrapped normal, is N(0, I). A draw is the
Möbius sum of the mean μ(x) and a normal vector v ~ N(0, diag σ²(x)), both as points of the Poincaré ball: v carried
from the origin to μ along their geodesic, and followed from there (Nagano et al. 2019). For c → 0 this is μ + v.
"""

from bench.contracts.variant import ElboVariant, number_in
from bench.parts.flows import FlowPosterior, pushed
from bench.parts.hyperbolic import shifted
from bench.parts.posteriors import standard_log_density


class Poincare(ElboVariant):
    """VAE whose codes lie in hyperbolic space: wrapped normal posterior and prior (Mathieu 2019, Nagano 2019)."""

    family = "manifold"
    reference = "Mathieu et al. 2019, arXiv 1901.06033"

    def __init__(self, kl_weight: float | str = "auto", beta: float = 1.0, curvature: float = 0.3):
        super().__init__(kl_weight, beta)
        self.curvature = number_in("curvature", curvature, 0.0, open_low=True)

    def split(self, x):
        """The mean and ln σ² of v, each (B, L), and the map of v to codes."""
        mean, log_variance = self.moments(x)
        return mean.new_zeros(mean.shape), log_variance, lambda v: shifted(v, mean, self.curvature)

    def loss(self, batch, draw):
        origin, log_variance, flow = self.split(batch.x)
        z, log_q = pushed(origin, log_variance, draw.normal((1, *origin.shape)), flow)
        kl = (log_q - standard_log_density(z).sum(-1)).mean(0)
        return self.bound(self.reconstruction_cost(z, batch.x), kl)

    def posterior(self, x):
        return FlowPosterior(*self.split(x))
