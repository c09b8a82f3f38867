"""VQ-VAE (van den Oord et al. 2017, arXiv 1711.00937) whose codebook follows its codes by averages (appendix A.1).

min Σ ‖Θ(e)-xᵢ‖² + β ‖zᵢ - sg e‖², zᵢ = Φ(xᵢ), e = mₖ/Nₖ the nearest of K codes, with the gradient of e given to zᵢ.
Of n examples that chose k: Nₖ ← γ Nₖ + (1-γ) n and mₖ ← γ mₖ + (1-γ) Σ z; a code that none chose stays.
"""

import torch

from bench import Variant, number_in, whole_number


class MyVQ(Variant):
    """Vector-quantised autoencoder: K codes, each the average of what chose it."""

    straight_through = True  # gradients pass through the choice on purpose
    discrete = True

    def __init__(self, codes: int = 64, commitment: float = 0.25, decay: float = 0.99):
        super().__init__()
        self.codes = whole_number("codes", codes, 2)
        self.commitment = number_in("commitment", commitment, 0.0)
        self.decay = number_in("decay", decay, 0.0, 1.0)

    def setup(self, context):  # state that outlives a call lies in buffers
        self.register_buffer("sums", torch.randn(self.codes, context.latent_dim))
        self.register_buffer("counts", torch.ones(self.codes))

    def loss(self, batch, draw):
        z = self.encoder(batch.x)  # (B, L)
        e, index = self.nearest(z)
        cost = self.reconstruction_cost(z + (e - z).detach(), batch.x)
        distance = (z - e).square().sum(-1)
        terms = {"loss": cost + self.commitment * distance, "reconstruction": cost, "distance": distance}
        chosen = (index.unsqueeze(-1) == torch.arange(self.codes, device=z.device)).to(z.dtype)  # (B, K)
        found = chosen.sum(0)  # (K,)
        counts = torch.where(found > 0, self.decay * self.counts + (1 - self.decay) * found, self.counts)
        sums = self.decay * self.sums + (1 - self.decay) * chosen.t() @ z.detach()
        return terms, {"counts": counts, "sums": torch.where(found.unsqueeze(-1) > 0, sums, self.sums)}

    def nearest(self, z):
        """The nearest codes of z (..., L), and their numbers (...)."""
        codebook = self.sums / self.counts.unsqueeze(-1)  # (K, L)
        index = (codebook.square().sum(-1) - 2 * z.detach() @ codebook.t()).argmin(-1)
        return codebook[index], index

    def encode(self, x):
        return self.project(self.encoder(x))

    def project(self, z):  # says that not every point is a code
        return self.nearest(z)[0]
