"""The stochastic autoencoder: min Σ E_{q(·|xᵢ)} ‖Θ(Z) - xᵢ‖², estimated by the average over S draws of Z (eq. 2).

q(z|x) = N(μ(x), diag σ²(x)); nothing holds σ up or μ in place, so noise can be trained away.
"""

from bench.contracts.variant import GaussianVariant, whole_number


class StochasticAE(GaussianVariant):
    """Stochastic autoencoder (eq. 2): reconstruct x from S draws of a diagonal normal code, without a KL term."""

    family = "autoencoder"

    def __init__(self, samples: int = 1):
        super().__init__()
        self.samples = whole_number("samples", samples, 1)

    def loss(self, batch, draw):
        z = self.draw_codes(*self.moments(batch.x), draw, self.samples)
        return {"loss": self.reconstruction_cost(z, batch.x)}
