"""σ-VAE: min Σ λ {E_q[-ln N(xᵢ; Θ(Z), s² I)] + KL} with one learned decoder variance s² (Rybkin et al. 2021, eq. 4).

With s² = e^ρ λ/2 and squared cost this is E_q[cost] e^{-ρ} + λ (KL + ρ d/2) and a constant, which is eq. 4 at ρ = 0,
where it starts: from s² = 1 the code collapses.
"""

import torch

from bench.contracts.variant import ElboVariant, Incompatible
from bench.errors import UsageError
from bench.losses import gaussian_kl


class SigmaVAE(ElboVariant):
    """VAE that learns its decoder's variance, and with it the weight of the KL term (Rybkin 2021)."""

    family = "elbo"
    reference = "Rybkin et al. 2021, arXiv 2006.13202"

    def __init__(self, kl_weight: float | str = "auto"):
        super().__init__(kl_weight)

    def setup(self, context):
        super().setup(context)
        if self.cost.name not in ("squared", "gaussian"):
            raise Incompatible(f"{self.cost.name} cost has no variance to learn; take squared or gaussian cost")
        self.first_variance = self.cost.decoder_variance(self.kl_weight_value)
        if not self.first_variance:
            raise UsageError("sigma-vae starts at a decoder variance of kl_weight/2; give a kl_weight above 0")
        self.log_ratio = torch.nn.Parameter(torch.zeros(()))

    def loss(self, batch, draw):
        mean, log_variance = self.moments(batch.x)
        z = self.draw_codes(mean, log_variance, draw, 1)
        cost, kl = self.reconstruction_cost(z, batch.x), gaussian_kl(mean, log_variance).sum(-1)
        floor = self.cost(batch.x, batch.x)  # what gaussian cost adds whatever the reconstruction; 0 for squared cost
        scaled = (cost - floor) * (-self.log_ratio).exp() + floor
        volume = self.kl_weight_value * 0.5 * batch.x[0].numel() * self.log_ratio
        terms = self.bound(cost, kl, log_ratio=self.log_ratio.expand(len(cost)))
        return {**terms, "loss": scaled + self.kl_weight_value * kl + volume}

    @property
    def decoder_variance(self):
        return self.first_variance * float(self.log_ratio.detach().exp())

    def log_likelihood(self, z, x):
        return self.cost.log_likelihood(self.decode_params(z), x, self.decoder_variance)
