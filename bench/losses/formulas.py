"""Formulas of the costs and the KL term on plain tensors, in few passes over the data.

Letters: x target in data units, l logits, σ(l) = 1 / (1 + e^-l), μ and v mean and log-variance of the posterior.
Shapes: (..., d) for data, any leading dimensions, which broadcast. torch's `log1p` and `expm1` are not vectorised on
every processor (measured: ten times the price of `log` and `exp`), so neither is used.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import softplus

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


def bernoulli_elements(logits: Tensor, target: Tensor) -> Tensor:
    """-[x ln σ(l) + (1 - x) ln(1 - σ(l))] = ln(1 + e^l) - x l: two (..., d) → (..., d)."""
    return softplus(logits) - target * logits


def student_t_elements(residual: Tensor, df: float, scale: float) -> Tensor:
    """-ln of Student's t density with `df` degrees of freedom and a scale, at a residual of any shape."""
    constant = math.lgamma(df / 2) - math.lgamma((df + 1) / 2) + 0.5 * math.log(df * math.pi) + math.log(scale)
    return (df + 1) / 2 * torch.log(1 + (residual / scale).square() / df) + constant


#: |l|/2 below which series in the Bernoulli numbers B₂, B₄, … stand for l / tanh l and the like: exact in float64.
_NEAR = 0.25
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6)
#: ln(h / tanh h) = Σ aₙ h²ⁿ and coth h - 1/h = Σ bₙ h²ⁿ⁻¹.
_LOG_RATIO = [
    2 ** (2 * n - 1) * (4**n - 2) * b / (n * math.factorial(2 * n)) for n, b in enumerate(_BERNOULLI, start=1)
]
_LANGEVIN = [4**n * b / math.factorial(2 * n) for n, b in enumerate(_BERNOULLI, start=1)]


def _polynomial(square: Tensor, coefficients: list[float]) -> Tensor:
    """Σ cₙ x²ⁿ, n from 0, of x² of any shape."""
    value = torch.full_like(square, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        value = value * square + coefficient
    return value


def continuous_bernoulli_log_constant(logits: Tensor) -> Tensor:
    """ln C of the continuous Bernoulli density C(p) p^x (1-p)^(1-x) on [0, 1], any shape (arXiv 1907.06845).

    With h = l/2, C = 2h / tanh h.
    """
    half = logits.abs() / 2
    square, far = half.square(), half.clamp_min(_NEAR)
    near = square * _polynomial(square, _LOG_RATIO)
    return math.log(2) + torch.where(half < _NEAR, near, torch.log(far / torch.tanh(far)))


def continuous_bernoulli_mean(logits: Tensor) -> Tensor:
    """E x of the continuous Bernoulli density: ½ + ½(coth h - 1/h) with h = l/2, any shape."""
    half = logits / 2
    far = torch.where(half < 0, half.clamp_max(-_NEAR), half.clamp_min(_NEAR))
    near = half * _polynomial(half.square(), _LANGEVIN)
    return 0.5 + 0.5 * torch.where(half.abs() < _NEAR, near, 1 / torch.tanh(far) - 1 / far)


def continuous_bernoulli_logit(mean: Tensor) -> Tensor:
    """The logits whose `continuous_bernoulli_mean` is given, by bisection between ±1,000."""
    low, high = torch.full_like(mean, -1000.0), torch.full_like(mean, 1000.0)
    for _ in range(60):
        middle = (low + high) / 2
        below = continuous_bernoulli_mean(middle) < mean
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return (low + high) / 2
