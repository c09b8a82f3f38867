"""The k-sparse autoencoder: min Σ cost(Θ(topₖ(Φ(xᵢ))), xᵢ), topₖ keeps k entries of a code (Makhzani and Frey 2014).

Here the k largest in absolute value are kept (the paper keeps the k largest), which makes topₖ the nearest k-sparse
code and all k-sparse codes its fixed points.
"""

from bench.contracts.variant import Variant, whole_number
from bench.errors import Incompatible
from bench.parts.quantise import nearest_sparse


class TopK(Variant):
    """k-sparse autoencoder (Makhzani and Frey 2014): only the k largest entries of a code reach the decoder."""

    family = "autoencoder"
    reference = "Makhzani and Frey 2014, arXiv 1312.5663"

    def __init__(self, k: int = 2):
        super().__init__()
        self.k = whole_number("k", k, 1)

    def setup(self, context):
        if self.k > self.latent_dim:
            raise Incompatible(f"k={self.k} is more than the latent dimension {self.latent_dim}; give at most that")

    def loss(self, batch, draw):
        return {"loss": self.reconstruction_cost(self.encode(batch.x), batch.x)}

    def encode(self, x):
        return nearest_sparse(self.encoder(x), self.k)

    def project(self, z):
        return nearest_sparse(z, self.k)
