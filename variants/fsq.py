"""Finite scalar quantisation: min Σ cost(Θ(q), xᵢ), qⱼ = Φ(xᵢ)ⱼ bounded by a tanh and rounded (Mentzer et al. 2024).

Each latent dimension takes one of `levels` values; the gradient of rounding is that of the identity. There is neither a
codebook nor a further term: the codes are all levels^L points of a grid within [-1, 1]^L.
"""

from bench.contracts.variant import Variant, whole_number
from bench.parts.quantise import bounded, grid_codes, straight_through


class FSQ(Variant):
    """Finite scalar quantisation (Mentzer 2024): every latent dimension is rounded to one of a few levels."""

    family = "discrete"
    reference = "Mentzer et al. 2024, arXiv 2309.15505"
    straight_through = True
    discrete = True

    def __init__(self, levels: int = 8):
        super().__init__()
        self.levels = whole_number("levels", levels, 3)

    def loss(self, batch, draw):
        smooth = bounded(self.encoder(batch.x), self.levels)
        return {"loss": self.reconstruction_cost(straight_through(self.project(smooth), smooth), batch.x)}

    def encode(self, x):
        return self.project(bounded(self.encoder(x), self.levels))

    def project(self, z):
        return grid_codes(z, self.levels)
