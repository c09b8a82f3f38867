"""VAE with a mixture prior: min Σ E_q[cost(Θ(Z), xᵢ) + λ ln q(Z|xᵢ)/p(Z)], p(z) = Σₖ πₖ N(z; mₖ, diag sₖ²), learned.

The prior's term is estimated from the draw that is decoded ("MoG" of Tomczak and Welling 2018, section 4; Jiang et al.
2017, without its closed form and its pre-training).
"""

import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily

from bench.contracts.variant import ElboVariant, whole_number
from bench.losses import bound_log_variance, diagonal_normal
from bench.parts.posteriors import mixture_log_density, normal_log_density


class MixturePrior(ElboVariant):
    """VAE whose prior is a learned mixture of diagonal normals (Tomczak and Welling 2018, Jiang 2017)."""

    family = "prior"
    reference = "Jiang et al. 2017, arXiv 1611.05148"

    def __init__(self, kl_weight: float | str = "auto", beta: float = 1.0, components: int = 10):
        super().__init__(kl_weight, beta)
        self.components = whole_number("components", components, 1)

    def setup(self, context):
        super().setup(context)
        shape = (self.components, context.latent_dim)
        self.prior_mean = torch.nn.Parameter(torch.randn(shape) if self.components > 1 else torch.zeros(shape))
        self.prior_log_variance = torch.nn.Parameter(torch.zeros(shape))
        self.prior_logits = torch.nn.Parameter(torch.zeros(self.components))

    def loss(self, batch, draw):
        mean, log_variance = self.moments(batch.x)
        (z,) = self.draw_codes(mean, log_variance, draw, 1)
        weights = self.prior_logits.log_softmax(-1)
        log_prior = mixture_log_density(z, self.prior_mean, bound_log_variance(self.prior_log_variance), weights)
        kl = normal_log_density(z, mean, log_variance).sum(-1) - log_prior
        return self.bound(self.reconstruction_cost(z, batch.x), kl)

    def prior(self):
        mean, log_variance = self.prior_mean.detach(), bound_log_variance(self.prior_log_variance.detach())
        parts = Independent(diagonal_normal(mean, log_variance), 1, validate_args=False)
        mix = Categorical(logits=self.prior_logits.detach(), validate_args=False)
        return MixtureSameFamily(mix, parts, validate_args=False)
