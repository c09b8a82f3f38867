"""The plain autoencoder: min Σ ‖Θ(Φ(xᵢ)) - xᵢ‖² over encoder Φ and decoder Θ (eq. 1)."""

from bench.contracts.variant import Variant


class AE(Variant):
    """Plain autoencoder (eq. 1): reconstruct each x from its code Φ(x), with no noise and no penalty."""

    family = "autoencoder"
    reference = "Hinton and Salakhutdinov 2006, doi 10.1126/science.1127647"

    def loss(self, batch, draw):
        return {"loss": self.reconstruction_cost(self.encode(batch.x), batch.x)}

    def encode(self, x):
        return self.encoder(x)
