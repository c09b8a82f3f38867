"""Look-up-free quantisation: min Σ cost(Θ(c), xᵢ) + λ [β ‖z - sg c‖² + w (mean H(p) - H(mean p))] (Yu et al. 2024).

c = sign z, z = Φ(xᵢ), every latent dimension a bit, with the gradient of z and sg stopping gradients. p is the softmax
of -‖z - c'‖²/τ over all codes c', whose bits are independent; H(p) summed over bits keeps choices sure, and that of the
batch's mean keeps every bit in use (eq. 4 there, bit by bit). λ is λ_auto of the data.
"""

import torch

from bench.contracts.variant import Variant, number_in
from bench.parts.quantise import bit_entropy, signs, straight_through


class LookupFree(Variant):
    """Look-up-free quantisation (Yu 2024): every latent dimension is a bit, all of them in use."""

    family = "discrete"
    reference = "Yu et al. 2024, arXiv 2310.05737"
    straight_through = True
    discrete = True

    def __init__(self, weight: float = 1.0, commitment: float = 0.25, temperature: float = 1.0):
        super().__init__()
        self.weight, self.commitment = number_in("weight", weight, 0.0), number_in("commitment", commitment, 0.0)
        self.temperature = number_in("temperature", temperature, 0.0, open_low=True)

    def setup(self, context):
        self.weight_value = context.auto_kl_weight()

    def loss(self, batch, draw):
        z = self.encoder(batch.x)
        c = self.project(z.detach())
        cost, distance = self.reconstruction_cost(straight_through(c, z), batch.x), (z - c).square().sum(-1)
        p = torch.sigmoid(4 * z / self.temperature)
        doubt = bit_entropy(p).sum(-1) - bit_entropy(p.mean(0)).sum()
        total = cost + self.weight_value * (self.commitment * distance + self.weight * doubt)
        return {"loss": total, "reconstruction": cost, "distance": distance, "doubt": doubt}

    def encode(self, x):
        return self.project(self.encoder(x))

    def project(self, z):
        return signs(z)
