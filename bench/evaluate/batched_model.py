"""A model as a metric calls it: what it can do, and its functions in batches, without gradients, with given noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.contracts.metric import NEEDS
from bench.contracts.model import Model
from bench.contracts.sampler import Sampler
from bench.evaluate.latent_density import has_density, moments
from bench.evaluate.reference_data import SharedData
from bench.seeding import derived_seed

#: Data values in one call of the model; a convolutional decoder holds about a hundred times as many activations.
_BATCH_NUMBERS = 2**20

#: Why Bernoulli cost on pixels between 0 and 1 has no likelihood values.
GREY = "Bernoulli cost on grey pixels is no likelihood; binarise the data, or take squared or gaussian cost"


class Calls:
    """The model's side of a `View`: needs, batched functions and a cache. Shapes: N rows, d data, L code dimensions.

    Args:
        model: the trained or control model.
        shared: its data set's shared quantities.
        seed: of the model's evaluation noise (posterior draws); use the same for all models of a data set.
        samplers: what is fitted to the codes of training data as further latent sources, by tag.
    """

    def __init__(
        self, model: Model, shared: SharedData, seed: int = 0, samplers: Mapping[str, Sampler] | None = None
    ) -> None:
        self.fitted = dict(samplers or {})
        self.model = model
        self.shared = shared
        self.split = shared.split
        self.seed = seed
        self.device = torch.device(model.device)
        self.latent_dim = model.latent_dim
        self.dimension = shared.dimension
        self._cache: dict[object, object] = {}

    def lacks(self, need: str) -> str | None:
        """Why this model and data set do not fulfil `need` (a key of `NEEDS`), or None when they do."""
        if self.has(need):
            return None
        return GREY if need == "likelihood" and self._is_bernoulli and not self.shared.is_binary else NEEDS[need]

    @property
    def _is_bernoulli(self) -> bool:
        return self.model.cost.name == "bernoulli"

    def _has_likelihood(self) -> bool:
        model, variance = self.model, self.model.decoder_variance
        if model.log_likelihood is not None or model.decode_params is None:
            return model.log_likelihood is not None
        if self._is_bernoulli:
            return self.shared.is_binary
        return model.cost.is_density or (variance is not None and variance > 0)

    def _has_density(self) -> bool:
        return self.model.posterior is not None and has_density(self.model.posterior(self.shared.rows("test").x[:1]))

    def has(self, need: str) -> bool:
        """Whether this model and data set fulfil `need`, a key of `NEEDS`."""
        model = self.model
        if need == "encode":
            return model.encode is not None or model.posterior is not None
        if need in ("decode", "posterior", "prior"):
            return getattr(model, need) is not None
        if need == "euclidean":
            return model.euclidean
        if need == "path":
            return not model.discrete
        if need == "density":
            return self.once("density", self._has_density)
        if need == "likelihood":
            return self._has_likelihood()
        if need == "labels":
            return self.split.train_labels is not None and self.split.test_labels is not None
        if need == "factors":
            return self.split.test_factors is not None
        if need == "images":
            return len(self.split.data_shape) == 3
        if need == "manifold":
            return self.split.manifold is not None
        if need == "anomalies":
            return self.split.anomalies is not None
        if need == "plane":
            return self.latent_dim == 2
        raise KeyError(f"unknown need {need!r}; known: {', '.join(NEEDS)}")

    def once(self, key: object, compute: Callable[[], Any]) -> Any:
        """`compute()` the first time that `key` is asked for of this model, the stored result ever after."""
        if key not in self._cache:
            self._cache[key] = compute()
        return self._cache[key]

    @property
    def batch_size(self) -> int:
        """Rows per call of the model."""
        return int(np.clip(_BATCH_NUMBERS // self.dimension, 32, 4096))

    def generator(self, role: str) -> torch.Generator:
        """A fresh CPU generator for this evaluation's own noise, by role."""
        return torch.Generator().manual_seed(derived_seed(self.seed, "view", role))

    def batched(self, function: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
        """`function` of rows (N, …) in batches of `batch_size`, without gradients, put together again."""
        with torch.no_grad():
            parts = [function(batch) for batch in rows.split(self.batch_size)]
        return torch.cat(parts)

    def encode_batch(self, x: Tensor) -> Tensor:
        """Codes of one batch (B, *data_shape): the model's code, or its posterior's mean."""
        if self.model.encode is not None:
            return self.model.encode(x)
        return moments(self.model.posterior(x), self.generator("moments"))[0]

    def encode(self, x: Tensor) -> Tensor:
        """Codes μ(x) of data (N, *data_shape) or (N, d): (N, L)."""
        return self.batched(self.encode_batch, x.reshape(len(x), *self.split.data_shape).to(self.device))

    def decode(self, z: Tensor) -> Tensor:
        """Data-space means Θ(z) of codes (N, L), flat: (N, d)."""
        return self.batched(lambda batch: self.model.decode(batch).reshape(len(batch), -1), z.to(self.device))

    def cycle(self, decoded: Tensor) -> Tensor:
        """‖Θ(μ(y)) - y‖² of decoded points y (N, d), unnormalised: (N,)."""

        def error(y: Tensor) -> Tensor:
            codes = self.encode_batch(y.reshape(len(y), *self.split.data_shape))
            return (self.model.decode(codes).reshape(len(y), -1) - y).square().sum(-1)

        return self.batched(error, decoded)
