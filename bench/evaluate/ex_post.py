"""Densities fitted ex post to codes, as torch distributions: N(m̂, Σ̂) and a Gaussian mixture, and draws from samplers.

All are fitted to whitened codes and placed in code space afterwards, z = m̂ + U diag(√λ) w with w in the live directions
of the codes: affine-equivariant, and codes that fill a subspace have draws in that subspace.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.distributions import (
    Categorical,
    Distribution,
    Independent,
    MixtureSameFamily,
    MultivariateNormal,
    Normal,
)

from bench.evaluate.latent_density import GaussianFit, draw

#: What a sampler does: codes (N, L) and a CPU generator to a density with event (L,).
Fit = Callable[[Tensor, torch.Generator], Distribution]


class Placed(Distribution):
    """The image of a density of whitened codes, event (r,), in code space: event (L,).

    Args:
        fit: which whitened the codes (N, L).
        white: of w.
    """

    arg_constraints: dict[str, Any] = {}  # noqa: RUF012

    def __init__(self, fit: GaussianFit, white: Distribution) -> None:
        self._fit, self._white = fit, white
        super().__init__(torch.Size(), torch.Size(fit.mean.shape), validate_args=False)

    def sample(self, sample_shape=()) -> Tensor:
        """Draws (*sample_shape, L), float32, from torch's global generator."""
        with torch.no_grad():
            return self._fit.unwhiten(self._white.sample(torch.Size(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        """ln p(z) of codes (..., L): (...) float64.

        Raises:
            NotImplementedError: the codes fill a subspace, where there is no density in R^L; or there is none of w.
        """
        if self._fit.rank < len(self._fit.mean):
            raise NotImplementedError("codes in a subspace have no density in the whole space")
        log_prob = self._white.log_prob(self._fit.whiten(value).float())
        return log_prob.double() - self._fit.scales.log().sum()


def whitening(codes: Tensor) -> GaussianFit:
    """The Gaussian that whitens codes (N, L).

    Raises:
        ValueError: codes that are not finite, or constant.
    """
    if not bool(codes.isfinite().all()):
        raise ValueError("the training codes are not finite, so no density can be fitted")
    fit = GaussianFit.of(codes)
    if fit.rank == 0:
        raise ValueError("the codes are constant, so no density can be fitted")
    return fit


def gaussian_density(codes: Tensor) -> Placed:
    """N(m̂, Σ̂) of codes (N, L)."""
    fit = whitening(codes)
    zeros = torch.zeros(fit.rank, device=codes.device)
    return Placed(fit, Independent(Normal(zeros, 1.0, validate_args=False), 1, validate_args=False))


def mixture_density(codes: Tensor, generator: torch.Generator, components: int = 10) -> Placed:
    """A full-covariance Gaussian mixture fitted to codes (N, L) by expectation maximisation, N > `components`."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    fit = whitening(codes)
    mixture = GaussianMixture(components, reg_covar=1e-4, random_state=seed_from(generator) % 2**32, max_iter=200)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct codes than components, or slow EM
        mixture.fit(fit.whiten(codes).cpu().numpy())
    weights, means, covariances = (
        torch.as_tensor(part, dtype=torch.float32, device=codes.device)
        for part in (mixture.weights_, mixture.means_, mixture.covariances_)
    )
    parts = MultivariateNormal(means, scale_tril=torch.linalg.cholesky(covariances), validate_args=False)
    return Placed(fit, MixtureSameFamily(Categorical(weights, validate_args=False), parts, validate_args=False))


def seed_from(generator: torch.Generator) -> int:
    """A seed for a library that takes no generator."""
    return int(torch.randint(2**62, (), generator=generator))


def fitted_density(fit: Fit, codes: Tensor, generator: torch.Generator) -> Distribution:
    """What `fit`, that of a sampler, makes of codes (N, L); all randomness comes from `generator`."""
    with torch.enable_grad(), torch.random.fork_rng():
        torch.manual_seed(seed_from(generator))
        return fit(codes.detach().clone(), generator)


def density_draws(density: Distribution, codes: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """`n` draws (n, L) of a density of codes (N, L), in their type and on their device.

    Raises:
        ValueError: draws of another shape, or that are not finite.
    """
    draws = draw(density, (n,), generator).to(codes)
    if draws.shape != (n, codes.shape[1]):
        raise ValueError(f"its draws have shape {tuple(draws.shape)}; expected {(n, codes.shape[1])}")
    if not bool(draws.isfinite().all()):
        raise ValueError("its draws are not finite")
    return draws
