"""DIP-VAE: min Σ E_q[cost(Θ(Z), xᵢ)] + λ [KL + w Σ_{i≠j} Cᵢⱼ² + v Σᵢ (Cᵢᵢ - 1)²] (Kumar et al. 2018, eq. 6 and 7).

C is the batch's covariance of means μ(x) (I), or of codes: that of means plus the mean of diag σ²(x) (II).
"""

from typing import Literal

from bench.contracts.checks import one_of
from bench.contracts.variant import ElboVariant, number_in
from bench.losses import gaussian_kl
from bench.parts.divergences import covariance


class DIPVAE(ElboVariant):
    """VAE whose codes are drawn to covariance I: that of their means (DIP-VAE-I) or of draws (II) (Kumar 2018)."""

    family = "disentangling"
    reference = "Kumar et al. 2018, arXiv 1711.00848"

    def __init__(
        self,
        kl_weight: float | str = "auto",
        beta: float = 1.0,
        version: Literal["i", "ii"] = "ii",
        weight: float = 5.0,
        diagonal_weight: float = 5.0,
    ):
        super().__init__(kl_weight, beta)
        self.version = one_of("version", version, ("i", "ii"))
        self.weight = number_in("weight", weight, 0.0)
        self.diagonal_weight = number_in("diagonal_weight", diagonal_weight, 0.0)

    def loss(self, batch, draw):
        mean, log_variance = self.moments(batch.x)
        z = self.draw_codes(mean, log_variance, draw, 1)
        cost, kl = self.reconstruction_cost(z, batch.x), gaussian_kl(mean, log_variance).sum(-1)
        matrix = covariance(mean)
        own = matrix.diagonal()
        crossed = matrix.square().sum() - own.square().sum()
        variances = own + log_variance.exp().mean(0) if self.version == "ii" else own
        excess = self.weight * crossed + self.diagonal_weight * (variances - 1).square().sum()
        terms = self.bound(cost, kl, covariance=excess.expand(len(cost)))
        return {**terms, "loss": terms["loss"] + self.kl_weight_value * excess}
