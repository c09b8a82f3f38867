"""Trained variants as the evaluation and the user see them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bench.contracts.model import Model
from bench.contracts.variant import Batch, Variant
from bench.errors import UsageError
from bench.train.noise import draw_block, Request

#: Examples that go through a network at a time.
BATCH_ROWS = 2048


class GeneratorDraw:
    """A `Draw` that takes every number from one generator, for a single model outside of training."""

    def __init__(self, generator: torch.Generator) -> None:
        self._generator = generator

    def normal(self, shape) -> Tensor:
        return self._filled("normal", shape, torch.float32)

    def uniform(self, shape) -> Tensor:
        return self._filled("uniform", shape, torch.float32)

    def permutation(self, n: int) -> Tensor:
        return self._filled("permutation", (n,), torch.int64)

    def _filled(self, kind: str, shape, dtype: torch.dtype) -> Tensor:
        request = Request(kind, tuple(shape))
        out = torch.empty((1, *request.shape), dtype=dtype, device=self._generator.device)
        draw_block(request, 1, self._generator, out)
        return out[0]


def evaluated_model(variant: Variant, label: str, n_train: int, device: torch.device) -> Model:
    """A trained `variant` as the functions that metrics use; gradients flow through `decode` only."""
    variant.eval().requires_grad_(False)

    def loss(x: Tensor, y: Tensor | None, generator: torch.Generator) -> dict[str, Tensor]:
        batch = Batch(x, y, torch.ones((), device=x.device), n_train)
        terms = variant.loss(batch, GeneratorDraw(generator))
        return {name: value.detach() for name, value in terms.items()}

    return Model(
        label=label,
        latent_dim=variant.latent_dim,
        data_shape=variant.data_shape,
        cost=variant.cost,
        encode=None if variant.encode is None else torch.no_grad()(variant.encode),
        decode=variant.decode,
        decode_params=variant.decode_params,
        posterior=None if variant.posterior is None else torch.no_grad()(variant.posterior),
        prior=None if variant.prior is None else torch.no_grad()(variant.prior),
        loss=loss,
        kl_weight=variant.kl_weight_value,
        device=device,
    )


class TrainedModel:
    """A trained model that takes and returns numpy arrays in the units of the user's own data.

    Attributes:
        variant: the `Variant` module behind it.
        info: the cell's record (variant, data set, seed, metrics, …).
    """

    def __init__(self, variant: Variant, shift: np.ndarray, scale: np.ndarray, info: dict) -> None:
        self.variant = variant.eval().requires_grad_(False)
        self.info = info
        self._shift, self._scale = np.asarray(shift, np.float32), np.asarray(scale, np.float32)

    def encode(self, X: np.ndarray) -> np.ndarray:
        """Codes (N, L) of rows X (N, ...), given in the units of the training data's source.

        Raises:
            UsageError: wrong shape, values that are not finite, or a variant without encoder.
        """
        if self.variant.encode is None:
            raise UsageError(f"{self.info.get('variant')} has no encoder; only decode(z) and sample(n) are defined")
        return self._batched(self.variant.encode, self._standardised(X))

    def decode(self, Z: np.ndarray) -> np.ndarray:
        """Data-space means of codes Z (N, L), in the units of the training data's source: (N, *data_shape)."""
        codes = np.asarray(Z, dtype=np.float32)
        if codes.ndim != 2 or codes.shape[1] != self.variant.latent_dim:
            raise UsageError(f"codes have shape {codes.shape}; expected (N, {self.variant.latent_dim})")
        return self._batched(self.variant.decode, codes) * self._scale + self._shift

    def reconstruct(self, X: np.ndarray) -> np.ndarray:
        """decode(encode(X)): rows (N, ...) → (N, *data_shape), in the units of the training data's source."""
        return self.decode(self.encode(X))

    def sample(self, n: int, seed: int = 0) -> np.ndarray:
        """`n` decoded draws from the prior (data-space means), (n, *data_shape).

        Raises:
            UsageError: the variant declares no prior.
        """
        if self.variant.prior is None:
            raise UsageError(
                f"{self.info.get('variant')} declares no prior to sample from; use decode(z) with own codes"
            )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            codes = self.variant.prior().sample((n,))
        return self.decode(codes.cpu().numpy())

    def _standardised(self, X: np.ndarray) -> np.ndarray:
        try:
            rows = np.asarray(X, dtype=np.float32)
        except (TypeError, ValueError) as error:
            raise UsageError(f"X is not numeric ({error}); give an array of numbers") from error
        shape = self.variant.data_shape
        if rows.ndim < 1 or rows[:1].size != int(np.prod(shape)):
            raise UsageError(f"X has shape {rows.shape}; expected (N, {', '.join(map(str, shape))}) as in training")
        if not np.isfinite(rows).all():
            raise UsageError("X holds missing or infinite values; remove or fill them first")
        return (rows.reshape(-1, *shape) - self._shift) / self._scale

    def _batched(self, function, rows: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            parts = [
                function(torch.from_numpy(np.ascontiguousarray(rows[start : start + BATCH_ROWS]))).numpy()
                for start in range(0, len(rows), BATCH_ROWS)
            ]
        return np.concatenate(parts) if parts else np.zeros((0, self.variant.latent_dim), np.float32)
