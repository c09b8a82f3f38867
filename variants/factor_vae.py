"""FactorVAE: min Σ E_q[cost(Θ(Z), xᵢ)] + λ [KL + γ D(z)], z ~ q(·|xᵢ) (Kim and Mnih 2018, eq. 2 and algorithm 1).

The critic D learns to tell codes from codes whose dimensions were shuffled over the batch, one by one; its logit is
then ln q(z) / Πⱼ q(zⱼ), whose mean is the total correlation of the aggregate posterior.
"""

import torch

from bench.contracts.variant import ElboVariant, number_in, whole_number
from bench.losses import gaussian_kl
from bench.parts.critics import critic, critic_cost


class FactorVAE(ElboVariant):
    """VAE that also pays for the total correlation of its codes, estimated by a critic (Kim and Mnih 2018)."""

    family = "disentangling"
    reference = "Kim and Mnih 2018, arXiv 1802.05983"
    players = {"loss": ("encoder.", "decoder."), "loss_critic": ("critic.",)}  # noqa: RUF012

    def __init__(self, kl_weight: float | str = "auto", beta: float = 1.0, gamma: float = 5.0, hidden: int = 64):
        super().__init__(kl_weight, beta)
        self.gamma = number_in("gamma", gamma, 0.0)
        self.hidden = whole_number("hidden", hidden, 1)

    def setup(self, context):
        super().setup(context)
        self.critic = critic(context.latent_dim, self.hidden)

    def loss(self, batch, draw):
        mean, log_variance = self.moments(batch.x)
        z = self.draw_codes(mean, log_variance, draw, 1)
        cost, kl = self.reconstruction_cost(z, batch.x), gaussian_kl(mean, log_variance).sum(-1)
        correlation = self.critic(z[0]).squeeze(-1)
        codes = z[0].detach()
        places = torch.stack([draw.permutation(len(codes)) for _ in range(self.latent_dim)], -1)
        scores = (self.critic(some).squeeze(-1) for some in (codes, codes.gather(0, places)))
        terms = self.bound(cost, kl, total_correlation=correlation)
        total = terms["loss"] + self.kl_weight_value * self.gamma * correlation
        return {**terms, "loss": total, "loss_critic": critic_cost(*scores)}
