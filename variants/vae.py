"""The variational autoencoder: min Σ E_{q(·|xᵢ)}[cost(Θ(Z), xᵢ)] + λ KL(q(·|xᵢ) ‖ N(0, I)) (eq. 4).

The KL term is in closed form (eq. 5). With squared cost the objective is λ times a negative ELBO at s² = λ/2.
"""

from bench.contracts.variant import GaussianVariant, number_in, whole_number
from bench.losses import gaussian_kl, standard_normal


class VAE(GaussianVariant):
    """Variational autoencoder (eq. 4): λ = beta × kl_weight weighs the closed-form KL term (eq. 5)."""

    def __init__(self, kl_weight: float | str = "auto", beta: float = 1.0, samples: int = 1):
        super().__init__()
        self.kl_weight = kl_weight if kl_weight == "auto" else number_in("kl_weight", kl_weight, 0.0)
        self.beta = number_in("beta", beta, 0.0)
        self.samples = whole_number("samples", samples, 1)

    def setup(self, context):
        weight = context.auto_kl_weight() if self.kl_weight == "auto" else self.kl_weight
        self.kl_weight_value = self.beta * weight

    def loss(self, batch, draw):
        mean, log_variance = self.moments(batch.x)
        z = self.draw_codes(mean, log_variance, draw, self.samples)
        cost = self.reconstruction_cost(z, batch.x)
        kl = gaussian_kl(mean, log_variance).sum(-1)
        return {"loss": cost + self.kl_weight_value * kl, "reconstruction": cost, "kl": kl}

    def prior(self):
        return standard_normal(self.latent_dim, next(self.parameters()))
