"""Regularised autoencoders: min Σ cost(Θ(z), xᵢ) + λ [w ½‖z‖² + v R], z = Φ(xᵢ) (Ghosh et al. 2020, eq. 8 to 10).

R is ½‖θ‖² over the decoder's weights and biases θ (RAE-L2), or ‖∂Θ/∂z (z)‖²_F, of which one product with a normal
vector is an unbiased estimate (RAE-GP: the paper's ‖∇D(E(x))‖², the gradient by z). λ is λ_auto of the data. A code's
distribution is fitted after training.
"""

from typing import Literal

from bench.contracts.checks import one_of
from bench.contracts.variant import Variant, number_in
from bench.parts.jacobians import squared_jacobian


class RAE(Variant):
    """Regularised autoencoder (Ghosh 2020): small codes and a smooth decoder, by its weights or by its Jacobian."""

    family = "autoencoder"
    reference = "Ghosh et al. 2020, arXiv 1903.12436"

    def __init__(self, weight: float = 1.0, decoder_weight: float = 0.01, penalty: Literal["l2", "gradient"] = "l2"):
        super().__init__()
        self.weight = number_in("weight", weight, 0.0)
        self.decoder_weight = number_in("decoder_weight", decoder_weight, 0.0)
        self.penalty = one_of("penalty", penalty, ("l2", "gradient"))

    def setup(self, context):
        price = context.auto_kl_weight()
        self.weight_value, self.decoder_weight_value = self.weight * price, self.decoder_weight * price

    def loss(self, batch, draw):
        z = self.encode(batch.x)
        cost, size = self.reconstruction_cost(z, batch.x), 0.5 * z.square().sum(-1)
        if self.penalty == "l2":
            rough = sum(0.5 * value.square().sum() for value in self.decoder.parameters()).expand(len(z))
        else:
            probe = draw.normal((1, len(z), batch.x[0].numel()))
            rough = squared_jacobian(lambda code: self.decode_params(code).flatten(1), z, probe)
        total = cost + self.weight_value * size + self.decoder_weight_value * rough
        return {"loss": total, "reconstruction": cost, "size": size, "roughness": rough}

    def encode(self, x):
        return self.encoder(x)
