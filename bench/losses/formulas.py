"""Formulas of the costs and the KL term on plain tensors, in few passes over the data.

Letters: x target in data units, l logits, σ(l) = 1 / (1 + e^-l), μ and v mean and log-variance of the posterior.
Shapes: (..., d) for data, any leading dimensions, which broadcast. torch's `log1p` and `expm1` are not vectorised on
every processor (measured: ten times the price of `log` and `exp`), so neither is used.
"""

from __future__ import annotations

import torch
from torch import Tensor

#: Bounds of a log-variance: exp(-30) and exp(20) keep σ², 1/σ² and their float32 products finite.
LOG_VARIANCE_BOUNDS = (-30.0, 20.0)

#: How often factors in [½, 1] are multiplied pairwise before their logarithm: 2⁴ factors are at least 2⁻¹⁶.
_HALVINGS = 4


def squared_rows(params: Tensor, target: Tensor, out: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Σ_j (x̂_j - x_j)² per row and the residual x̂ - x, in `out` if given: two (..., d) → (...), (..., d)."""
    residual = torch.sub(params, target, out=out)
    return torch.linalg.vector_norm(residual, dim=-1).square(), residual


def bernoulli_rows(
    logits: Tensor, target: Tensor, out: Tensor | None = None, scratch: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """-Σ_j [x_j ln σ(l_j) + (1 - x_j) ln(1 - σ(l_j))] per row and its slope σ(l) - x: two (..., d) → (...), (..., d).

    Per element max(l, 0) - x l - ln σ(|l|), where σ(|l|) = max(σ(l), 1 - σ(l)) lies in [½, 1], so that the logarithm of
    a product of several stands for the sum of their logarithms (a logarithm costs ten multiplications). `out` receives
    the slope and `scratch` intermediate values, if given.
    """
    if logits.shape != target.shape:
        logits, target = torch.broadcast_tensors(logits, target)
    probability = torch.sigmoid(logits, out=out)
    scratch = torch.sub(probability.new_ones(()), probability, out=scratch)
    logarithms = log_product(torch.maximum(scratch, probability, out=scratch))
    linear = torch.clamp_min(logits, 0, out=scratch).addcmul_(target, logits, value=-1).sum(-1)
    return linear - logarithms, torch.sub(probability, target, out=out)


def log_product(factors: Tensor) -> Tensor:
    """Σ_j ln r_j of factors r in [½, 1]: (..., d) → (...)."""
    for _ in range(_HALVINGS):
        half, odd = divmod(factors.shape[-1], 2)
        if half == 0:
            break
        product = factors[..., :half] * factors[..., half : 2 * half]
        if odd:
            product[..., 0] *= factors[..., -1]
        factors = product
    return factors.log().sum(-1)


def kl_terms(mean: Tensor, log_variance: Tensor) -> tuple[Tensor, Tensor]:
    """½μ² + ½(e^v - 1 - v) per dimension and e^v - 1: two tensors of one shape → two of it.

    e^v - 1 = tanh(v/2) (e^v + 1) is exact near v = 0.
    """
    tanh = torch.tanh(0.5 * log_variance)
    excess = torch.addcmul(tanh, tanh, torch.exp(log_variance))  # e^v - 1
    return 0.5 * torch.addcmul((excess - log_variance).clamp_min(0), mean, mean), excess
