"""GECO: min KL under the constraint E_q[cost] ≤ κ², by a multiplier: min Σ Λ cost + λ KL (Rezende and Viola 2018).

κ² = `tolerance` · d λ/2, the expected squared error of a decoder of variance λ/2. After each step the relative excess
c = mean cost/κ² - 1 enters a moving average C and Λ becomes Λ e^{rate · C} (algorithm 1 there). Λ starts at 1: eq. 4.
"""

import math

import torch

from bench.contracts.variant import ElboVariant, Incompatible, number_in
from bench.errors import UsageError
from bench.losses import gaussian_kl


class GECO(ElboVariant):
    """VAE that meets a given reconstruction error at the least KL, by a multiplier that adapts (Rezende 2018)."""

    family = "elbo"
    reference = "Rezende and Viola 2018, arXiv 1810.00597"

    def __init__(
        self, kl_weight: float | str = "auto", tolerance: float = 1.0, rate: float = 0.01, decay: float = 0.99
    ):
        super().__init__(kl_weight)
        self.tolerance = number_in("tolerance", tolerance, 0.0, open_low=True)
        self.rate, self.decay = number_in("rate", rate, 0.0, 1.0), number_in("decay", decay, 0.0, 1.0)

    def setup(self, context):
        super().setup(context)
        if self.cost.name != "squared":
            raise Incompatible(f"geco bounds a squared error, and {self.cost.name} cost is none; take squared cost")
        if not self.kl_weight_value:
            raise UsageError("geco bounds the error by kl_weight/2 per dimension; give a kl_weight above 0")
        self.bound_value = self.tolerance * math.prod(context.data_shape) * self.kl_weight_value / 2
        self.register_buffer("average", torch.zeros(()))
        self.register_buffer("log_multiplier", torch.zeros(()))

    def loss(self, batch, draw):
        mean, log_variance = self.moments(batch.x)
        z = self.draw_codes(mean, log_variance, draw, 1)
        cost, kl = self.reconstruction_cost(z, batch.x), gaussian_kl(mean, log_variance).sum(-1)
        average = self.decay * self.average + (1 - self.decay) * (cost.detach().mean() / self.bound_value - 1)
        log_multiplier = (self.log_multiplier + self.rate * average).clamp(-20, 20)
        terms = self.bound(cost, kl, log_multiplier=self.log_multiplier.expand(len(cost)))
        terms["loss"] = self.log_multiplier.exp() * cost + self.kl_weight_value * kl
        return terms, {"average": average, "log_multiplier": log_multiplier}

    @property
    def decoder_variance(self):
        return self.kl_weight_value / 2 / float(self.log_multiplier.exp())
