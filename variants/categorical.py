"""Categorical VAE: min Σ E_q[cost(Θ(Y), xᵢ)] + λ KL(q(·|xᵢ) ‖ uniform), Y relaxed by Gumbel noise (Jang et al. 2017).

The latent vector is `groups` one-hot vectors of C = L/groups entries with logits from the encoder. In training
Y = softmax((logits + g)/τ), g Gumbel, with τ falling geometrically from `temperature` to `final_temperature`; the KL
term is the exact Σ p ln p + ln C. Codes are the likeliest one-hot vectors.
"""

import math

from torch.distributions import Independent, OneHotCategorical, TransformedDistribution
from torch.distributions.transforms import ReshapeTransform

from bench.contracts.variant import ElboVariant, Incompatible, number_in, whole_number
from bench.parts.quantise import one_hot


class Categorical(ElboVariant):
    """VAE with one-hot codes (Jang 2017, Maddison 2017), trained by the Gumbel-softmax relaxation."""

    family = "discrete"
    reference = "Jang et al. 2017, arXiv 1611.01144"
    head_blocks = 1
    discrete = True

    def __init__(
        self,
        kl_weight: float | str = "auto",
        beta: float = 1.0,
        groups: int = 1,
        temperature: float = 1.0,
        final_temperature: float = 0.5,
    ):
        super().__init__(kl_weight, beta)
        self.groups = whole_number("groups", groups, 1)
        self.temperature = number_in("temperature", temperature, 0.0, open_low=True)
        self.final_temperature = number_in("final_temperature", final_temperature, 0.0, open_low=True)

    def setup(self, context):
        super().setup(context)
        self.size = context.latent_dim // self.groups
        if context.latent_dim % self.groups or self.size < 2:
            raise Incompatible(
                f"groups={self.groups} does not part the latent dimension {context.latent_dim} into equal groups of 2 "
                "or more"
            )

    def logits(self, x):
        """Logits of q(z|x), (B, groups, C)."""
        return self.encoder(x).unflatten(-1, (self.groups, self.size))

    def loss(self, batch, draw):
        logits = self.logits(batch.x)
        uniform = draw.uniform(logits.shape).clamp(1e-20, 1 - 1e-7)
        ratio = self.final_temperature / self.temperature
        temperature = self.temperature * ratio**batch.progress
        relaxed = ((logits - (-uniform.log()).log()) / temperature).softmax(-1)
        log_p = logits.log_softmax(-1)
        kl = (log_p.exp() * (log_p + math.log(self.size))).sum((-2, -1))
        return self.bound(self.reconstruction_cost(relaxed.flatten(-2), batch.x), kl)

    def encode(self, x):
        return self.project(self.encoder(x))

    def project(self, z):
        grouped = z.unflatten(-1, (self.groups, self.size))
        return one_hot(grouped.argmax(-1), self.size, z).flatten(-2)

    def posterior(self, x):
        return self._over_codes(self.logits(x))

    def prior(self):
        like = next(self.parameters())
        return self._over_codes(like.new_zeros(self.groups, self.size))

    def _over_codes(self, logits):
        groups = Independent(OneHotCategorical(logits=logits, validate_args=False), 1, validate_args=False)
        flat = ReshapeTransform((self.groups, self.size), (self.groups * self.size,))
        return TransformedDistribution(groups, flat, validate_args=False)
