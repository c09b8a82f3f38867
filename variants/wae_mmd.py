"""WAE-MMD: min Σ cost(Θ(Φ(xᵢ)), xᵢ) + w λ MMD(Φ(x), N(0, I)) (Tolstikhin et al. 2018, algorithm 2).

MMD is the unbiased squared maximum mean discrepancy of a batch of codes and as many draws from the prior, under inverse
multiquadratic kernels of seven scales. λ is λ_auto of the data.
"""

from bench.contracts.variant import Variant, number_in
from bench.losses import standard_normal
from bench.parts.divergences import mmd


class WAEMMD(Variant):
    """Wasserstein autoencoder (Tolstikhin 2018): all codes together look like N(0, I), by maximum mean discrepancy."""

    family = "aggregate"
    reference = "Tolstikhin et al. 2018, arXiv 1711.01558"

    def __init__(self, weight: float = 10.0):
        super().__init__()
        self.weight = number_in("weight", weight, 0.0)

    def setup(self, context):
        self.weight_value = self.weight * context.auto_kl_weight()

    def loss(self, batch, draw):
        z = self.encode(batch.x)
        cost = self.reconstruction_cost(z, batch.x)
        distance = mmd(z, draw.normal(z.shape)).expand(len(cost))
        return {"loss": cost + self.weight_value * distance, "reconstruction": cost, "mmd": distance}

    def encode(self, x):
        return self.encoder(x)

    def prior(self):
        return standard_normal(self.latent_dim, next(self.parameters()))
