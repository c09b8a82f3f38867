"""What all models of one data set share in an evaluation: rows, statistics and noise, computed lazily and once.

Everything random here is seeded by role alone, never by the model, so that models are compared on the same rows, pairs
and noise (paired comparison).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from bench.contracts.dataset import Split
from bench.losses import ReconstructionCost
from bench.seeding import derived_seed

#: Most rows of a part that pairwise metrics use; reconstruction errors use the whole test and validation split.
MAX_ROWS = 10_000
#: Most float32 numbers in one cached array of rows (128 MB).
MAX_NUMBERS = 2**25
#: Numbers that a pass over a whole part reads at a time (4 MB): blocks this small are served from memory that the last
#: one left, where large ones would each take new memory from a fragmented heap.
BLOCK_NUMBERS = 2**20
#: Seed of everything that models of a data set share.
REFERENCE_SEED = 0
_BINARISE_BLOCK = 256


@dataclass(frozen=True)
class Rows:
    """Rows of one part, on the device.

    Attributes:
        x: (N, *data_shape) float32.
        flat: (N, d), the same numbers.
        indices: (N,) which rows of the part these are, in a fixed random order, so that any prefix is a random sample.
        labels: (N,) integers, or None.
        factors: (N, F), or None.
    """

    x: Tensor
    flat: Tensor
    indices: np.ndarray
    labels: np.ndarray | None
    factors: np.ndarray | None

    def __len__(self) -> int:
        return len(self.indices)


class SharedData:
    """The data side of an evaluation, shared by all models of one data set and likelihood.

    Args:
        split: the data.
        cost: the run's reconstruction cost.
        latent_dim: L, for the PCA and random baselines.
        device: where rows are kept.
        likelihood_rows: held-out rows of the expensive likelihoods: a number, "all", or "auto" for as many as are
            cheap.
    """

    def __init__(
        self,
        split: Split,
        cost: ReconstructionCost,
        latent_dim: int,
        device: torch.device | str = "cpu",
        likelihood_rows: int | str = "auto",
    ) -> None:
        self.split = split
        self.cost = cost
        self.latent_dim = latent_dim
        self.device = torch.device(device)
        self.likelihood_rows = likelihood_rows
        self.dimension = split.dimension
        self._rows: dict[str, Rows] = {}
        self._cache: dict[object, object] = {}

    def once(self, key: object, compute):
        """`compute()` the first time that `key` is asked for, the stored result ever after."""
        if key not in self._cache:
            self._cache[key] = compute()
        return self._cache[key]

    def size(self, part: str) -> int:
        """The number of rows of a part."""
        return len(getattr(self.split, part))

    @property
    def max_rows(self) -> int:
        """Most rows that are cached at once: 10,000, or what fits 128 MB."""
        return max(1, min(MAX_ROWS, MAX_NUMBERS // self.dimension))

    @property
    def block_rows(self) -> int:
        """Rows that a pass over a whole part reads at a time."""
        return max(1, BLOCK_NUMBERS // self.dimension)

    def load(self, part: str, indices: np.ndarray) -> Tensor:
        """Rows of a part as a float32 tensor (n, *data_shape) on the device.

        Where training draws pixels from Bernoulli(x), these are one fixed draw of each row.
        """
        x = np.asarray(getattr(self.split, part)[indices], dtype=np.float32)
        if self.split.binarise == "dynamic":
            x = self._binarise(part, np.asarray(indices), x)
        return torch.from_numpy(np.ascontiguousarray(x)).to(self.device)

    def _binarise(self, part: str, indices: np.ndarray, x: np.ndarray) -> np.ndarray:
        result = np.empty_like(x)
        blocks = indices // _BINARISE_BLOCK
        for block in np.unique(blocks):
            generator = np.random.default_rng(derived_seed(REFERENCE_SEED, "binarise", part, int(block)))
            uniform = generator.random((_BINARISE_BLOCK, *x.shape[1:]), dtype=np.float32)
            chosen = blocks == block
            result[chosen] = uniform[indices[chosen] - block * _BINARISE_BLOCK] < x[chosen]
        return result

    def batches(self, part: str, size: int) -> Iterator[Tensor]:
        """All rows of a part in order, at most `size` at a time."""
        for start in range(0, self.size(part), size):
            yield self.load(part, np.arange(start, min(start + size, self.size(part))))

    def rows(self, part: str) -> Rows:
        """Rows of a part for pairwise metrics, in a fixed random order: all, or a sub-sample of `max_rows`."""
        if part not in self._rows:
            n = self.size(part)
            chooser = np.random.default_rng(derived_seed(REFERENCE_SEED, "rows", part))
            indices = chooser.permutation(n)[: self.max_rows]
            shape = self.split.data_shape
            x = self.load(part, indices) if n else torch.zeros(0, *shape, device=self.device)
            labels, factors = (getattr(self.split, f"{part}_{what}") for what in ("labels", "factors"))
            self._rows[part] = Rows(
                x,
                x.reshape(len(indices), self.dimension),
                indices,
                None if labels is None else np.asarray(labels)[indices],
                None if factors is None else np.asarray(factors)[indices],
            )
        return self._rows[part]

    @cached_property
    def train_mean(self) -> Tensor:
        """x̄, the mean of all training rows, (d,)."""
        total = torch.zeros(self.dimension, dtype=torch.float64, device=self.device)
        for x in self.batches("train", self.block_rows):
            total += x.reshape(len(x), -1).sum(0, dtype=torch.float64)
        return (total / max(self.size("train"), 1)).float()

    @cached_property
    def test_total_variance(self) -> float:
        """T = E‖x - x̄‖² over the whole test split with the training mean x̄: what a constant decoder scores."""
        total = 0.0
        for x in self.batches("test", self.block_rows):
            total += float((x.reshape(len(x), -1) - self.train_mean).square().sum(dtype=torch.float64))
        return total / max(self.size("test"), 1)

    @cached_property
    def test_variance(self) -> float:
        """tr Cov(x) of the held-out rows, the denominator of diversity."""
        flat = self.rows("test").flat
        return float(flat.var(0, correction=0).sum(dtype=torch.float64)) if len(flat) else 0.0

    @cached_property
    def is_binary(self) -> bool:
        """Whether the held-out data are zeros and ones (as evaluation sees them), so that Bernoulli is a likelihood."""
        x = self.rows("test").x
        return bool(((x == 0) | (x == 1)).all())

    def normal(self, role: str, *shape: int) -> Tensor:
        """Standard normal noise (…) that is the same for every model of the data set."""
        return torch.randn(*shape, generator=self.generator(role)).to(self.device)

    def generator(self, role: str) -> torch.Generator:
        """A fresh CPU generator that depends on the role alone."""
        return torch.Generator().manual_seed(derived_seed(REFERENCE_SEED, "shared", role))

    def numpy_generator(self, role: str) -> np.random.Generator:
        """A fresh numpy generator that depends on the role alone."""
        return np.random.default_rng(derived_seed(REFERENCE_SEED, "shared", role))
