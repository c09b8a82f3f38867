"""The aggregate posterior ∫ q(z|x) p(x) dx of a viewed model: its moments, and distances between samples of codes."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Independent, Normal

from bench.contracts.view import View
from bench.evaluate.latent_density import draw
from bench.evaluate.model_view import POSTERIOR_DRAWS


def aggregate_moments(view: View, part: str) -> tuple[Tensor, Tensor]:
    """Mean (L,) and covariance (L, L) of z ~ q(z|x) over `rows(part)`, float64; of the codes without a posterior.

    The covariance is that of the means plus the mean covariance of q, which is diagonal for a factorised normal and
    estimated from 16 draws per row otherwise.
    """
    codes = view.codes(part).double()
    centred = codes - codes.mean(0)
    covariance = centred.T @ centred / len(codes)
    if view.lacks("posterior") is not None:
        return codes.mean(0), covariance
    means, variances = view.posterior_moments(part)
    probe = view.model.posterior(view.rows(part).x[:1])
    if isinstance(probe.base_dist if isinstance(probe, Independent) else probe, Normal):
        return codes.mean(0), covariance + torch.diag(variances.double().mean(0))
    generator, noise = view.generator(f"aggregate {part}"), torch.zeros_like(covariance)
    for x, mean in zip(view.rows(part).x.split(1024), means.split(1024), strict=True):
        with torch.no_grad():
            residual = (draw(view.model.posterior(x), (POSTERIOR_DRAWS,), generator) - mean).flatten(0, 1).double()
        noise += residual.T @ residual
    return codes.mean(0), covariance + noise / (len(codes) * POSTERIOR_DRAWS)


def is_standard_normal(prior, latent_dim: int) -> bool:
    """Whether a prior is N(0, I)."""
    base = prior.base_dist if isinstance(prior, Independent) else prior
    if not isinstance(base, Normal):
        return False
    location, scale = (value.expand(latent_dim) for value in (base.loc, base.scale))
    return bool((location == 0).all() and (scale == 1).all())


def moment_kl(mean: Tensor, covariance: Tensor) -> float | None:
    """KL(N(m, Σ) ‖ N(0, I)) = ½(tr Σ + ‖m‖² - L - ln|Σ|) in nats; None when Σ is singular."""
    values = torch.linalg.eigvalsh(covariance.double())
    if float(values.min()) <= 1e-12 * float(values.max().clamp_min(1e-300)):
        return None
    return 0.5 * float(values.sum() + mean.double().square().sum() - len(values) - values.log().sum())


def sliced_w2(x: Tensor, y: Tensor, projections: Tensor) -> tuple[float, float]:
    """Sliced 2-Wasserstein distance √(mean over projections of W₂²) of two samples (N, L) of equal size.

    Args:
        projections: unit vectors (L, P).

    Returns:
        The distance and its standard error over projections.
    """
    return _root_mean((x @ projections).sort(0).values - (y @ projections).sort(0).values)


def sliced_w2_to_normal(x: Tensor, projections: Tensor) -> tuple[float, float]:
    """Sliced 2-Wasserstein distance of a sample (N, L) to N(0, I), whose quantiles at (i - ½)/N stand for a sample."""
    levels = (torch.arange(len(x), device=x.device, dtype=torch.float64) + 0.5) / len(x)
    quantiles = torch.special.ndtri(levels).to(x)[:, None]
    return _root_mean((x @ projections).sort(0).values - quantiles)


def _root_mean(differences: Tensor) -> tuple[float, float]:
    """√(mean of squares) of (N, P) and its standard error over the P columns."""
    squared = differences.square().mean(0).double()
    distance = float(squared.mean().sqrt())
    error = float(squared.std()) / len(squared) ** 0.5 / (2 * distance) if distance > 0 and len(squared) > 1 else 0.0
    return distance, error


def unit_projections(latent_dim: int, count: int, generator: torch.Generator) -> Tensor:
    """Uniformly random unit vectors, (L, count)."""
    directions = torch.randn(latent_dim, count, generator=generator)
    return directions / directions.norm(dim=0)
