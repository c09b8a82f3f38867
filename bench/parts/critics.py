"""Critics: networks that tell two kinds of codes apart, and the cost by which they learn to.

The logit D that minimises the cost is ln p(z)/q(z), real codes being from p and fake ones from q (Goodfellow et al.
2014), so a trained critic estimates a log density ratio.
"""

from __future__ import annotations

import itertools

from torch import Tensor, nn
from torch.nn.functional import softplus


def critic(width: int, hidden: int, layers: int = 2) -> nn.Sequential:
    """A network (..., width) → (..., 1) of `layers` hidden layers with leaky rectifiers."""
    sizes = [width, *[hidden] * layers]
    body = [step for pair in itertools.pairwise(sizes) for step in (nn.Linear(*pair), nn.LeakyReLU(0.2))]
    return nn.Sequential(*body, nn.Linear(sizes[-1], 1))


def critic_cost(real: Tensor, fake: Tensor) -> Tensor:
    """-ln σ(D(real)) - ln(1 - σ(D(fake))) from logits of one shape; 2 ln 2 where the critic cannot tell."""
    return softplus(-real) + softplus(fake)
