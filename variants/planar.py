"""VAE with a planar posterior: min Σ E_q[cost(Θ(Z), xᵢ) + λ ln q(Z|xᵢ)/p(Z)] (Rezende and Mohamed 2015, eq. 15).

Z is a draw of N(μ(x), diag σ²(x)) after `steps` maps z + u tanh(wᵀz + b), with u(x) and w(x) from the encoder and a
learned b; ln q falls by each map's ln |det|.
"""

import torch

from bench.contracts.variant import ElboVariant, whole_number
from bench.losses import bound_log_variance
from bench.parts.flows import FlowPosterior, planar, pushed
from bench.parts.posteriors import standard_log_density


class Planar(ElboVariant):
    """VAE whose posterior is bent by planar maps (Rezende and Mohamed 2015)."""

    family = "flow"
    reference = "Rezende and Mohamed 2015, arXiv 1505.05770"

    def __init__(self, kl_weight: float | str = "auto", beta: float = 1.0, steps: int = 4):
        super().__init__(kl_weight, beta)
        self.steps = whole_number("steps", steps, 0)
        self.head_blocks = 2 + 2 * steps

    def setup(self, context):
        super().setup(context)
        self.offsets = torch.nn.ParameterList(torch.zeros(()) for _ in range(self.steps))

    def split(self, x):
        """μ(x), ln σ²(x), each (B, L), and the flow of x."""
        mean, raw, *vectors = self.split_head(x)

        def flow(z):
            change = torch.zeros_like(z[..., 0])
            for direction, normal, offset in zip(vectors[::2], vectors[1::2], self.offsets, strict=True):
                z, log_change = planar(z, direction, normal, offset)
                change = change + log_change
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
