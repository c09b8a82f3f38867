"""Models that are no autoencoders, fitted on the same training rows: what a variant has to beat.

Each is an ordinary row of a report. The detectors of anomalies score rows and do nothing else: there is nothing to
encode or to draw; the mixture scores and draws rows, and reconstructs none.

ppca                probabilistic PCA (Tipping and Bishop 1999, eq. 7 and 8) with L components, in closed form.
gaussian-mixture    normal densities, as many as BIC chooses (`bench.evaluate.mixture_model`), of at most 10,000 rows;
                    its score is the negative log density. It depends on the seed.
mahalanobis         squared distance to the training mean in the training rows' covariance (Mahalanobis 1936).
nearest-neighbours  mean distance to the 5 nearest training rows, of all of them; exact, in bounded memory.
lof                 local outlier factor, 20 neighbours (Breunig et al. 2000), of at most 10,000 training rows.
isolation-forest    100 trees (Liu, Ting and Zhou 2008), of at most 10,000 training rows; it depends on the seed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Normal

from bench.contracts.dataset import Split
from bench.contracts.model import Model
from bench.errors import Incompatible
from bench.evaluate.latent_density import GaussianFit
from bench.evaluate.mixture_model import MixtureDraws, fit_mixture
from bench.evaluate.neighbours import nearest
from bench.evaluate.reference_data import SharedData
from bench.losses import ReconstructionCost

NEIGHBOURS, LOCAL_NEIGHBOURS = 5, 20
#: What a scikit-learn estimator is to a detector: higher is more normal there.
Normality = Callable[[np.ndarray], np.ndarray]


def _model(
    name: str, split: Split, latent_dim: int, cost: ReconstructionCost, score: Callable[[Tensor], Tensor]
) -> Model:
    """A detector whose `score` takes flat rows (N, d) and returns (N,)."""
    return Model(
        f"control:{name}", latent_dim, split.data_shape, cost, score=lambda x: score(x.reshape(len(x), -1))
    )  # fmt: skip


def _least(name: str, split: Split, rows: int) -> None:
    if len(split.train) < rows:
        raise Incompatible(f"control:{name} needs {rows} training rows, and there are {len(split.train)}")


def _scikit(normality: Normality) -> Callable[[Tensor], Tensor]:
    return lambda flat: torch.from_numpy(-np.asarray(normality(flat.cpu().numpy()), dtype=np.float64))


def ppca(split: Split, latent_dim: int, cost: ReconstructionCost, seed: int = 0) -> Model:
    """x = W z + x̄ + s ε with W = U (Λ - s²)^½ of the L first eigenvalues and s² the mean of the others.

    Its posterior is exact: N(Λ⁻¹ Wᵀ (x - x̄), s² Λ⁻¹). The eigenvalues are those of at most 10,000 training rows.

    Raises:
        Incompatible: a cost that is no Gaussian likelihood, fewer columns than L + 1, too few rows.
    """
    if cost.name not in ("squared", "gaussian"):
        raise Incompatible(f"control:ppca is a Gaussian likelihood: give squared or gaussian cost, not {cost.name}")
    if split.dimension <= latent_dim:
        raise Incompatible(f"control:ppca leaves no noise where {split.dimension} values have {latent_dim} codes")
    _least("ppca", split, 2)
    rows = SharedData(split, cost, latent_dim).rows("train").flat.double()
    mean = rows.mean(0)
    eigenvalues, vectors = torch.linalg.eigh((rows - mean).T @ (rows - mean) / (len(rows) - 1))
    kept, s2 = eigenvalues.flip(0)[:latent_dim], float(eigenvalues[: split.dimension - latent_dim].mean())
    s2 = max(s2, 1e-9 * float(eigenvalues.mean()), 1e-12)
    kept = kept.clamp_min(s2)
    loading = vectors.flip(1)[:, :latent_dim] * (kept - s2).clamp_min(0).sqrt()  # (d, L)
    gain, loading, centre = (loading / kept).float(), loading.float(), mean.float()
    scale = (s2 / kept).sqrt().float()

    def encode(x: Tensor) -> Tensor:
        return (x.reshape(len(x), -1) - centre) @ gain

    def decode(z: Tensor) -> Tensor:
        return (z @ loading.T + centre).reshape(*z.shape[:-1], *split.data_shape)

    return Model(
        "control:ppca",
        latent_dim,
        split.data_shape,
        cost,
        encode,
        decode,
        lambda z: cost.params_of(decode(z)),
        posterior=lambda x: Normal(encode(x), scale.expand(len(x), -1), validate_args=False),
        prior=lambda: Normal(torch.zeros(latent_dim), torch.ones(latent_dim), validate_args=False),
        kl_weight=2 * s2 if cost.name == "squared" else s2 / cost.scale**2,
    )


def gaussian_mixture(split: Split, latent_dim: int, cost: ReconstructionCost, seed: int = 0) -> Model:
    """Σₖ πₖ N(x; mₖ, Sₖ), whose "codes" are rows as it draws them (L = d): it draws and scores, and encodes nothing."""
    _least("gaussian-mixture", split, 2)
    fitted = fit_mixture(SharedData(split, cost, latent_dim).rows("train").flat.cpu().numpy(), seed)
    return Model(
        "control:gaussian-mixture",
        split.dimension,
        split.data_shape,
        cost,
        decode=lambda z: z.reshape(*z.shape[:-1], *split.data_shape),
        prior=lambda: MixtureDraws(fitted),
        score=lambda x: _scikit(fitted.score_samples)(x.reshape(len(x), -1).double()),
    )


def mahalanobis(split: Split, latent_dim: int, cost: ReconstructionCost, seed: int = 0) -> Model:
    """(x - x̄)ᵀ S⁻¹ (x - x̄) on the directions in which training rows (at most 10,000) vary."""
    _least("mahalanobis", split, 2)
    fit = GaussianFit.of(SharedData(split, cost, latent_dim).rows("train").flat)
    return _model("mahalanobis", split, latent_dim, cost, lambda flat: fit.whiten(flat).square().sum(1))


def nearest_neighbours(split: Split, latent_dim: int, cost: ReconstructionCost, seed: int = 0) -> Model:
    """Mean distance to the 5 nearest of all training rows, which are read in blocks."""
    _least("nearest-neighbours", split, NEIGHBOURS)
    shared = SharedData(split, cost, latent_dim)

    def score(flat: Tensor) -> Tensor:
        best = flat.new_full((len(flat), NEIGHBOURS), torch.inf)
        for x in shared.batches("train", max(NEIGHBOURS, shared.block_rows)):
            found = nearest(flat, x.reshape(len(x), -1), min(NEIGHBOURS, len(x)))[0]
            best = torch.cat([best, found], 1).topk(NEIGHBOURS, 1, largest=False).values
        return best.mean(1)

    return _model("nearest-neighbours", split, latent_dim, cost, score)


def lof(split: Split, latent_dim: int, cost: ReconstructionCost, seed: int = 0) -> Model:
    """scikit-learn's `LocalOutlierFactor(novelty=True)`."""
    from sklearn.neighbors import LocalOutlierFactor

    _least("lof", split, LOCAL_NEIGHBOURS + 1)
    rows = SharedData(split, cost, latent_dim).rows("train").flat.cpu().numpy()
    fitted = LocalOutlierFactor(n_neighbors=LOCAL_NEIGHBOURS, novelty=True).fit(rows)
    return _model("lof", split, latent_dim, cost, _scikit(fitted.score_samples))


def isolation_forest(split: Split, latent_dim: int, cost: ReconstructionCost, seed: int = 0) -> Model:
    """scikit-learn's `IsolationForest` with the run's seed."""
    from sklearn.ensemble import IsolationForest

    _least("isolation-forest", split, 2)
    rows = SharedData(split, cost, latent_dim).rows("train").flat.cpu().numpy()
    fitted = IsolationForest(random_state=seed % 2**32).fit(rows)
    return _model("isolation-forest", split, latent_dim, cost, _scikit(fitted.score_samples))


#: Every one by the name that a cell's variant has after "control:".
BASELINES: dict[str, Callable[[Split, int, ReconstructionCost, int], Model]] = {
    "ppca": ppca,
    "gaussian-mixture": gaussian_mixture,
    "mahalanobis": mahalanobis,
    "nearest-neighbours": nearest_neighbours,
    "lof": lof,
    "isolation-forest": isolation_forest,
}
