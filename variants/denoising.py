"""The denoising autoencoder: min Σ E_{x̃|xᵢ} cost(Θ(Φ(x̃)), xᵢ), x̃ a corrupted xᵢ (Vincent et al. 2010).

x̃ = x + noise · ε with ε ~ N(0, I), or each value of x set to 0 with probability `noise`. Codes are those of clean data.
"""

from typing import Literal

from bench.contracts.checks import one_of
from bench.contracts.variant import Variant, number_in


class Denoising(Variant):
    """Denoising autoencoder (Vincent 2010): reconstruct x from the code of x with noise or with values left out."""

    family = "autoencoder"
    reference = "Vincent et al. 2010, JMLR 11"

    def __init__(self, noise: float = 0.2, corruption: Literal["gaussian", "masking"] = "gaussian"):
        super().__init__()
        self.corruption = one_of("corruption", corruption, ("gaussian", "masking"))
        self.noise = number_in("noise", noise, 0.0, float("inf") if corruption == "gaussian" else 1.0)

    def loss(self, batch, draw):
        x = batch.x
        if self.corruption == "gaussian":
            corrupted = x + self.noise * draw.normal(x.shape)
        else:
            corrupted = x * (draw.uniform(x.shape) >= self.noise)
        return {"loss": self.reconstruction_cost(self.encode(corrupted), x)}

    def encode(self, x):
        return self.encoder(x)
