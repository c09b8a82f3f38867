"""A decoder trained on codes drawn from the prior alone: max Σ E_{z~N(0,I)} ln P(xᵢ|z), the bound of eq. 9 and 10.

The bound decouples over z: its optimum ignores z and decodes the training mean everywhere.
"""

from bench.contracts.variant import Variant, whole_number
from bench.losses import standard_normal


class DecoderOnly(Variant):
    """Decoder without encoder (eq. 9 and 10): fit every x from S codes drawn from N(0, I) independently of x."""

    family = "control"
    uses_encoder = False

    def __init__(self, samples: int = 1):
        super().__init__()
        self.samples = whole_number("samples", samples, 1)

    def loss(self, batch, draw):
        z = draw.normal((self.samples, len(batch.x), self.latent_dim))
        return {"loss": self.reconstruction_cost(z, batch.x)}

    def prior(self):
        return standard_normal(self.latent_dim, next(self.parameters()))
