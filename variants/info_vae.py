"""InfoVAE: min Σ E_q[cost(Θ(Z), xᵢ)] + λ [(1 - α) KL + (α + s - 1) MMD(q(z), p(z))] (Zhao et al. 2019, eq. 6).

s is the paper's own λ, MMD the unbiased squared maximum mean discrepancy of the batch's codes and as many draws from
N(0, I) under inverse multiquadratic kernels, and λ the price of a nat.
"""

from bench.contracts.variant import ElboVariant, number_in
from bench.errors import UsageError
from bench.losses import gaussian_kl
from bench.parts.divergences import mmd


class InfoVAE(ElboVariant):
    """VAE that moves weight from each code's KL to the divergence of all codes from the prior (Zhao 2019)."""

    family = "aggregate"
    reference = "Zhao et al. 2019, arXiv 1706.02262"

    def __init__(self, kl_weight: float | str = "auto", alpha: float = 0.5, scale: float = 10.0):
        super().__init__(kl_weight)
        self.alpha, self.scale = number_in("alpha", alpha, 0.0, 1.0), number_in("scale", scale, 0.0)
        if alpha + scale < 1:
            raise UsageError(f"alpha={alpha:g} + scale={scale:g} weighs the divergence below 0; the sum must reach 1")

    def loss(self, batch, draw):
        mean, log_variance = self.moments(batch.x)
        z = self.draw_codes(mean, log_variance, draw, 1)
        cost, kl = self.reconstruction_cost(z, batch.x), gaussian_kl(mean, log_variance).sum(-1)
        distance = mmd(z[0], draw.normal(mean.shape)).expand(len(cost))
        paid = (1 - self.alpha) * kl + (self.alpha + self.scale - 1) * distance
        return {**self.bound(cost, kl, mmd=distance), "loss": cost + self.kl_weight_value * paid}
