"""Importance weights ln p(x, z) - ln q(z|x), the bounds that they give, and the bound of eq. 9."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.contracts.model import Model
from bench.evaluate.latent_density import draw_with_log_prob, joint_log_prob

_CHUNK_NUMBERS = 2**21
#: Draws of the prior that meet every row, of a likelihood that is neither linear nor quadratic in x.
PAIRED = 200


def log_likelihood(model: Model, z: Tensor, x: Tensor) -> Tensor:
    """ln p(x|z) of every draw: z (S, B, L), x (B, *data_shape) → (S, B)."""
    if model.log_likelihood is not None:
        return model.log_likelihood(z, x)
    params = model.decode_params(z.flatten(0, 1)).reshape(*z.shape[:2], -1)  # (S, B, d)
    flat = x.flatten(1)
    if model.cost.name == "bernoulli":  # x·logit - softplus(logit) reads each decode twice only
        return torch.einsum("sbd,bd->sb", params, flat) - F.softplus(params).sum(-1)
    return model.cost.log_likelihood(params, flat, model.decoder_variance)


def log_weights(model: Model, x: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """ln w of `count` posterior draws for each of x (N, *data_shape): (N, count), in blocks of bounded memory."""
    d, prior, columns = x[0].numel(), model.prior(), []
    with torch.no_grad():
        for rows in x.split(64):
            posterior = model.posterior(rows)
            size = max(1, _CHUNK_NUMBERS // (d * len(rows)))
            parts = []
            for start in range(0, count, size):
                z, log_q = draw_with_log_prob(posterior, (min(size, count - start),), generator)  # (S, B, L), (S, B)
                parts.append(log_likelihood(model, z, rows) + (joint_log_prob(prior, z) - log_q))
            columns.append(torch.cat(parts).T)
    return torch.cat(columns)


def row_bounds(weights: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """IWAE_`count` of each row from ln w (N, S), and its variance over draws: two (N,) float64.

    `count` draws at a time in S // count disjoint groups. The variance is the spread over groups, or the delta method's
    1/ESS - 1/S where there is a single group.
    """
    logs = _group_bounds(weights, count)  # (N, G)
    if logs.shape[1] > 1:
        return logs.mean(1), logs.var(1) / logs.shape[1]
    share = torch.softmax(weights.double(), 1)
    return logs[:, 0], (share.square().sum(1) - 1 / weights.shape[1]).clamp_min(0)


def row_gaps(weights: Tensor, few: int, many: int) -> tuple[Tensor, Tensor]:
    """IWAE_many - IWAE_few of each row from the same draws ln w (N, S), and its variance; `few` divides `many`.

    Each group of `many` draws is compared with the mean bound of the groups of `few` that it consists of, so that what
    the two bounds share cancels from the variance.
    """
    large = _group_bounds(weights, many)  # (N, G)
    used = weights[:, : large.shape[1] * many]
    gaps = large - _group_bounds(used, few).reshape(*large.shape, many // few).mean(2)
    variances = gaps.var(1) / gaps.shape[1] if gaps.shape[1] > 1 else torch.zeros_like(gaps[:, 0])
    return gaps.mean(1), variances


def mean_of_rows(values: Tensor, variances: Tensor) -> tuple[float, float]:
    """Mean over rows (N,) and its Monte-Carlo error over draws; rows are not resampled."""
    return float(values.mean()), float(variances.sum().sqrt()) / len(values)


def importance_bounds(weights: Tensor, counts: Sequence[int]) -> dict[int, tuple[float, float]]:
    """IWAE_K for each K of `counts` from ln w (N, S), and its Monte-Carlo error."""
    return {count: mean_of_rows(*row_bounds(weights, count)) for count in counts}


def paired_gap(weights: Tensor, few: int, many: int) -> tuple[float, float]:
    """IWAE_many - IWAE_few, mean over rows of ln w (N, S), and its Monte-Carlo error."""
    return mean_of_rows(*row_gaps(weights, few, many))


def _group_bounds(weights: Tensor, count: int) -> Tensor:
    """ln mean w of every `count` draws of ln w (N, S), in disjoint groups: (N, S // count) float64."""
    groups = weights.shape[1] // count
    parts = weights[:, : groups * count].double().reshape(len(weights), groups, count)
    return torch.logsumexp(parts, 2) - math.log(count)


def prior_bound(model: Model, x: Tensor, z: Tensor) -> tuple[float, float]:
    """Mean over x (N, *data_shape) and prior draws z (M, L) of ln p(x|z) (eq. 9), and its error over draws.

    ln p(x|z) is linear in x for Bernoulli cost, and with a decoder variance E_x ‖x̂-x‖² = ‖x̂-x̄‖² + tr Cov(x), so that
    the mean over all pairs needs x̄ and tr Cov(x) alone. Other densities are averaged over the pairs of `PAIRED` draws.
    """
    if model.log_likelihood is not None or (model.cost.is_density and model.cost.name != "bernoulli"):
        return _paired_bound(model, x, z[:PAIRED])
    flat = x.flatten(1)
    mean, means = flat.mean(0, keepdim=True), []
    with torch.no_grad():
        for part in z.split(max(1, _CHUNK_NUMBERS // flat.shape[1])):
            params = model.decode_params(part).reshape(len(part), 1, -1)
            means.append(model.cost.log_likelihood(params, mean, model.decoder_variance)[:, 0].double())
    draws = torch.cat(means)
    if model.cost.name != "bernoulli":
        draws -= float(flat.var(0, correction=0).sum(dtype=torch.float64)) / (2 * model.decoder_variance)
    return float(draws.mean()), float(draws.std()) / len(draws) ** 0.5


def _paired_bound(model: Model, x: Tensor, z: Tensor) -> tuple[float, float]:
    """The mean over all pairs of x (N, *data_shape) and z (M, L) of ln p(x|z), and its error over draws."""
    size, means = max(1, _CHUNK_NUMBERS // x.numel()), []
    with torch.no_grad():
        for part in z.split(size):
            pairs = part[:, None].expand(-1, len(x), -1)  # (S, N, L)
            means.append(log_likelihood(model, pairs, x).double().mean(1))
    draws = torch.cat(means)
    return float(draws.mean()), float(draws.std()) / len(draws) ** 0.5
