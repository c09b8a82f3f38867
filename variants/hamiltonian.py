"""Hamiltonian VAE: a draw moves along the gradient of ln p(x, z) before it is decoded (Caterini et al. 2018, eq. 9).

z₀ ~ q(·|x) and a momentum γ/√β₀, γ ~ N(0, I), go through `steps` leapfrog steps of learned sizes on the energy
U(z) = cost(Θ(z), x)/λ + ½‖z‖². After each the momentum cools, over all steps by √β₀, which is learned, so that
(z₀, γ) → (z_K, ρ_K) keeps volume, and the negative bound, times λ, is
cost(Θ(z_K), x) + λ [ln q(z₀|x) + ln N(γ) - ln N(z_K) - ln N(ρ_K)].
"""

import math

import torch
from torch.nn.functional import softplus

from bench.contracts.variant import ElboVariant, number_in, whole_number
from bench.errors import UsageError
from bench.parts.flows import HamiltonianPosterior, cooling_roots, leapfrog
from bench.parts.posteriors import normal_log_density, standard_log_density


class Hamiltonian(ElboVariant):
    """VAE whose posterior draws take Hamiltonian steps towards the true posterior (Caterini 2018)."""

    family = "flow"
    reference = "Caterini et al. 2018, arXiv 1805.11328"

    def __init__(self, kl_weight: float | str = "auto", beta: float = 1.0, steps: int = 2, step_size: float = 0.05):
        super().__init__(kl_weight, beta)
        self.steps = whole_number("steps", steps, 0)
        self.first_size = number_in("step_size", step_size, 0.0, open_low=True)

    def setup(self, context):
        super().setup(context)
        if self.kl_weight_value == 0:
            raise UsageError("hamiltonian has no target at weight 0; give kl_weight and beta above 0")
        raw = math.log(math.expm1(self.first_size))
        self.raw_sizes = torch.nn.Parameter(torch.full((self.steps, context.latent_dim), raw))
        self.raw_root = torch.nn.Parameter(torch.tensor(1.0))

    def moved(self, z, momentum, x):
        """z_K and ρ_K from z₀ and γ, each (..., B, L)."""
        if self.steps == 0:
            return z, momentum
        roots = cooling_roots(torch.sigmoid(self.raw_root), self.steps)

        def energy(code):
            cost = self.cost(self.decode_params(code), x)
            return (cost / self.kl_weight_value + 0.5 * code.square().sum(-1)).sum()

        sizes, cooling = softplus(self.raw_sizes), roots[:-1] / roots[1:]
        return leapfrog(z, momentum / roots[0], torch.func.grad(energy), sizes, cooling)

    def loss(self, batch, draw):
        mean, log_variance = self.moments(batch.x)
        (start,) = self.draw_codes(mean, log_variance, draw, 1)
        momentum = draw.normal(start.shape)
        z, last = self.moved(start, momentum, batch.x)
        log_q = normal_log_density(start, mean, log_variance) + standard_log_density(momentum)
        kl = (log_q - standard_log_density(z) - standard_log_density(last)).sum(-1)
        return self.bound(self.reconstruction_cost(z, batch.x), kl)

    def posterior(self, x):
        return HamiltonianPosterior(*self.moments(x), lambda z, momentum: self.moved(z, momentum, x))
