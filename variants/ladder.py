"""A VAE of two levels: min Σ E_q[cost(Θ(Z), xᵢ)] + λ [KL(q(z₂|xᵢ) ‖ N(0, I)) + E_q KL(q(z₁|xᵢ) ‖ p(z₁|Z₂))].

The code is z = [z₂, z₁], its upper half first; p(z₁|z₂) = N(m(z₂), diag s²(z₂)) is a learned network, which starts
near N(0, I), and q factorises (the hierarchical prior of Sønderby et al. 2016, eq. 2, with a bottom-up posterior). Both
KL terms are in closed form.
"""

import torch

from bench.contracts.variant import ElboVariant, Incompatible, whole_number
from bench.losses import bound_log_variance, gaussian_kl
from bench.parts.posteriors import TwoLevelNormal


class Ladder(ElboVariant):
    """VAE with two levels of codes: the prior of the lower half depends on the upper half (Sønderby 2016)."""

    family = "prior"
    reference = "Sønderby et al. 2016, arXiv 1602.02282"

    def __init__(self, kl_weight: float | str = "auto", beta: float = 1.0, hidden: int = 64):
        super().__init__(kl_weight, beta)
        self.hidden = whole_number("hidden", hidden, 1)

    def setup(self, context):
        super().setup(context)
        if context.latent_dim < 2:
            raise Incompatible("two levels need a latent dimension of 2 or more")
        self.upper = context.latent_dim // 2
        last = torch.nn.Linear(self.hidden, 2 * (context.latent_dim - self.upper))
        with torch.no_grad():
            last.weight.mul_(0.1)  # at first the lower prior is nearly N(0, I) for every z₂
            last.bias.zero_()
        self.lower_prior = torch.nn.Sequential(torch.nn.Linear(self.upper, self.hidden), torch.nn.Tanh(), last)

    def below(self, upper):
        """m(z₂) and ln s²(z₂) of p(z₁|z₂)."""
        mean, raw = self.lower_prior(upper).chunk(2, -1)
        return mean, bound_log_variance(raw)

    def loss(self, batch, draw):
        mean, log_variance = self.moments(batch.x)
        (z,) = self.draw_codes(mean, log_variance, draw, 1)
        centre, spread = (torch.cat([torch.zeros_like(z[:, : self.upper]), part], -1)
                          for part in self.below(z[:, : self.upper]))  # fmt: skip
        # KL(N(μ, σ²) ‖ N(m, s²)) = KL(N((μ-m)/s, σ²/s²) ‖ N(0, 1))
        kl = gaussian_kl((mean - centre) * (-0.5 * spread).exp(), log_variance - spread).sum(-1)
        return self.bound(self.reconstruction_cost(z, batch.x), kl)

    def prior(self):
        return TwoLevelNormal(self.upper, self.latent_dim, self.below, next(self.parameters()))
