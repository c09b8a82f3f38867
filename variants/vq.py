"""VQ autoencoder: min Σ cost(Θ(e), xᵢ) + λ [β ‖z - sg e‖² (+ ‖sg z - e‖²)], z = Φ(xᵢ), e nearest (van den Oord 2017).

e is z's nearest of K codes, in each of `groups` equal parts of the latent vector; the gradient of e goes to z unchanged
and sg stops gradients (eq. 3). Codes follow the second term ("gradient"), or exponential averages of the z that chose
them ("ema", appendix A.1); a code that no example of a batch chose stays as it is. Codes start as N(0, I).
"""

from typing import Literal

import torch

from bench.contracts.checks import one_of
from bench.contracts.variant import Variant, number_in, whole_number
from bench.errors import Incompatible
from bench.parts.quantise import code_averages, nearest_code, straight_through


class VQ(Variant):
    """Vector-quantised autoencoder (van den Oord 2017): codes from a learned codebook of K vectors."""

    family = "discrete"
    reference = "van den Oord et al. 2017, arXiv 1711.00937"
    straight_through = True
    discrete = True

    def __init__(
        self,
        codes: int = 64,
        groups: int = 1,
        commitment: float = 1.0,
        update: Literal["ema", "gradient"] = "ema",
        decay: float = 0.99,
    ):
        super().__init__()
        self.codes, self.groups = whole_number("codes", codes, 2), whole_number("groups", groups, 1)
        self.commitment = number_in("commitment", commitment, 0.0)
        self.update = one_of("update", update, ("ema", "gradient"))
        self.decay = number_in("decay", decay, 0.0, 1.0)

    def setup(self, context):
        if context.latent_dim % self.groups:
            raise Incompatible(f"groups={self.groups} does not divide the latent dimension {context.latent_dim}")
        self.weight_value = context.auto_kl_weight()
        codebook = torch.randn(self.groups, self.codes, context.latent_dim // self.groups)
        if self.update == "gradient":
            self.codebook = torch.nn.Parameter(codebook)
        else:
            self.register_buffer("codebook", codebook)
            self.register_buffer("counts", torch.ones(self.groups, self.codes))

    def loss(self, batch, draw):
        z = self.encoder(batch.x)
        e, index = nearest_code(z, self.codebook)
        cost = self.reconstruction_cost(straight_through(e, z), batch.x)
        distance = (z - e.detach()).square().sum(-1)
        total = cost + self.weight_value * self.commitment * distance
        if self.update == "gradient":
            total = total + self.weight_value * (z.detach() - e).square().sum(-1)
        terms = {"loss": total, "reconstruction": cost, "distance": distance}
        if self.update == "gradient":
            return terms
        codebook, counts = code_averages(z.detach(), index, self.codebook, self.counts, self.decay)
        return terms, {"codebook": codebook, "counts": counts}

    def encode(self, x):
        return self.project(self.encoder(x))

    def project(self, z):
        return nearest_code(z, self.codebook)[0]
