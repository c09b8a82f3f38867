"""VAE with an inverse-autoregressive posterior: min Σ E_q[cost(Θ(Z), xᵢ) + λ ln q(Z|xᵢ)/p(Z)] (Kingma et al. 2016).

Z is a draw of N(μ(x), diag σ²(x)) after `steps` masked autoregressive steps with a context h(x) from the encoder, the
dimensions reversed between steps; ln q falls by each step's ln |det| (eq. 11 there).
"""

import torch

from bench.contracts.variant import ElboVariant, whole_number
from bench.losses import bound_log_variance
from bench.parts.flows import AutoregressiveStep, FlowPosterior, pushed
from bench.parts.posteriors import standard_log_density


class IAF(ElboVariant):
    """VAE whose posterior is bent by inverse-autoregressive steps (Kingma 2016)."""

    family = "flow"
    reference = "Kingma et al. 2016, arXiv 1606.04934"
    head_blocks = 3

    def __init__(self, kl_weight: float | str = "auto", beta: float = 1.0, steps: int = 2, hidden: int = 32):
        super().__init__(kl_weight, beta)
        self.count, self.hidden = whole_number("steps", steps, 0), whole_number("hidden", hidden, 1)
        self.head_blocks = 3 if steps else 2

    def setup(self, context):
        super().setup(context)
        steps = (AutoregressiveStep(context.latent_dim, self.hidden) for _ in range(self.count))
        self.steps = torch.nn.ModuleList(steps)

    def split(self, x):
        """μ(x), ln σ²(x), each (B, L), and the flow of x."""
        mean, raw, *contexts = self.split_head(x)

        def flow(z):
            change = torch.zeros_like(z[..., 0])
            for step in self.steps:
                z, log_change = step(z, contexts[0])
                z, change = z.flip(-1), change + log_change
            return z, change

        return mean, bound_log_variance(raw), flow

    def loss(self, batch, draw):
        mean, log_variance, flow = self.split(batch.x)
        z, log_q = pushed(mean, log_variance, draw.normal((1, *mean.shape)), flow)
        kl = (log_q - standard_log_density(z).sum(-1)).mean(0)
        return self.bound(self.reconstruction_cost(z, batch.x), kl)

    def encode(self, x):
        mean, _, flow = self.split(x)
        return flow(mean)[0]

    def posterior(self, x):
        return FlowPosterior(*self.split(x))
