"""The sparse autoencoder: min Σ cost(Θ(h(xᵢ)), xᵢ) + w λ Σⱼ KL(ρ ‖ ρ̂ⱼ), h = sigmoid(Φ(x)) (Ng 2011, section 3).

ρ̂ⱼ is the batch's mean of hⱼ and KL that of two coins, ρ ln ρ/ρ̂ + (1-ρ) ln (1-ρ)/(1-ρ̂). λ is λ_auto of the data.
Codes lie in (0, 1)^L.
"""

import torch

from bench.contracts.variant import Variant, number_in
from bench.parts.divergences import coin_kl


class SparseKL(Variant):
    """Sparse autoencoder (Ng 2011): codes in (0, 1) whose means over a batch are drawn to ρ."""

    family = "autoencoder"
    reference = "Ng 2011, CS294A lecture notes"

    def __init__(self, rho: float = 0.1, weight: float = 1.0):
        super().__init__()
        self.rho = number_in("rho", rho, 1e-6, 1 - 1e-6)
        self.weight = number_in("weight", weight, 0.0)

    def setup(self, context):
        self.weight_value = self.weight * context.auto_kl_weight()

    def loss(self, batch, draw):
        h = self.encode(batch.x)
        cost = self.reconstruction_cost(h, batch.x)
        sparsity = coin_kl(self.rho, h.mean(0)).sum().expand(len(h))
        return {"loss": cost + self.weight_value * sparsity, "reconstruction": cost, "sparsity": sparsity}

    def encode(self, x):
        return torch.sigmoid(self.encoder(x))

    def project(self, z):
        return z.clamp(0, 1)
