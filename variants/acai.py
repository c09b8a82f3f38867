"""ACAI: min Σ cost(Θ(zᵢ), xᵢ) + w λ D(x̂_α)², x̂_α = Θ((1-α) zᵢ + α z_{i'}), zᵢ = Φ(xᵢ) (Berthelot et al. 2019, eq. 1).

The critic D, an encoder of its own with one output, learns how far an interpolation is from its nearer end, and 0 for
data mixed with their reconstructions: min (D(x̂_α) - α)² + D(γ x + (1-γ) x̂)² (eq. 2), α uniform on [0, ½]. λ is λ_auto.
"""

from bench.contracts.variant import Variant, number_in


class ACAI(Variant):
    """Autoencoder whose interpolations a critic cannot tell from data (Berthelot 2019)."""

    family = "adversarial"
    reference = "Berthelot et al. 2019, arXiv 1807.07543"
    players = {"loss": ("encoder.", "decoder."), "loss_critic": ("critic.",)}  # noqa: RUF012

    def __init__(self, weight: float = 1.0, gamma: float = 0.2):
        super().__init__()
        self.weight, self.gamma = number_in("weight", weight, 0.0), number_in("gamma", gamma, 0.0, 1.0)

    def setup(self, context):
        self.weight_value = self.weight * context.auto_kl_weight()
        self.critic = context.networks(context.data_shape, 1, context.latent_dim)[0]

    def loss(self, batch, draw):
        x, z = batch.x, self.encode(batch.x)
        alpha = 0.5 * draw.uniform((len(x),))
        mixed = self.decode(z + alpha.unsqueeze(-1) * (z.flip(0) - z))
        cost, guessed = self.reconstruction_cost(z, x), self.critic(mixed).squeeze(-1)
        nearly = (x + (1 - self.gamma) * (self.decode(z) - x)).detach()
        told = (self.critic(mixed.detach()).squeeze(-1) - alpha).square() + self.critic(nearly).squeeze(-1).square()
        total = cost + self.weight_value * guessed.square()
        return {"loss": total, "loss_critic": told, "reconstruction": cost, "guessed": guessed}

    def encode(self, x):
        return self.encoder(x)
