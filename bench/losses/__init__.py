"""Reconstruction costs, the KL term and the sampling step: one convention for all variants.

`costs` is what variants call, `formulas` the arithmetic, `autograd` its hand-derived gradients.
"""

from bench.losses.costs import (
    LOG_VARIANCE_BOUNDS,
    ReconstructionCost,
    auto_kl_weight,
    bound_log_variance,
    diagonal_normal,
    gaussian_kl,
    sample_normal,
    standard_normal,
)

__all__ = [
    "LOG_VARIANCE_BOUNDS",
    "ReconstructionCost",
    "auto_kl_weight",
    "bound_log_variance",
    "diagonal_normal",
    "gaussian_kl",
    "sample_normal",
    "standard_normal",
]
