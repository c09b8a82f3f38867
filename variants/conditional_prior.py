"""VAE with a prior for each class: min Σ E_q[cost(Θ(Z), xᵢ)] + λ KL(q(·|xᵢ) ‖ N(m_y, diag s_y²)), y = yᵢ, all learned.

The labels enter the prior alone, so that codes and decoder are those of any variant (the conditional prior of Sohn et
al. 2015, section 4, with y as condition). The prior of all codes is the mixture over classes by their frequency.
"""

import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily

from bench.contracts.variant import ElboVariant
from bench.losses import bound_log_variance, diagonal_normal, gaussian_kl
from bench.parts.quantise import one_hot


class ConditionalPrior(ElboVariant):
    """VAE whose prior is a learned diagonal normal for each class, p(z|y) (Sohn 2015)."""

    family = "prior"
    reference = "Sohn et al. 2015, NeurIPS 28"
    uses_labels = True

    def setup(self, context):
        super().setup(context)
        self.prior_mean = torch.nn.Parameter(torch.zeros(context.n_classes, context.latent_dim))
        self.prior_log_variance = torch.nn.Parameter(torch.zeros(context.n_classes, context.latent_dim))
        self.register_buffer("counts", torch.ones(context.n_classes))

    def loss(self, batch, draw):
        mean, log_variance = self.moments(batch.x)
        z = self.draw_codes(mean, log_variance, draw, 1)
        centre, spread = self.prior_mean[batch.y], bound_log_variance(self.prior_log_variance)[batch.y]
        # KL(N(μ, σ²) ‖ N(m, s²)) = KL(N((μ-m)/s, σ²/s²) ‖ N(0, 1))
        kl = gaussian_kl((mean - centre) * (-0.5 * spread).exp(), log_variance - spread).sum(-1)
        counts = self.counts + one_hot(batch.y, len(self.counts), self.counts).sum(0)
        return self.bound(self.reconstruction_cost(z, batch.x), kl), {"counts": counts}

    def prior(self):
        mean, log_variance = self.prior_mean.detach(), bound_log_variance(self.prior_log_variance.detach())
        mix = Categorical(probs=self.counts / self.counts.sum(), validate_args=False)
        parts = Independent(diagonal_normal(mean, log_variance), 1, validate_args=False)
        return MixtureSameFamily(mix, parts, validate_args=False)
