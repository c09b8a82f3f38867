"""Occupancy of cells of equal probability under N(0, I) in the plane."""

from __future__ import annotations

import torch
from torch import Tensor


def occupancy(codes: Tensor, side: int) -> float:
    """Share of side × side cells, equally probable under N(0, I), that hold at least one of codes (N, 2).

    >>> occupancy(torch.tensor([[-1.0, -1.0], [-2.0, -0.5], [1.0, 1.0]]), side=2)
    0.5
    """
    share = torch.special.ndtr(codes.double())  # uniform on [0, 1]² under the prior
    cells = (share * side).long().clamp(0, side - 1)
    return len(torch.unique(cells[:, 0] * side + cells[:, 1])) / side**2


def occupancy_null(n: int, cells: int) -> float:
    """Expected occupancy of n draws from the prior: 1 - (1 - 1/B)^n.

    >>> occupancy_null(2, cells=4)
    0.4375
    """
    return 1 - (1 - 1 / cells) ** n
