"""Hyperspherical VAE: min Σ E_q[cost(Θ(Z), xᵢ)] + λ KL(q(·|xᵢ) ‖ uniform), q von Mises-Fisher (Davidson et al. 2018).

Codes are unit vectors. The encoder gives the mean direction, and the mean of its second block the concentration κ,
which is kept below a bound; draws are differentiated at a fixed quantile of their cosine.
"""

import torch
from torch.nn.functional import softplus

from bench.contracts.variant import ElboVariant, Incompatible
from bench.parts.sphere import LARGEST_KAPPA, PROPOSALS, Cosine, UniformOnSphere, VonMisesFisher, around, unit


class VonMisesFisherVAE(ElboVariant):
    """VAE on the unit sphere: von Mises-Fisher posterior, uniform prior (Davidson 2018)."""

    family = "manifold"
    reference = "Davidson et al. 2018, arXiv 1804.00891"
    straight_through = True

    def setup(self, context):
        super().setup(context)
        if context.latent_dim < 2:
            raise Incompatible("the unit sphere of one dimension is two points; give a latent dimension of 2 or more")
        self.cosine = Cosine(context.latent_dim)

    def split(self, x):
        """Mean directions (B, L) and concentrations κ (B,)."""
        mean, raw = self.split_head(x)
        return unit(mean), LARGEST_KAPPA * torch.tanh(softplus(raw.mean(-1)) / LARGEST_KAPPA)

    def loss(self, batch, draw):
        direction, kappa = self.split(batch.x)
        normal, uniform = draw.normal((PROPOSALS + 1, *direction.shape)), draw.uniform((PROPOSALS, len(kappa)))
        z = around(direction, self.cosine.draw(kappa, normal[1:], uniform), normal[0])
        return self.bound(self.reconstruction_cost(z, batch.x), self.cosine.kl(kappa), kappa=kappa)

    def encode(self, x):
        return self.split(x)[0]

    def project(self, z):
        return unit(z)

    def posterior(self, x):
        return VonMisesFisher(*self.split(x), self.cosine)

    def prior(self):
        return UniformOnSphere(self.latent_dim, next(self.parameters()))
