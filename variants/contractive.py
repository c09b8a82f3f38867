"""The contractive autoencoder: min Σ cost(Θ(Φ(xᵢ)), xᵢ) + w λ ‖∂Φ/∂x (xᵢ)‖²_F (Rifai et al. 2011, eq. 5).

λ is the price of a nat, λ_auto of the data. The norm is exact: one product with the Jacobian per latent dimension.
"""

from bench.contracts.variant import Variant, number_in
from bench.parts.jacobians import squared_jacobian, unit_directions


class Contractive(Variant):
    """Contractive autoencoder (Rifai 2011): codes that move little when x does, by the encoder's squared Jacobian."""

    family = "autoencoder"
    reference = "Rifai et al. 2011, ICML"

    def __init__(self, weight: float = 0.1):
        super().__init__()
        self.weight = number_in("weight", weight, 0.0)

    def setup(self, context):
        self.weight_value = self.weight * context.auto_kl_weight()

    def loss(self, batch, draw):
        cost = self.reconstruction_cost(self.encode(batch.x), batch.x)
        stretch = squared_jacobian(self.encode, batch.x, unit_directions(self.latent_dim, cost))
        return {"loss": cost + self.weight_value * stretch, "reconstruction": cost, "jacobian": stretch}

    def encode(self, x):
        return self.encoder(x)
