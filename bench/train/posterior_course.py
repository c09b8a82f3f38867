"""What the posterior does while a stack trains: σ, the means and their ratio, at every evaluation point.

metrics.md's collapse measures are followed over training, because eq. 2 trades σ → 0 for ‖μ‖ → ∞ without end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from bench.contracts.variant import Variant
from bench.train.stack import Stack

#: Rows of the validation part behind each point.
ROWS = 512


#: What `posterior_course` returns, in order.
COURSE = ("log_median_sigma", "log_rms_mu", "log_nsr")


class _Moments(nn.Module):
    """Mean and variance of q(z|x) as a module, so that `functional_call` can give it any seed's weights."""

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        self.variant = variant

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        q = self.variant.posterior(x)
        return q.mean.double(), q.variance.double()


def posterior_course(stack: Stack, x: Tensor) -> dict[str, np.ndarray]:
    """Per seed (K,), for validation rows x (N, *data_shape):

    log_median_sigma  ln of the median σ over rows and dimensions
    log_rms_mu        ln √E μ² over rows and dimensions
    log_nsr           ln of the median over dimensions of E[σⱼ²] / Var(μⱼ)

    {} for a variant without a posterior that states mean and variance. What is not finite is NaN.
    """
    if stack.models[0].posterior is None:
        return {}
    module, rows = _Moments(stack.models[0]), x[:ROWS]

    def moments(state: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        return functional_call(module, {f"variant.{name}": value for name, value in state.items()}, (rows,))

    with torch.no_grad():
        try:
            mean, variance = _of_all_seeds(stack, moments)
        except (NotImplementedError, AttributeError):
            return {}
        values = _summary(mean, variance).cpu().numpy()  # (K, 3)
    values[~np.isfinite(values)] = np.nan
    return {name: values[:, place] for place, name in enumerate(COURSE)}


def _of_all_seeds(stack: Stack, moments: Callable[[dict[str, Tensor]], tuple[Tensor, Tensor]]) -> Sequence[Tensor]:
    """`moments` of every seed's values, each (K, N, ...)."""
    live = stack.state()
    if stack.models[0].stackable:
        try:
            return torch.vmap(moments)(live)
        except NotImplementedError:  # a RuntimeError, too, but of a posterior that states no moments
            raise
        except RuntimeError:  # a loss that stacks promises nothing about the posterior
            pass
    found = [moments({name: value[index] for name, value in live.items()}) for index in range(stack.width)]
    return [torch.stack(values) for values in zip(*found, strict=True)]


def _summary(mean: Tensor, variance: Tensor) -> Tensor:
    """(K, N, ...) twice → (K, 3)."""
    ratio = (variance.mean(1) / mean.var(1, correction=0)).flatten(1)
    sigma = variance.sqrt().flatten(1)
    rms = mean.square().flatten(1).mean(1).sqrt()
    return torch.stack([sigma.median(1).values.log(), rms.log(), ratio.median(1).values.log()], 1)
