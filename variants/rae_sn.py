"""RAE-SN: min Σ cost(Θ(z), xᵢ) + w λ ½‖z‖², z = Φ(xᵢ), every weight W of Θ divided by σ(W) (Ghosh et al. 2020, sec. 3).

σ(W) is the largest singular value, from one step of power iteration per training step (Miyato et al. 2018). λ is λ_auto
of the data.
"""

import torch
from torch.func import functional_call
from torch.nn.functional import normalize

from bench.contracts.variant import Variant, number_in
from bench.parts.spectral import spectral_norm


class RAESN(Variant):
    """Regularised autoencoder with a spectrally normalised decoder (Ghosh 2020): small codes, a Lipschitz decoder."""

    family = "autoencoder"
    reference = "Ghosh et al. 2020, arXiv 1903.12436"
    straight_through = True  # singular vectors are held fixed, which is right once the iteration has converged

    def __init__(self, weight: float = 1.0):
        super().__init__()
        self.weight = number_in("weight", weight, 0.0)

    def setup(self, context):
        self.weight_value = self.weight * context.auto_kl_weight()
        self.matrices = tuple(name for name, value in self.decoder.named_parameters() if value.dim() > 1)
        decoder = dict(self.decoder.named_parameters())
        for place, name in enumerate(self.matrices):
            left = torch.randn(len(decoder[name]))
            self.register_buffer(f"left_{place}", normalize(left, dim=0))

    def normalised(self):
        """The decoder's weights over their norms, by name, and the left vectors after a step of power iteration."""
        decoder, weights, lefts = dict(self.decoder.named_parameters()), {}, {}
        for place, name in enumerate(self.matrices):
            buffer = f"left_{place}"
            norm, lefts[buffer] = spectral_norm(decoder[name], self.get_buffer(buffer))
            weights[name] = decoder[name] / norm
        return weights, lefts

    def decode_params(self, z):
        out = functional_call(self.decoder, self.normalised()[0], z.reshape(-1, z.shape[-1]))
        return out.reshape(*z.shape[:-1], *self.data_shape)

    def loss(self, batch, draw):
        z = self.encode(batch.x)
        cost, size = self.reconstruction_cost(z, batch.x), 0.5 * z.square().sum(-1)
        total = cost + self.weight_value * size
        return {"loss": total, "reconstruction": cost, "size": size}, self.normalised()[1]

    def encode(self, x):
        return self.encoder(x)
