"""A mixture of normal densities fitted to training rows: what samples and densities of a plain model are worth.

p(x) = Σₖ πₖ N(x; mₖ, Sₖ), by scikit-learn's expectation-maximisation from a k-means start. Of `COMPONENTS` BIC
(Schwarz 1978) on the same training rows chooses how many; the Sₖ are full where there are `FULL_ROWS` rows for each
column, else diagonal. It has no code, so that it reconstructs nothing.
"""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution

if TYPE_CHECKING:
    from sklearn.mixture import GaussianMixture

#: Numbers of components that are tried, those with at least `LEAST_EACH` rows for each.
COMPONENTS, LEAST_EACH = (1, 2, 4, 8, 16), 5
#: Rows for each column from which covariances are full.
FULL_ROWS = 10
#: Steps of a fit at most, and numbers that a step reads at most: rows × columns, rows × columns² of full covariances.
STEPS, DIAGONAL_NUMBERS, FULL_NUMBERS = 50, 2**22, 2**24
#: What is added to every variance, as a share of the mean variance of the columns.
FLOOR = 1e-3


def fit_mixture(rows: np.ndarray, seed: int) -> GaussianMixture:
    """The mixture of rows (N, d) in random order, of which as many as are cheap are read from the beginning on."""
    dimension = rows.shape[1]
    cheap = rows[: FULL_NUMBERS // dimension**2]
    full = len(cheap) >= FULL_ROWS * dimension
    rows = (cheap if full else rows[: max(1, DIAGONAL_NUMBERS // dimension)]).astype(np.float64)
    tried = [count for count in COMPONENTS if count == 1 or count * LEAST_EACH <= len(rows)]
    return min((_fit(rows, count, "full" if full else "diag", seed) for count in tried), key=lambda one: one.bic(rows))


def _fit(rows: np.ndarray, count: int, covariance: str, seed: int) -> GaussianMixture:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    floor = FLOOR * float(rows.var(0).mean()) or FLOOR
    model = GaussianMixture(
        count, covariance_type=covariance, reg_covar=floor, max_iter=STEPS, random_state=seed % 2**32
    )  # fmt: skip
    with warnings.catch_warnings():  # a fit that `STEPS` end, and rows that are equal, are as good as they are
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(rows)


class MixtureDraws(Distribution):
    """Draws of a fitted mixture, as a distribution over rows (d,); from torch's global generator, as samplers are."""

    def __init__(self, fitted: GaussianMixture) -> None:
        self._weights, self._means = (torch.from_numpy(a) for a in (fitted.weights_, fitted.means_))
        spread = fitted.covariances_
        full = fitted.covariance_type == "full"
        self._factors = torch.from_numpy(np.linalg.cholesky(spread) if full else np.sqrt(spread))  # (K, d[, d])
        super().__init__(event_shape=self._means.shape[1:], validate_args=False)

    def sample(self, sample_shape: list[int] | tuple[int, ...] = ()) -> Tensor:
        count = math.prod(sample_shape)
        which = torch.multinomial(self._weights, count, replacement=True)
        noise = torch.randn(count, *self.event_shape)
        rows = torch.empty_like(noise)
        for k, (mean, factor) in enumerate(zip(self._means.float(), self._factors.float(), strict=True)):
            own = which == k
            rows[own] = mean + (noise[own] @ factor.T if factor.dim() == 2 else noise[own] * factor)
        return rows.reshape(*sample_shape, -1)
