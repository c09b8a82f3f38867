"""VAE with a VampPrior: min Σ E_q[cost(Θ(Z), xᵢ) + λ ln q(Z|xᵢ)/p(Z)], p(z) = 1/K Σₖ q(z|uₖ) (Tomczak 2018).

The prior is the mixture of the posteriors of K pseudo-inputs uₖ, which are learned (eq. 9 there); its term is estimated
from the draw that is decoded.
"""

import math

import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily

from bench.contracts.variant import ElboVariant, whole_number
from bench.losses import diagonal_normal
from bench.parts.posteriors import mixture_log_density, normal_log_density


class VampPrior(ElboVariant):
    """VAE whose prior is the mixture of the posteriors of learned pseudo-inputs (Tomczak and Welling 2018)."""

    family = "prior"
    reference = "Tomczak and Welling 2018, arXiv 1705.07120"

    def __init__(self, kl_weight: float | str = "auto", beta: float = 1.0, components: int = 20):
        super().__init__(kl_weight, beta)
        self.components = whole_number("components", components, 1)

    def setup(self, context):
        super().setup(context)
        self.pseudo_inputs = torch.nn.Parameter(torch.rand(self.components, *context.data_shape))

    def loss(self, batch, draw):
        mean, log_variance = self.moments(batch.x)
        (z,) = self.draw_codes(mean, log_variance, draw, 1)
        weights = z.new_full((self.components,), -math.log(self.components))
        log_prior = mixture_log_density(z, *self.moments(self.pseudo_inputs), weights)
        kl = normal_log_density(z, mean, log_variance).sum(-1) - log_prior
        return self.bound(self.reconstruction_cost(z, batch.x), kl)

    def prior(self):
        mean, log_variance = (value.detach() for value in self.moments(self.pseudo_inputs))
        mix = Categorical(logits=mean.new_zeros(self.components), validate_args=False)
        parts = Independent(diagonal_normal(mean, log_variance), 1, validate_args=False)
        return MixtureSameFamily(mix, parts, validate_args=False)
