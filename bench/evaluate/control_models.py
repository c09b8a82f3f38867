"""Control models, whose right scores are known; each is an ordinary row of a report.

constant       decodes the training mean and encodes nothing: the fully collapsed VAE. No metric may crown it.
pca            the linear autoencoder's optimum (Baldi and Hornik 1989).
lookup         decodes the training datum whose PCA code is nearest: real data, memorised.
random-encoder a random linear code with the best linear decoder for it.
real           decodes draws of its prior to validation rows, each once: what real held-out data score.
cross-fade     code and data are the same, so that interpolation is a pixel cross-fade.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution, Normal

from bench.contracts.dataset import Split
from bench.contracts.model import Model
from bench.errors import Incompatible
from bench.evaluate.feature_spaces import principal_components
from bench.evaluate.neighbours import nearest
from bench.evaluate.reference_data import SharedData
from bench.losses import ReconstructionCost
from bench.seeding import derived_seed

#: Largest data dimension for which the identity is a code.
LARGEST_IDENTITY = 4096


def _model(
    label: str,
    split: Split,
    latent_dim: int,
    cost: ReconstructionCost,
    encode: Callable[[Tensor], Tensor] | None,
    decode: Callable[[Tensor], Tensor],
    **rest,
) -> Model:
    """A control whose `encode` takes flat data (N, d) and whose `decode` returns them: (M, L) → (M, d)."""
    shape = split.data_shape

    def shaped(z: Tensor) -> Tensor:
        return decode(z.reshape(-1, z.shape[-1])).reshape(*z.shape[:-1], *shape)

    def params(z: Tensor) -> Tensor:
        return cost.params_of(shaped(z))

    flat_encode = None if encode is None else lambda x: encode(x.reshape(len(x), -1))
    return Model(label, latent_dim, shape, cost, flat_encode, shaped, params, **rest)


def constant(split: Split, latent_dim: int, cost: ReconstructionCost, seed: int = 0) -> Model:
    """Θ(z) = x̄ and q(z|x) = p₀ = N(0, I), with λ at the decoder variance that is best for it (mean variance of x)."""
    shared = SharedData(split, cost, latent_dim)
    mean = shared.train_mean
    rows = shared.rows("train").flat
    variance = float((rows - mean).square().mean()) or 1.0
    weight = {"squared": 2 * variance, "gaussian": variance / cost.scale**2}.get(cost.name, 1.0)

    def codes(n: int) -> Tensor:
        return torch.zeros(n, latent_dim)

    return _model(
        "control:constant",
        split,
        latent_dim,
        cost,
        lambda flat: codes(len(flat)),
        lambda z: mean.expand(len(z), -1) + 0 * z[:, :1],
        posterior=lambda x: Normal(codes(len(x)), torch.ones(len(x), latent_dim), validate_args=False),
        prior=lambda: Normal(torch.zeros(latent_dim), torch.ones(latent_dim), validate_args=False),
        kl_weight=weight,
    )


def pca(split: Split, latent_dim: int, cost: ReconstructionCost, seed: int = 0) -> Model:
    """Projection on the first L principal components of the training data and back."""
    fit = principal_components(SharedData(split, cost, latent_dim))
    L = latent_dim
    basis = torch.zeros(split.dimension, L)
    width = min(L, fit.components.shape[1])
    basis[:, :width] = fit.components[:, :width]
    return _model(
        "control:pca", split, L, cost, lambda flat: (flat - fit.mean) @ basis, lambda z: z @ basis.T + fit.mean
    )


def lookup(split: Split, latent_dim: int, cost: ReconstructionCost, seed: int = 0) -> Model:
    """PCA codes, decoded to the training row (of at most 10,000) whose code is nearest."""
    linear = pca(split, latent_dim, cost)
    rows = SharedData(split, cost, latent_dim).rows("train")
    codes = linear.encode(rows.x)

    def decode(z: Tensor) -> Tensor:
        return rows.flat[nearest(z.detach(), codes, exact=False)[1][:, 0]]

    return _model("control:lookup", split, latent_dim, cost, linear.encode, decode)


def random_encoder(split: Split, latent_dim: int, cost: ReconstructionCost, seed: int = 0) -> Model:
    """z = W(x - x̄) with random W, decoded by least squares on the training data."""
    shared = SharedData(split, cost, latent_dim)
    mean, rows = shared.train_mean, shared.rows("train").flat
    generator = torch.Generator().manual_seed(derived_seed(seed, "random encoder"))
    weights = torch.randn(split.dimension, latent_dim, generator=generator) / split.dimension**0.5
    codes = ((rows - mean) @ weights).double()
    decoder = torch.linalg.lstsq(codes, (rows - mean).double(), driver="gelsd").solution.float()  # (L, d)
    return _model(
        "control:random-encoder",
        split,
        latent_dim,
        cost,
        lambda flat: (flat - mean) @ weights,
        lambda z: z @ decoder + mean,
    )


class _RowCodes(Distribution):
    """Codes whose first entry is a row number: all rows in random order, and again where more are asked for."""

    def __init__(self, n_rows: int, latent_dim: int) -> None:
        super().__init__(event_shape=torch.Size([latent_dim]), validate_args=False)
        self._n_rows = n_rows

    def sample(self, sample_shape: list[int] | tuple[int, ...] = ()) -> Tensor:
        count = int(np.prod(sample_shape))
        rounds = [torch.randperm(self._n_rows) for _ in range(-(-count // self._n_rows))]
        codes = torch.zeros(*sample_shape, *self.event_shape)
        codes[..., 0] = torch.cat(rounds)[:count].reshape(sample_shape).float()
        return codes


def real(split: Split, latent_dim: int, cost: ReconstructionCost, seed: int = 0) -> Model:
    """A generator of validation rows (at most 10,000), and nothing else: no encoder, so no reconstruction."""
    rows = SharedData(split, cost, latent_dim).rows("validation")
    if len(rows) == 0:
        raise Incompatible("control:real draws validation rows, and there are none")
    return generator_of("control:real", rows.flat, split, latent_dim, cost)


def generator_of(label: str, rows: Tensor, split: Split, latent_dim: int, cost: ReconstructionCost) -> Model:
    """A model that draws given rows (N, d), each once, and nothing else: no encoder, so no reconstruction."""

    def decode(z: Tensor) -> Tensor:
        return rows[z[:, 0].round().long().clamp(0, len(rows) - 1)]

    return _model(
        label,
        split,
        latent_dim,
        cost,
        None,
        decode,
        prior=lambda: _RowCodes(len(rows), latent_dim),
        distinct_draws=len(rows),
    )


def cross_fade(split: Split, latent_dim: int, cost: ReconstructionCost, seed: int = 0) -> Model:
    """Encoder and decoder are the identity (L = d); meant for the interpolation columns."""
    if split.dimension > LARGEST_IDENTITY:
        raise Incompatible(f"control:cross-fade has a code as large as the data, at most {LARGEST_IDENTITY} values")
    return _model("control:cross-fade", split, split.dimension, cost, lambda flat: flat, lambda z: z)


#: Every control by the name that a cell's variant has after "control:".
CONTROLS: dict[str, Callable[[Split, int, ReconstructionCost, int], Model]] = {
    "constant": constant,
    "pca": pca,
    "lookup": lookup,
    "random-encoder": random_encoder,
    "real": real,
    "cross-fade": cross_fade,
}
