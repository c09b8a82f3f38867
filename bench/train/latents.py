"""What the posterior does while a stack trains: σ, the means and their ratio, at every evaluation point.

metrics.md's collapse measures are followed over training, because eq. 2 trades σ → 0 for ‖μ‖ → ∞ without end.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from bench.contracts.variant import Variant
from bench.train.stack import Stack

#: Rows of the validation part behind each point.
ROWS = 512


class _Posterior(nn.Module):
    """A module whose forward is the variant's posterior, so that `functional_call` can give it any seed's weights."""

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        self.variant = variant

    def forward(self, x: Tensor):
        return self.variant.posterior(x)


def posterior_course(stack: Stack, x: Tensor) -> dict[str, np.ndarray]:
    """Per seed (K,), for validation rows x (N, *data_shape):

    log_median_sigma  ln of the median σ over rows and dimensions
    log_rms_mu        ln √E μ² over rows and dimensions
    log_nsr           ln of the median over dimensions of E[σⱼ²] / Var(μⱼ)

    {} for a variant without a posterior that states mean and variance. What is not finite is NaN.
    """
    if stack.models[0].posterior is None:
        return {}
    module = _Posterior(stack.models[0])
    points, live = [], stack.state()
    with torch.no_grad():
        for index in range(stack.width):
            state = {f"variant.{name}": value[index] for name, value in live.items()}
            try:
                q = functional_call(module, state, (x[:ROWS],))
                mean, variance = q.mean.double(), q.variance.double()
            except (NotImplementedError, AttributeError):
                return {}
            points.append(_summary(mean, variance))
    values = torch.stack(points).cpu().numpy()  # (K, 3)
    values[~np.isfinite(values)] = np.nan
    return {name: values[:, place] for place, name in enumerate(("log_median_sigma", "log_rms_mu", "log_nsr"))}


def _summary(mean: Tensor, variance: Tensor) -> Tensor:
    ratio = variance.mean(0) / mean.var(0, correction=0)
    return torch.stack([variance.sqrt().median().log(), mean.square().mean().sqrt().log(), ratio.median().log()])
