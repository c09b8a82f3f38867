"""Cramér-Wold autoencoder: min Σ cost(Θ(Φ(xᵢ)), xᵢ) + w λ ln d²(Φ(x), N(0, I)) (Knop et al. 2020, eq. 11).

d² is the mean over all directions of the L² distance between projected codes, smoothed by a normal kernel, and the
projected prior, in closed form up to an approximation that improves with L. λ is λ_auto of the data.
"""

from bench.contracts.variant import Incompatible, Variant, number_in
from bench.losses import standard_normal
from bench.parts.divergences import cramer_wold


class CramerWold(Variant):
    """Wasserstein-like autoencoder (Knop 2020): all codes together look like N(0, I), by one closed form."""

    family = "aggregate"
    reference = "Knop et al. 2020, arXiv 1805.09235"

    def __init__(self, weight: float = 1.0):
        super().__init__()
        self.weight = number_in("weight", weight, 0.0)

    def setup(self, context):
        if context.latent_dim < 2:
            raise Incompatible("the Cramér-Wold distance is approximated for 2 dimensions or more")
        self.weight_value = self.weight * context.auto_kl_weight()

    def loss(self, batch, draw):
        z = self.encode(batch.x)
        cost, distance = self.reconstruction_cost(z, batch.x), cramer_wold(z).log().expand(len(z))
        return {"loss": cost + self.weight_value * distance, "reconstruction": cost, "log_distance": distance}

    def encode(self, x):
        return self.encoder(x)

    def prior(self):
        return standard_normal(self.latent_dim, next(self.parameters()))
