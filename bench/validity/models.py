"""The models that put a degradation to metrics: generators of rows, decoders of pixels, and codes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.analysis.validity_sweeps import SWEEPS
from bench.contracts.dataset import PARTS, Split
from bench.contracts.model import Model
from bench.evaluate.control_models import LARGEST_IDENTITY, generator_of, pca
from bench.evaluate.reference_data import SharedData
from bench.losses import ReconstructionCost
from bench.seeding import derived_seed
from bench.validity.degradations import IMAGES_ONLY, OF_ROWS, OF_SAMPLES, Material, averaging

SQUARED = ReconstructionCost("squared")
#: Latent dimension of the models whose codes are degraded.
CODES = 8
#: Averages are over at most this part of the training rows: beyond, they mix what is not alike.
AVERAGED = 15
MIXES = (0, 0.1, 0.3, 0.6, 1.0)
CONDITIONS = (0, 1, 2, 3)
#: Seed of which rows of each part are taken.
ROWS_SEED = 0
#: Real samples beside the first, whose spread is the noise of what real data score.
REPLICATES = 5


@dataclass(frozen=True)
class Level:
    """One point of a sweep: a model whose degradation has a strength (0: real data)."""

    kind: str
    sweep: str
    strength: float
    model: Model


class Bench:
    """A data set divided for sweeps: training rows, a pool of real rows to degrade, and held-out rows.

    Half of the training part and the validation part are the pool, the other half trains the classifier and stands for
    the data that averages and copies are made of, so that no feature was fitted to a row of the pool. Rows of each part
    are drawn at random (`ROWS_SEED`), because the first ones of sorted data are of one kind.

    Args:
        split: the data.
        rows: most held-out rows; the other parts are limited in proportion.
    """

    def __init__(self, split: Split, rows: int) -> None:
        half = min(len(split.train) // 2, 5 * rows)
        train, validation, test = (_shuffled(part, len(getattr(split, part))) for part in PARTS)
        pool: list[Any] = [(split.train, split.train_labels, train[half : half + 2 * rows])]
        pool += [(split.validation, split.validation_labels, validation[:rows])]
        train, test = train[:half], test[:rows]
        labelled = split.train_labels is not None
        parts: dict[str, Any] = {
            "train": split.train[train],
            "validation": np.concatenate([data[chosen] for data, _, chosen in pool]),
            "test": split.test[test],
            "train_labels": None if split.train_labels is None else split.train_labels[train],
            "validation_labels": np.concatenate([labels[chosen] for _, labels, chosen in pool]) if labelled else None,
            "test_labels": split.test_labels[test] if labelled and split.test_labels is not None else None,
        }
        plain: dict[str, Any] = dict.fromkeys(("train_factors", "validation_factors", "test_factors", "factor_names"))
        self.split = replace(split, **parts, **plain, nominal_factors=())
        self.shared = SharedData(self.split, SQUARED, CODES)
        self.material = Material(self.shared)
        self.pool = self.shared.rows("validation")
        self.size = min(len(self.pool), len(self.split.test))

    def applies(self, sweep: str) -> bool:
        """Whether these data have what a sweep needs."""
        if sweep in IMAGES_ONLY:
            return len(self.split.data_shape) == 3
        return sweep != "classes" or self.pool.labels is not None

    def levels(self, kind: str, sweep: str) -> Iterator[Level]:
        """The points of one sweep, real data first."""
        if not self.applies(sweep) or (kind in ("paths", "reconstructions") and self.too_large):
            return
        strengths, build = self._sweep(kind, sweep)
        for strength in strengths:
            if sweep == "averaging" and strength > max(3, len(self.split.train) / AVERAGED):
                return
            yield Level(kind, sweep, float(strength), build(strength))

    @property
    def too_large(self) -> bool:
        """Whether the data are too large for pixels to serve as codes."""
        return self.split.dimension > LARGEST_IDENTITY

    def _sweep(self, kind: str, sweep: str):
        """The strengths of a sweep, and the model of each."""
        if kind == "samples":
            strengths = (OF_ROWS | OF_SAMPLES)[sweep][1]
            return strengths, lambda s: self.generator(self.sample(0), sweep, s)
        if kind == "codes":
            return OF_ROWS["noise"][1], self._noisy_codes
        if kind == "gauge":
            return CONDITIONS, self._other_codes
        if kind == "reconstructions":
            return OF_ROWS[sweep][1], lambda s: self._decoder(lambda z: OF_ROWS[sweep][0](z, s, self.material))
        if sweep == "crossfade":
            return MIXES, lambda s: self._decoder(lambda z: (1 - s) * averaging(z, 1, self.material) + s * z)
        if sweep == "averaging":
            return (1, *OF_ROWS[sweep][1][1:]), lambda k: self._decoder(lambda z: averaging(z, k, self.material))
        degrade, strengths = OF_ROWS[sweep]
        return strengths, lambda s: self._decoder(lambda z: degrade(averaging(z, 1, self.material), s, self.material))

    def sample(self, replicate: int) -> np.ndarray:
        """Places in the pool of one real sample as large as the held-out data, or as the pool."""
        if replicate == 0:
            return np.arange(self.size)
        return np.random.default_rng(derived_seed(0, "validity", replicate)).permutation(len(self.pool))[: self.size]

    def generator(self, places: np.ndarray, sweep: str = "", strength: float = 0.0) -> Model:
        """A generator of the pool's rows at `places`, degraded."""
        rows = self.pool.flat[torch.as_tensor(places)]
        if sweep in OF_ROWS:
            rows = OF_ROWS[sweep][0](rows, strength, self.material)
        elif sweep == "classes":
            assert self.pool.labels is not None
            rows = OF_SAMPLES[sweep][0](rows, strength, self.material, self.pool.labels[places])
        elif sweep:
            rows = OF_SAMPLES[sweep][0](rows, strength, self.material)
        return generator_of("sweep", rows, self.split, CODES, SQUARED)

    def _decoder(self, decode) -> Model:
        """Pixels are codes; `decode` (N, d) → (N, d) degrades them."""
        shape, d = self.split.data_shape, self.split.dimension

        def shaped(z: Tensor) -> Tensor:
            return decode(z.reshape(-1, d)).reshape(*z.shape[:-1], *shape)

        return Model("sweep", d, shape, SQUARED, lambda x: x.flatten(1), shaped, shaped)

    def _noisy_codes(self, strength: float) -> Model:
        linear = pca(self.split, CODES, SQUARED)

        def encode(x: Tensor) -> Tensor:
            codes = linear.encode(x)
            spread = codes.std(0) if len(codes) > 1 else torch.ones(CODES)
            generator = torch.Generator().manual_seed(len(codes))
            return codes + strength * spread * torch.randn(codes.shape, generator=generator)

        return replace(linear, encode=encode)

    def _other_codes(self, decades: float) -> Model:
        """The same model with codes Az+b, A of condition number 10^decades (0: unchanged)."""
        linear = pca(self.split, CODES, SQUARED)
        if decades == 0:
            return linear
        rng = np.random.default_rng(0)
        left, right = (np.linalg.qr(rng.standard_normal((CODES, CODES)))[0] for _ in range(2))
        scales = 10.0 ** np.linspace(-decades / 2, decades / 2, CODES)
        A, b = torch.tensor(left * scales @ right).float(), torch.tensor(rng.standard_normal(CODES)).float()
        inverse = torch.linalg.inv(A.double())

        def back(z: Tensor) -> Tensor:
            return ((z - b).double() @ inverse.T).float()

        return replace(
            linear,
            encode=lambda x: linear.encode(x) @ A.T + b,
            decode=lambda z: linear.decode(back(z)),
            decode_params=lambda z: linear.decode_params(back(z)),
        )


def _shuffled(part: str, n: int) -> np.ndarray:
    """All places of a part of n rows in random order, (n,)."""
    return np.random.default_rng(derived_seed(ROWS_SEED, "validity rows", part)).permutation(n)


def kinds_of_sweeps() -> Iterator[tuple[str, str]]:
    """Every (kind, sweep)."""
    return ((kind, sweep) for kind, sweeps in SWEEPS.items() for sweep in sweeps)
