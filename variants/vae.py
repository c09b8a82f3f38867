"""The variational autoencoder: min Σ E_{q(·|xᵢ)}[cost(Θ(Z), xᵢ)] + λ KL(q(·|xᵢ) ‖ N(0, I)) (eq. 4).

The KL term is in closed form (eq. 5). With squared cost the objective is λ times a negative ELBO at s² = λ/2.
"""

from bench.contracts.variant import ElboVariant, whole_number
from bench.losses import gaussian_kl


class VAE(ElboVariant):
    """Variational autoencoder (eq. 4): λ = beta × kl_weight weighs the closed-form KL term (eq. 5)."""

    family = "elbo"
    reference = "Kingma and Welling 2013, arXiv 1312.6114"

    def __init__(self, kl_weight: float | str = "auto", beta: float = 1.0, samples: int = 1):
        super().__init__(kl_weight, beta)
        self.samples = whole_number("samples", samples, 1)

    def loss(self, batch, draw):
        mean, log_variance = self.moments(batch.x)
        z = self.draw_codes(mean, log_variance, draw, self.samples)
        return self.bound(self.reconstruction_cost(z, batch.x), gaussian_kl(mean, log_variance).sum(-1))
