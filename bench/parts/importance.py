"""Bounds on ln p(x) from several draws per example, times λ (Burda et al. 2016, arXiv 1509.00519).

With u_k = cost_k + λ (ln q(z_k|x) - ln p(z_k)), whose mean is λ times a negative ELBO from single draws, the importance
weighted bound is -λ ln (1/K) Σ_k e^{-u_k/λ}: it is u_1 for K = 1 and min u_k for λ → 0.
"""

from __future__ import annotations

from torch import Tensor


def weighted_bound(terms: Tensor, price: float) -> Tensor:
    """-λ ln (1/K) Σ_k e^{-u_k/λ}: u (K, ...) → (...)."""
    least = terms.detach().amin(0)
    return least - price * (((least - terms) / price).exp().mean(0)).log()


def normalised_weights(terms: Tensor, price: float) -> Tensor:
    """w̃_k, the share of draw k in Σ_k e^{-u_k/λ}, without gradient: (K, ...) → (K, ...)."""
    return (-terms.detach() / price).softmax(0)


def effective_draws(weights: Tensor) -> Tensor:
    """1/Σ_k w̃_k², between 1 and K: (K, ...) → (...)."""
    return weights.square().sum(0).reciprocal()
