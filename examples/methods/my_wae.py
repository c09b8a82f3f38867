"""WAE-MMD (Tolstikhin et al. 2018, arXiv 1711.01558): min Σ ‖Θ(zᵢ)-xᵢ‖² + w MMD²(z, N(0, I)), zᵢ = Φ(xᵢ).

MMD² is the unbiased estimate from a batch of codes and as many draws of the prior, k(a, b) = C / (C + ‖a-b‖²), C = 2L.
"""

from bench import Variant, number_in
from bench.losses import standard_normal


def kernel(a, b):
    """k between all rows of a and b, both (B, L): (B, B)."""
    scale = 2.0 * a.shape[-1]
    return scale / (scale + (a.unsqueeze(1) - b).square().sum(-1))


def mmd(z, p):
    """The unbiased MMD² of the rows of z and p, both (B, L): (); a row's k with itself is 1 and no pair."""
    n = len(z)
    within = kernel(z, z).sum() + kernel(p, p).sum() - 2 * n
    return within / max(n * (n - 1), 1) - 2 * kernel(z, p).mean()


class MyWAE(Variant):
    """Wasserstein autoencoder: all codes together look like draws of the prior."""

    def __init__(self, weight: float = 10.0):
        super().__init__()
        self.weight = number_in("weight", weight, 0.0)

    def loss(self, batch, draw):
        z = self.encode(batch.x)  # (B, L)
        cost = self.reconstruction_cost(z, batch.x)  # (B,)
        distance = mmd(z, draw.normal(z.shape)).expand(len(cost))  # one number of the batch, (B,)
        return {"loss": cost + self.weight * distance, "reconstruction": cost, "mmd": distance}

    def encode(self, x):
        return self.encoder(x)

    def prior(self):
        return standard_normal(self.latent_dim, next(self.parameters()))
