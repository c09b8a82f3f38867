"""The table log q(zᵢ|xⱼ) of posterior draws against all posteriors, and what it says about identification."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import Distribution

from bench.evaluate.latent_density import joint_log_prob

_CHUNK_NUMBERS = 2**22


def log_density_table(posterior: Distribution, z: Tensor) -> Tensor:
    """log q(zᵢ|xⱼ) for draws z (N, L) and a posterior over N rows: (N, N), row i for zᵢ."""
    N, L = z.shape
    size = max(1, _CHUNK_NUMBERS // (N * L))
    with torch.no_grad():
        return torch.cat([joint_log_prob(posterior, part[:, None].expand(-1, N, L)) for part in z.split(size)])


def scores_of_table(table: Tensor) -> tuple[Tensor, Tensor]:
    """Whether each draw is identified, and its information ln[q(zᵢ|xᵢ)/mean_j q(zᵢ|xⱼ)], from (N, N): two (N,) float64.

    Where several xⱼ tie for the largest density, the right one gets its share of the credit.

    >>> table = torch.log(torch.tensor([[0.9, 0.1], [0.6, 0.4]]))
    >>> scores_of_table(table)[0].tolist()
    [1.0, 0.0]
    """
    own = table.diagonal()
    best = table.max(1).values
    ties = (table == best[:, None]).sum(1)
    identified = (own == best).double() / ties
    information = own.double() - (torch.logsumexp(table.double(), 1) - math.log(len(table)))
    return identified, information
