"""Latent densities: draws from and divergences between torch distributions, and N(m̂, Σ̂) of codes, called `fit`.

The fit is affine-equivariant: codes Az+b give the transformed density.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal, kl_divergence

#: Eigenvalues of Σ̂ below this share of the largest count as dead directions.
DEAD_SHARE = 1e-10


def draw(distribution: Distribution, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Draws from a torch distribution, `shape + batch_shape + event_shape`, with an explicit CPU generator.

    Distributions other than the normal sample under a forked global generator that is seeded from `generator`.
    """
    base = distribution.base_dist if isinstance(distribution, Independent) else distribution
    if isinstance(base, Normal):
        noise = torch.randn(*shape, *base.loc.shape, generator=generator).to(base.loc)
        return base.loc + base.scale * noise
    with _drawing_from(generator):
        along = _along_draws(distribution)
        return distribution.sample(shape) if along is None else along(shape)[0]


def draw_with_log_prob(
    distribution: Distribution, shape: tuple[int, ...], generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Draws as `draw` gives them, and the log density of each whole code: (*shape, N, L) and (*shape, N).

    The one source of importance weights: where a density is known along its draws only (a flow that is slow to invert,
    Hamiltonian steps), both come from the distribution's `sample_and_log_prob`.
    """
    along = _along_draws(distribution)
    if along is None:
        z = draw(distribution, shape, generator)
        return z, joint_log_prob(distribution, z)
    with _drawing_from(generator):
        return along(shape)


def has_density(distribution: Distribution) -> bool:
    """Whether a density can be had at any given code, and not along draws only."""
    along = _along_draws(distribution)
    if along is None:
        return True
    try:
        with torch.no_grad(), torch.random.fork_rng():
            joint_log_prob(distribution, along(())[0])
        return True
    except NotImplementedError:
        return False


def _along_draws(distribution: Distribution) -> Callable[[tuple[int, ...]], tuple[Tensor, Tensor]] | None:
    return getattr(distribution, "sample_and_log_prob", None)


@contextlib.contextmanager
def _drawing_from(generator: torch.Generator) -> Iterator[None]:
    """torch's global generator is seeded from `generator` meanwhile, without gradients."""
    seed = int(torch.randint(2**62, (), generator=generator))
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        yield


def draw_antithetic(distribution: Distribution, count: int, generator: torch.Generator) -> tuple[Tensor, bool]:
    """`count` draws, for a normal in antithetic pairs: draw i and i + count/2 are μ + σε and μ - σε.

    Returns:
        (count, *batch, *event), and whether the draws are paired.
    """
    base = distribution.base_dist if isinstance(distribution, Independent) else distribution
    if not isinstance(base, Normal) or count % 2:
        return draw(distribution, (count,), generator), False
    half = draw(distribution, (count // 2,), generator)
    return torch.cat([half, 2 * base.loc - half]), True


def moments(distribution: Distribution, generator: torch.Generator, draws: int = 64) -> tuple[Tensor, Tensor]:
    """Mean and variance per code dimension, each (N, L); by `draws` samples where they have no closed form."""
    try:
        return distribution.mean, distribution.variance
    except NotImplementedError:
        sample = draw(distribution, (draws,), generator)
        return sample.mean(0), sample.var(0)


def joint_log_prob(distribution: Distribution, z: Tensor) -> Tensor:
    """log density of whole codes z (..., L): (...), whether the distribution factorises by batch or by event."""
    log_prob = distribution.log_prob(z)
    return log_prob.sum(-1) if log_prob.dim() == z.dim() else log_prob


def factorised_kl(posterior: Distribution, prior: Distribution) -> Tensor | None:
    """KL(q(zⱼ|x) ‖ p(zⱼ)) in closed form, (N, L), or None where the pair does not factorise or has no closed form."""
    q, p = (d.base_dist if isinstance(d, Independent) else d for d in (posterior, prior))
    try:
        kl = kl_divergence(q, p)
    except NotImplementedError:
        return None
    if isinstance(q, Normal) and isinstance(p, Normal):
        log_ratio = 2 * (q.scale.log() - p.scale.log())
        kl = 0.5 * ((q.loc - p.loc).square() / p.scale.square() + torch.expm1(log_ratio) - log_ratio)
    return kl if kl.dim() == 2 else None


def joint_kl(posterior: Distribution, prior: Distribution, generator: torch.Generator, draws: int = 16) -> Tensor:
    """KL(q(z|x) ‖ p) per example, (N,): closed form where there is one, else the mean of log q - log p over draws."""
    factors = factorised_kl(posterior, prior)
    if factors is not None:
        return factors.sum(-1)
    try:
        kl = kl_divergence(posterior, prior)
    except NotImplementedError:
        z, log_q = draw_with_log_prob(posterior, (draws,), generator)
        return (log_q - joint_log_prob(prior, z)).mean(0)
    return kl


@dataclass(frozen=True)
class GaussianFit:
    """N(m̂, Σ̂) with Σ̂ = U diag(λ) Uᵀ restricted to its live directions.

    Attributes:
        mean: (L,) float64.
        directions: U, (L, r).
        scales: √λ, (r,), descending; r < L when directions are dead.
    """

    mean: Tensor
    directions: Tensor
    scales: Tensor

    @classmethod
    def of(cls, codes: Tensor) -> GaussianFit:
        """The fit to codes (N, L), N ≥ 2; directions without variance are left out."""
        codes = codes.double()
        mean = codes.mean(0)
        centred = codes - mean
        eigenvalues, vectors = torch.linalg.eigh(centred.T @ centred / (len(codes) - 1))
        live = eigenvalues > DEAD_SHARE * eigenvalues.max().clamp_min(1e-300)
        return cls(mean, vectors[:, live].flip(1), eigenvalues[live].flip(0).sqrt())

    @property
    def rank(self) -> int:
        """The number of live directions."""
        return len(self.scales)

    def place(self, noise: Tensor) -> Tensor:
        """Turn standard normal noise (N, L) into draws from N(m̂, Σ̂), (N, L) float32."""
        scaled = noise.double()[:, : self.rank] * self.scales
        return (self.mean + scaled @ self.directions.T).float()

    def whiten(self, codes: Tensor) -> Tensor:
        """Codes (N, L) in live directions with zero mean and unit covariance under the fit, (N, r) float64."""
        return (codes.double() - self.mean) @ self.directions / self.scales

    def unwhiten(self, white: Tensor) -> Tensor:
        """The inverse of `whiten` on the live directions: (N, r) → (N, L) float32."""
        return (self.mean + (white.double() * self.scales) @ self.directions.T).float()
