"""The core as a compiler wants it: value and gradient of each phase written so that one pass over the data makes both.

A training step meets the core three times: `draw_*` between encoder and decoder, `*_step` after the decoder, and
`pull_back_*` once the decoder has sent its gradient back. Each is a function of plain tensors that writes its large
results into buffers of the caller; `torch.compile` makes each one loop over rows.

Two details are there for Inductor's C++, which would otherwise read the data twice or write intermediate values out:
the squared step's gradient depends on its row's sum, and the Bernoulli step's exponent on a zero per row. Either keeps
the loop over rows whole.

Noise comes from a counter-based generator, because a sequential one would leave all but one thread idle and hand its
numbers from core to core: Squares (Widynski 2020, arXiv:2004.06278) turns the n-th counter into the n-th word, and the
inverse normal distribution function (Giles 2010, "Approximating the erfinv function") turns words into normals.

Letters: x target, x̂ or l the decoder's output, w the weight of a row in the total loss (1/B for a mean over the batch),
λ the KL weight, μ and v mean and log-variance, ε noise, ḡ the gradient that reaches z. Shapes: (B, d) and (B, L).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

#: ln(1 + e) / e on [0, 1], interpolated in nine Chebyshev points: error below 2e-8; ascending powers of e.
_LOG1P = (
    0.9999999659255084,
    -0.49999444976329815,
    0.333181217073531,
    -0.24835398987200752,
    0.19076880730853912,
    -0.13602247612385465,
    0.07751608662359868,
    -0.029074064606579537,
    0.0051261021233726485,
)

#: Key of the generator: irregular hexadecimal digits, as its author asks.
_KEY = 0x548C9DECBCE65297
#: Scales a word to (-1, 1), bounds excluded after rounding to float32.
_WORD_TO_OPEN_INTERVAL = 2.0**-31 * (1 - 2.0**-24)
#: erfinv(u) / u (Giles 2010, single precision), descending powers: of w - 2.5 for w < 5, of √w - 3 beyond.
_CENTRE = (2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087, -0.00125372503,
           -0.00417768164, 0.246640727, 1.50140941)  # fmt: skip
_TAIL = (-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613,
         0.00943887047, 1.00167406, 2.83297682)  # fmt: skip


def squared_step(params: Tensor, x: Tensor, weight: float, gradient: Tensor) -> Tensor:
    """Σ (x̂ - x)² per row, (B,), and its gradient 2w(x̂ - x) in `gradient` (B, d); a NaN spoils its whole row."""
    residual = params - x
    rows = (residual * residual).sum(-1)
    gradient.copy_(residual * torch.where(rows.isnan(), rows, 2 * weight).unsqueeze(-1))
    return rows


def squared_rows(params: Tensor, x: Tensor) -> Tensor:
    """Σ (x̂ - x)² per row, (B,), without a gradient."""
    residual = params - x
    return (residual * residual).sum(-1)


def bernoulli_step(logits: Tensor, x: Tensor, weight: float, gradient: Tensor, zeros: Tensor) -> Tensor:
    """-Σ ln p(x|l) per row, (B,), and its gradient w(σ(l) - x) in `gradient` (B, d); `zeros` is (B,).

    With e = e^-|l|: max(l, 0) - x l + ln(1 + e), and σ(l) = 1/(1+e) or e/(1+e) share the exponential.
    """
    e = torch.exp(zeros.unsqueeze(-1) - logits.abs())
    inverse = 1 / (1 + e)
    probability = torch.where(logits >= 0, inverse, e * inverse)
    gradient.copy_((probability - x) * weight)
    return (logits.clamp_min(0) - x * logits + _log1p(e)).sum(-1)


def bernoulli_rows(logits: Tensor, x: Tensor) -> Tensor:
    """-Σ ln p(x|l) per row, (B,), without a gradient."""
    return (logits.clamp_min(0) - x * logits + _log1p(torch.exp(-logits.abs()))).sum(-1)


def draw_codes(counter: Tensor, mean: Tensor, log_variance: Tensor, noise: Tensor, codes: Tensor) -> Tensor:
    """Draw ε into `noise`, z = μ + e^(v/2) ε into `codes`, both (B, L); KL(N(μ, e^v) ‖ N(0, I)) per row, (B,).

    `counter` (int64, 0-d) is where the draws start; it moves on by B·L.
    """
    deviation = _sample(counter, mean, log_variance, noise, codes)
    return 0.5 * (mean * mean + _excess(log_variance, deviation) - log_variance).sum(-1)


def sample_codes(counter: Tensor, mean: Tensor, log_variance: Tensor, noise: Tensor, codes: Tensor) -> None:
    """`draw_codes` without the KL term."""
    _sample(counter, mean, log_variance, noise, codes)


def pull_back_codes(
    mean: Tensor, log_variance: Tensor, noise: Tensor, code_gradient: Tensor, weight: float, by_mean: Tensor,
    by_log_variance: Tensor,
) -> None:  # fmt: skip
    """ḡ + wλ μ into `by_mean` and ½(ḡ σ ε + wλ (σ² - 1)) into `by_log_variance`; `weight` is wλ."""
    deviation = torch.exp(0.5 * log_variance)
    by_mean.copy_(code_gradient + weight * mean)
    by_log_variance.copy_(0.5 * (code_gradient * deviation * noise + weight * _excess(log_variance, deviation)))


def pull_back_sample(log_variance: Tensor, noise: Tensor, code_gradient: Tensor, by_log_variance: Tensor) -> None:
    """½ ḡ σ ε into `by_log_variance`; without KL the gradient of μ is ḡ itself."""
    by_log_variance.copy_(0.5 * (code_gradient * torch.exp(0.5 * log_variance) * noise))


def draw_noise(counter: Tensor, noise: Tensor) -> None:
    """Independent N(0, 1) numbers into `noise`, any shape; `counter` moves on by as many."""
    noise.copy_(_normals(counter, noise))
    counter.add_(noise.numel())


def squares(counter: Tensor) -> Tensor:
    """The random words of int64 counters, same shape, as int64 in [-2³¹, 2³¹) (Squares, four rounds)."""
    y = counter * _KEY
    z = y + _KEY
    x = _swap_halves(y * y + y)
    x = _swap_halves(x * x + z)
    x = _swap_halves(x * x + y)
    return (x * x + z) >> 32


def _sample(counter: Tensor, mean: Tensor, log_variance: Tensor, noise: Tensor, codes: Tensor) -> Tensor:
    normals = _normals(counter, noise)
    deviation = torch.exp(0.5 * log_variance)
    noise.copy_(normals)
    codes.copy_(mean + deviation * normals)
    counter.add_(noise.numel())
    return deviation


def _normals(counter: Tensor, like: Tensor) -> Tensor:
    words = squares(counter + torch.arange(like.numel(), device=like.device).view(like.shape))
    return _normal_quantile(words.to(like.dtype) * _WORD_TO_OPEN_INTERVAL)


def _log1p(e: Tensor) -> Tensor:
    """ln(1 + e) for e in [0, 1]: a polynomial where float32 cannot tell the difference, `log1p` otherwise."""
    if e.dtype != torch.float32:
        return torch.log1p(e)
    return _polynomial(e, _LOG1P[::-1]) * e


def _polynomial(t: Tensor, descending: Sequence[float]) -> Tensor:
    """Horner's rule, coefficients of the highest power first."""
    value = torch.full_like(t, descending[0])
    for coefficient in descending[1:]:
        value = value * t + coefficient
    return value


def _normal_quantile(u: Tensor) -> Tensor:
    """√2 erfinv(u) for u in (-1, 1): normals from uniforms, absolute error below 1e-5."""
    w = -torch.log((1 - u) * (1 + u))
    ratio = torch.where(w < 5, _polynomial(w - 2.5, _CENTRE), _polynomial(torch.sqrt(w) - 3, _TAIL))
    return math.sqrt(2) * ratio * u


def _swap_halves(x: Tensor) -> Tensor:
    return ((x >> 32) & 0xFFFFFFFF) | (x << 32)


def _excess(log_variance: Tensor, deviation: Tensor) -> Tensor:
    """e^v - 1 from v and σ = e^(v/2): its Taylor series where σ² - 1 would cancel."""
    if log_variance.dtype != torch.float32:
        return torch.expm1(log_variance)
    series = torch.ones_like(log_variance)
    for power in range(8, 1, -1):
        series = 1 + series * log_variance * (1 / power)
    return torch.where(log_variance.abs() < 0.5, series * log_variance, deviation * deviation - 1)
