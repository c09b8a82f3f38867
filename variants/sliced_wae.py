"""Sliced Wasserstein autoencoder: min Σ cost(Θ(Φ(xᵢ)), xᵢ) + w λ SW₂²(Φ(x), N(0, I)) (Kolouri et al. 2019, eq. 12).

SW₂² is the mean over random directions of the squared 2-Wasserstein distance between the projected codes of a batch and
as many projected draws from the prior: both are sorted and compared in order. λ is λ_auto of the data.
"""

from bench.contracts.variant import Variant, number_in, whole_number
from bench.losses import standard_normal
from bench.parts.divergences import sliced_wasserstein


class SlicedWAE(Variant):
    """Wasserstein autoencoder (Kolouri 2019): all codes together look like N(0, I) from every direction."""

    family = "aggregate"
    reference = "Kolouri et al. 2019, arXiv 1804.01947"

    def __init__(self, weight: float = 10.0, directions: int = 32):
        super().__init__()
        self.weight = number_in("weight", weight, 0.0)
        self.directions = whole_number("directions", directions, 1)

    def setup(self, context):
        self.weight_value = self.weight * context.auto_kl_weight()

    def loss(self, batch, draw):
        z = self.encode(batch.x)
        cost = self.reconstruction_cost(z, batch.x)
        directions = draw.normal((self.directions, self.latent_dim))
        distance = sliced_wasserstein(z, draw.normal(z.shape), directions).expand(len(cost))
        return {"loss": cost + self.weight_value * distance, "reconstruction": cost, "sliced": distance}

    def encode(self, x):
        return self.encoder(x)

    def prior(self):
        return standard_normal(self.latent_dim, next(self.parameters()))
