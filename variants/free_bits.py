"""A VAE with free bits: min Σ E_q[cost(Θ(Z), xᵢ)] + λ Σⱼ max(δ, KLⱼ), KLⱼ averaged over the batch (Kingma et al. 2016).

The first δ nats of each latent dimension cost nothing to use (appendix C.8 there), so that no dimension need collapse.
"""

import torch

from bench.contracts.variant import ElboVariant, number_in
from bench.losses import gaussian_kl


class FreeBits(ElboVariant):
    """VAE whose KL term starts to count in each dimension at δ nats (Kingma 2016)."""

    family = "elbo"
    reference = "Kingma et al. 2016, arXiv 1606.04934"

    def __init__(self, kl_weight: float | str = "auto", beta: float = 1.0, nats: float = 0.5):
        super().__init__(kl_weight, beta)
        self.nats = number_in("nats", nats, 0.0)

    def loss(self, batch, draw):
        mean, log_variance = self.moments(batch.x)
        z = self.draw_codes(mean, log_variance, draw, 1)
        cost, kl = self.reconstruction_cost(z, batch.x), gaussian_kl(mean, log_variance)
        paid = torch.where(kl.mean(0) > self.nats, kl, torch.full_like(kl, self.nats)).sum(-1)
        return {**self.bound(cost, kl.sum(-1)), "loss": cost + self.kl_weight_value * paid}
