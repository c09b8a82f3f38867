"""min Σ ‖Θ(z)-xᵢ‖² + w ‖z‖₁, z = Φ(xᵢ): an autoencoder whose codes shrink towards 0."""

from bench import Variant, number_in


class ShrinkingAE(Variant):
    """Autoencoder with a penalty on the absolute values of its codes."""

    family = "regularised"

    def __init__(self, weight: float = 0.01):
        super().__init__()
        self.weight = number_in("weight", weight, 0.0)

    def loss(self, batch, draw):
        z = self.encode(batch.x)
        cost = self.reconstruction_cost(z, batch.x)
        penalty = z.abs().sum(-1)
        return {"loss": cost + self.weight * penalty, "reconstruction": cost, "penalty": penalty}

    def encode(self, x):
        return self.encoder(x)
