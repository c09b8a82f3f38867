"""How unusual a trained model finds a row, in several ways; higher is less normal.

reconstruction  ‖Θ(μ(x)) - x‖², of the data as they are scaled.
standardised    Σⱼ (Θ(μ(x)) - x)ⱼ² / vⱼ with vⱼ the mean of the same squares over training rows.
elbo            -E_q ln p(x|z) + KL(q(z|x) ‖ p₀), the negative evidence lower bound.
iwae            -ln mean p(x, z)/q(z|x), the importance-weighted bound.
mahalanobis     (z - m̂)ᵀ Σ̂⁻¹ (z - m̂) of the code z = μ(x), with N(m̂, Σ̂) of the training codes.
neighbour       mean distance of the code to its 5 nearest training codes, in coordinates in which Σ̂ is the identity.

All are deterministic: the same row has the same score (up to the rounding of batches of another size), because every
row meets the same `DRAWS` draws: antithetic pairs of noise for a normal q, else a generator of the same seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from bench.contracts.metric import Missing
from bench.contracts.view import View
from bench.evaluate.latent_density import draw_with_log_prob, factorised_kl, joint_log_prob
from bench.evaluate.neighbours import nearest
from bench.metrics.functional.importance import log_likelihood

#: Draws of the posterior for each row, in antithetic pairs.
DRAWS = 64
NEIGHBOURS = 5
_CHUNK_NUMBERS = 2**21
#: A column's mean squared error counts as at least this share of the mean over columns.
_LEAST_SHARE = 1e-6


def reconstruction(view: View, x: Tensor) -> Tensor:
    """Squared error of rows x (N, *data_shape): (N,) float64."""
    return _residuals(view, x).square().sum(1).double()


def standardised(view: View, x: Tensor) -> Tensor:
    """Squared error relative to training's, column by column: (N,) float64."""

    def compute() -> Tensor:
        known = (view.reconstructions("train") - view.rows("train").flat).double().square().mean(0)
        return known.clamp_min(_LEAST_SHARE * float(known.mean()) or 1.0)

    return (_residuals(view, x).double().square() / view.once("training errors", compute)).sum(1)


def elbo(view: View, x: Tensor) -> Tensor:
    """Negative evidence lower bound of rows in nats: (N,) float64; the KL in closed form where there is one."""
    parts = []
    for rows, likelihoods, ratios in _draws(view, x):
        kl = factorised_kl(view.model.posterior(rows), view.model.prior())
        cost = -ratios.mean(0) if kl is None else kl.sum(1).double()
        parts.append(cost - likelihoods.mean(0))
    return torch.cat(parts)


def iwae(view: View, x: Tensor) -> Tensor:
    """Negative importance-weighted bound of rows in nats: (N,) float64."""
    parts = [-torch.logsumexp(likelihoods + ratios, 0) for _, likelihoods, ratios in _draws(view, x)]
    return torch.cat(parts) + torch.log(torch.tensor(float(DRAWS), dtype=torch.float64))


def mahalanobis(view: View, x: Tensor) -> Tensor | Missing:
    """Squared distance of codes from the training codes' mean, in their covariance: (N,) float64."""
    return _unfit(view) or view.fit.whiten(view.encode(x)).square().sum(1)


def neighbour(view: View, x: Tensor) -> Tensor | Missing:
    """Mean distance of codes to the nearest training codes (of at most 10,000), whitened: (N,) float64."""
    known = len(view.rows("train"))
    if missing := _unfit(view):
        return missing
    if known < NEIGHBOURS:
        return Missing(f"{known} training rows are fewer than {NEIGHBOURS} neighbours", "too_few")
    codes = view.fit.whiten(view.codes("train")).float()
    return nearest(view.fit.whiten(view.encode(x)).float(), codes, NEIGHBOURS)[0].mean(1).double()


#: Every score by name.
SCORES: dict[str, Callable[[View, Tensor], Tensor | Missing]] = {
    "reconstruction": reconstruction,
    "standardised": standardised,
    "elbo": elbo,
    "iwae": iwae,
    "mahalanobis": mahalanobis,
    "neighbour": neighbour,
}


def _unfit(view: View) -> Missing | None:
    if len(view.rows("train")) < 2:
        return Missing("codes of fewer than 2 training rows have no covariance", "too_few")
    return Missing("the training codes are constant, so nothing lies apart from them") if view.fit.rank == 0 else None


def _residuals(view: View, x: Tensor) -> Tensor:
    return view.decode(view.encode(x)) - x.reshape(len(x), -1)


def _draws(view: View, x: Tensor) -> list[tuple[Tensor, Tensor, Tensor]]:
    """`_drawn` of rows, once for both bounds; x is kept beside it, so that its id stays its own."""
    return view.once(("draws of anomaly scores", id(x)), lambda: (x, list(_drawn(view, x))))[1]


def _drawn(view: View, x: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Blocks of rows with ln p(x|z) and ln p₀(z) - ln q(z|x) of their draws, (S, B) float64 each."""
    prior, shared_noise = view.model.prior(), _is_normal(view.model.posterior(x[:1]))
    size = max(1, _CHUNK_NUMBERS // (DRAWS * view.dimension)) if shared_noise else 1
    with torch.no_grad():
        for rows in x.split(size):
            posterior = view.model.posterior(rows)
            if shared_noise:
                z = _paired(posterior, view.generator("anomaly scores"))
                log_q = joint_log_prob(posterior, z)
            else:
                z, log_q = draw_with_log_prob(posterior, (DRAWS,), view.generator("anomaly scores"))
            yield rows, log_likelihood(view.model, z, rows).double(), (joint_log_prob(prior, z) - log_q).double()


def _base(distribution: Distribution) -> Distribution:
    return distribution.base_dist if isinstance(distribution, Independent) else distribution


def _is_normal(posterior: Distribution) -> bool:
    return isinstance(_base(posterior), Normal)


def _paired(posterior: Distribution, generator: torch.Generator) -> Tensor:
    """Draws μ ± σε of a normal posterior with the same ε for every row, (S, B, L)."""
    base: Any = _base(posterior)  # a normal distribution
    half = torch.randn(DRAWS // 2, 1, base.loc.shape[-1], generator=generator).to(base.loc)
    return base.loc + base.scale * torch.cat([half, -half])
