"""β-VAE with a capacity that grows: min Σ E_q[cost(Θ(Z), xᵢ)] + γ λ |KL - C(t)| (Burgess et al. 2018, eq. 8).

KL is the batch's mean of the closed form (eq. 5), λ the price of a nat, and C(t) rises from 0 to `capacity` nats within
the first `ramp` of training.
"""

from bench.contracts.variant import ElboVariant, number_in
from bench.losses import gaussian_kl


class CapacityVAE(ElboVariant):
    """VAE whose KL term is held at a capacity that grows during training (Burgess 2018)."""

    family = "elbo"
    reference = "Burgess et al. 2018, arXiv 1804.03599"

    def __init__(self, kl_weight: float | str = "auto", gamma: float = 10.0, capacity: float = 10.0, ramp: float = 0.5):
        super().__init__(kl_weight)
        self.gamma = number_in("gamma", gamma, 0.0)
        self.capacity = number_in("capacity", capacity, 0.0)
        self.ramp = number_in("ramp", ramp, 0.0, 1.0, open_low=True)

    def loss(self, batch, draw):
        mean, log_variance = self.moments(batch.x)
        z = self.draw_codes(mean, log_variance, draw, 1)
        cost, kl = self.reconstruction_cost(z, batch.x), gaussian_kl(mean, log_variance).sum(-1)
        excess = kl - self.capacity * (batch.progress / self.ramp).clamp_max(1)
        total = cost + self.gamma * self.kl_weight_value * excess * excess.mean().sign()  # its mean is |mean excess|
        return {"loss": total, "reconstruction": cost, "kl": kl}
