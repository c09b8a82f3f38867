"""Chains of Hamiltonian Monte Carlo along ln p(z) + β ln p(x|z), forwards (β: 0 → 1) and in reverse."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from bench.contracts.model import Model
from bench.evaluate.latent_density import draw, joint_log_prob
from bench.metrics.functional.importance import log_likelihood

#: Chains that find step sizes and are thrown away.
PILOTS = 4


def simulate(model: Model, z: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Data from the model: codes z (N, L), drawn from the prior, and x ~ p(x|z), (N, *data_shape)."""
    with torch.no_grad():
        params = model.decode_params(z)
        uniform = torch.rand(params.shape, generator=generator).to(params)
        if model.cost.name == "bernoulli":
            return z, (uniform < torch.sigmoid(params)).float()
        if model.cost.is_density:
            return z, draw(model.cost.distribution(params), (), generator)
        noise = torch.randn(params.shape, generator=generator).to(params)
        return z, params + model.decoder_variance**0.5 * noise


@dataclass
class AnnealedChains:
    """Annealing of one model.

    Attributes:
        model: needs `prior`, `decode_params` and a likelihood.
        generator: all randomness.
        temperatures: steps of β on a sigmoid schedule.
        chains: independent chains per datum.
        leapfrogs: leapfrog steps of each Hamiltonian proposal.
    """

    model: Model
    generator: torch.Generator
    temperatures: int
    chains: int = 8
    leapfrogs: int = 5

    @property
    def schedule(self) -> list[float]:
        """β from 0 to 1, `temperatures` + 1 values: a sigmoid, so that both ends are approached slowly."""
        span = torch.sigmoid(torch.linspace(-4, 4, self.temperatures + 1, dtype=torch.float64))
        return ((span - span[0]) / (span[-1] - span[0])).tolist()

    def forward(self, x: Tensor, steps: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Estimates of ln p(x), low on average, and their errors: (N, *data_shape) → two (N,).

        `steps` are those of `step_sizes(x)`, which are found first where they are not given.
        """
        steps = self.step_sizes(x) if steps is None else steps
        z = draw(self.model.prior(), (self.chains, len(x)), self.generator).to(x)
        weights = self._anneal(z, x, self.schedule, steps[1:])
        return torch.logsumexp(weights, 0) - math.log(self.chains), _errors(weights)

    def reverse(self, x: Tensor, z: Tensor, steps: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Estimates of ln p(x), high on average, from exact posterior draws z (N, L), and their errors: two (N,)."""
        steps = self.step_sizes(x) if steps is None else steps
        start = z.expand(self.chains, *z.shape).clone()
        weights = self._anneal(start, x, self.schedule[::-1], steps.flip(0)[1:])
        return math.log(self.chains) - torch.logsumexp(weights, 0), _errors(weights)

    def step_sizes(self, x: Tensor) -> Tensor:
        """Leapfrog steps by temperature and datum, (T+1, N), that accept about 70 %, from pilot chains.

        The chains whose weights count use these fixed steps: steps that a chain adapts to its own moves leave its
        density no longer invariant (tried: .13 nats of bias in six dimensions).
        """
        z = draw(self.model.prior(), (PILOTS, len(x)), self.generator).to(x)
        step, steps = torch.full((len(x),), 0.1, device=x.device), []
        for beta in self.schedule:
            z, accepted = self._hamiltonian(z, x, beta, step.expand(PILOTS, -1))
            step = (step * torch.exp(0.15 * (accepted.float().mean(0) - 0.7))).clamp(1e-4, 1.0)
            steps.append(step)
        return torch.stack(steps)

    def _anneal(self, z: Tensor, x: Tensor, schedule: list[float], steps: Tensor) -> Tensor:
        """Log weights (chains, N) of chains z (chains, N, L) along a schedule of T+1 β with steps (T, N)."""
        weights = torch.zeros(z.shape[:2], device=z.device)
        for (before, after), step in zip(pairwise(schedule), steps, strict=True):
            with torch.no_grad():
                weights += (after - before) * log_likelihood(self.model, z, x)
            z, _ = self._hamiltonian(z, x, after, step.expand(len(z), -1))
        return weights

    def _hamiltonian(self, z: Tensor, x: Tensor, beta: float, step: Tensor) -> tuple[Tensor, Tensor]:
        """One proposal that leaves p(z) p(x|z)^β invariant: new codes, and which chains moved (chains, N)."""
        size = step[..., None]
        momentum = torch.randn(z.shape, generator=self.generator).to(z)
        energy, gradient = self._potential(z, x, beta)
        start = energy + 0.5 * momentum.square().sum(-1)
        position, moving = z, momentum - 0.5 * size * gradient
        for leap in range(self.leapfrogs):
            position = position + size * moving
            energy, gradient = self._potential(position, x, beta)
            moving = moving - (size if leap < self.leapfrogs - 1 else 0.5 * size) * gradient
        end = energy + 0.5 * moving.square().sum(-1)
        uniform = torch.rand(start.shape, generator=self.generator).to(start)
        accepted = torch.log(uniform) < start - end  # NaN compares as False
        return torch.where(accepted[..., None], position, z), accepted

    def _potential(self, z: Tensor, x: Tensor, beta: float) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            z = z.detach().requires_grad_(True)
            energy = -joint_log_prob(self.model.prior(), z) - beta * log_likelihood(self.model, z, x)
            (gradient,) = torch.autograd.grad(energy.sum(), z)
        return energy.detach(), gradient


def _errors(weights: Tensor) -> Tensor:
    """Delta-method standard errors (N,) of ln mean w over chains, from ln w (chains, N)."""
    share = torch.softmax(weights, 0)
    return (share.square().sum(0) - 1 / len(weights)).clamp_min(0).sqrt()
