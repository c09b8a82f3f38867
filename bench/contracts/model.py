"""A model as the evaluation sees it: functions over tensors, so that trained variants and control models look alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from bench.losses import ReconstructionCost


@dataclass(frozen=True)
class Model:
    """A trained (or control) model. All functions take and return float32 tensors on `device`.

    Attributes:
        label: how tables name it.
        latent_dim: L.
        data_shape: shape of one example.
        cost: the run's reconstruction cost.
        encode: (N, *data_shape) → (N, L), or None.
        decode: (..., L) → (..., *data_shape), the data-space mean, differentiable in its argument; or None.
        decode_params: (..., L) → (..., *data_shape), what `cost` consumes; or None.
        posterior: (N, *data_shape) → a torch distribution with batch (N, L), or batch (N,) and event (L,); or None.
        prior: () → a torch distribution with batch (L,) or event (L,); or None.
        loss: (x, y, generator) → the variant's loss terms, each (N,); or None.
        kl_weight: λ of eq. 4, or None.
        variance: s² that the variant itself declares, or None for that of the cost at λ.
        log_likelihood: (z (S, B, L), x (B, *data_shape)) → ln p(x|z) (S, B) in nats where the variant declares its own,
            differentiable in z; or None for that of the cost.
        euclidean: whether every point of R^L is a code.
        discrete: whether codes come from a finite set.
        score: (N, *data_shape) → (N,), how unusual each row is, where the model declares a score of anomalies; or None.
        distinct_draws: draws of the prior that are all different, for a generator of finitely many rows; or None.
    """

    label: str
    latent_dim: int
    data_shape: tuple[int, ...]
    cost: ReconstructionCost
    # `| Any` is for None: whoever calls one has asked (a metric by its `needs`) whether it is there.
    encode: Callable[[Tensor], Tensor] | Any = None
    decode: Callable[[Tensor], Tensor] | Any = None
    decode_params: Callable[[Tensor], Tensor] | Any = None
    posterior: Callable[[Tensor], Distribution] | Any = None
    prior: Callable[[], Distribution] | Any = None
    loss: Callable[[Tensor, Tensor | None, torch.Generator], dict[str, Tensor]] | Any = None
    kl_weight: float | None = None
    variance: float | None = None
    log_likelihood: Callable[[Tensor, Tensor], Tensor] | Any = None
    score: Callable[[Tensor], Tensor] | Any = None
    euclidean: bool = True
    discrete: bool = False
    distinct_draws: int | None = None
    device: torch.device = torch.device("cpu")  # noqa: RUF009 (immutable)

    @property
    def decoder_variance(self) -> float | Any:
        """s² that the variant states, or at which eq. 4 is an exact ELBO (squared λ/2, gaussian λ·scale²), or None."""
        if self.log_likelihood is not None or self.variance is not None:
            return self.variance
        return self.cost.decoder_variance(self.kl_weight)
