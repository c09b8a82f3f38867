"""β-TCVAE: min Σ E_q[cost(Θ(Z), xᵢ)] + λ [ln q(z|xᵢ) - ln p(z) + (β - 1) TC], z ~ q(·|xᵢ) (Chen et al. 2018, eq. 4).

TC = ln q(z) - Σⱼ ln q(zⱼ), the total correlation of the aggregate posterior q(z), estimated within the batch with
stratified weights; the first two terms are index-code information, TC and the dimensions' own KL in one.
"""

from bench.contracts.variant import ElboVariant, number_in
from bench.parts.divergences import aggregate_log_densities
from bench.parts.posteriors import normal_log_density, standard_log_density


class BetaTCVAE(ElboVariant):
    """VAE that charges β times for the total correlation of its codes (Chen 2018)."""

    family = "disentangling"
    reference = "Chen et al. 2018, arXiv 1802.04942"

    def __init__(self, kl_weight: float | str = "auto", beta: float = 4.0):
        super().__init__(kl_weight)
        self.excess = number_in("beta", beta, 0.0) - 1

    def loss(self, batch, draw):
        mean, log_variance = self.moments(batch.x)
        (z,) = self.draw_codes(mean, log_variance, draw, 1)
        joint, marginals = aggregate_log_densities(z, mean, log_variance, batch.n_train)
        correlation = joint - marginals
        kl = (normal_log_density(z, mean, log_variance) - standard_log_density(z)).sum(-1)
        cost = self.reconstruction_cost(z, batch.x)
        total = cost + self.kl_weight_value * (kl + self.excess * correlation)
        return {"loss": total, "reconstruction": cost, "kl": kl, "total_correlation": correlation}
