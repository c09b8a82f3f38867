"""The negative log-likelihood over draws of the posterior, of which bounds are made."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.contracts.view import View
from bench.evaluate.latent_density import draw
from bench.evaluate.model_view import POSTERIOR_DRAWS


def mean_costs(view: View, part: str, role: str) -> Tensor:
    """Mean of -ln p(x|Z) over a part of the data, for each of S = 16 draws Z ~ q(z|x): (S,) float64.

    Of the model's own likelihood, or of the run's cost, which then is one.

    Args:
        part: "test" or "validation". role: of the generator that draws.
    """
    model, generator, n = view.model, view.generator(role), 0
    total = torch.zeros(POSTERIOR_DRAWS, dtype=torch.float64)
    for x in view.shared.batches(part, max(1, view.batch_size // POSTERIOR_DRAWS)):
        z = draw(model.posterior(x), (POSTERIOR_DRAWS,), generator)  # (S, B, L)
        own = model.log_likelihood
        costs = model.cost(model.decode_params(z), x) if own is None else -own(z, x)  # (S, B)
        total += costs.double().sum(1).cpu()
        n += len(x)
    return total / n
