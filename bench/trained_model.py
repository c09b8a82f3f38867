"""Trained variants as the evaluation and the user see them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bench.contracts.checks import whole_number
from bench.contracts.rows import rescale, restore
from bench.contracts.sampler import LEAST_CODES, SPACES, space_of
from bench.contracts.variant import Variant
from bench.data.array_like import Names, arrange, as_numbers, column_names
from bench.data.counts import log_counts
from bench.data.frames import plain_frame
from bench.errors import UsageError
from bench.evaluate.declared_score import declared_score
from bench.evaluate.ex_post import density_draws, fitted_density
from bench.evaluate.latent_density import GaussianFit
from bench.evaluate.samplers import built_samplers
from bench.spec.call import parse_call
from bench.spec.registry import Registry

#: Examples that go through a network at a time.
BATCH_ROWS = 256


class TrainedModel:
    """A trained model that takes and returns numpy arrays in the units of the user's own data.

    Attributes:
        variant: the `Variant` module behind it.
        info: the cell's record (variant, data set, seed, metrics, …).
        codes: N(m̂, Σ̂) of the training codes where the variant has no prior, or None.
        training_codes: those that samplers are fitted to, (N, L), or None where the run kept none.
        counts: whether rows are counts, of which the model is given log(1 + count), scaled (`scale=log1p`).
    """

    def __init__(
        self,
        variant: Variant,
        shift: np.ndarray,
        scale: np.ndarray,
        info: dict,
        codes: GaussianFit | None = None,
        training_codes: np.ndarray | None = None,
        plugins: Sequence[str | Path] = (),
        counts: bool = False,
    ) -> None:
        self.variant = variant.eval().requires_grad_(False)
        self.info = info
        self.codes = codes
        self.training_codes = training_codes
        self.counts = counts
        self._plugins = plugins
        self._shift, self._scale = np.asarray(shift, np.float64), np.asarray(scale, np.float64)

    @property
    def scaling(self) -> tuple[np.ndarray, np.ndarray]:
        """Shift and scale, float64: the model is given (X - shift) / scale, of counts with log(1 + X) for X."""
        return self._shift, self._scale

    def encode(self, X: np.ndarray) -> np.ndarray:
        """Codes (N, L) of rows X (N, ...), given in the units of the training data's source.

        Raises:
            UsageError: wrong shape, values that are not finite, or a variant without encoder.
        """
        return self._batched(self._encoder(), self.standardised(X))

    def decode(self, Z: np.ndarray) -> np.ndarray:
        """Data-space means of codes Z (N, L), in the units of the training data's source: (N, *data_shape).

        A code that is not valid for the variant is first moved to the nearest one that is.
        """
        codes = np.asarray(as_numbers(Z, Names(column_names(Z), what="Z")), dtype=np.float32)
        if codes.ndim != 2 or codes.shape[1] != self.variant.latent_dim:
            raise UsageError(f"codes have shape {codes.shape}; expected (N, {self.variant.latent_dim})")
        rows = restore(self._batched(self._decoded, codes), self._shift, self._scale)
        return np.expm1(rows) if self.counts else rows

    def reconstruct(self, X: np.ndarray) -> np.ndarray:
        """decode(encode(X)): rows (N, ...) → (N, *data_shape), in the units of the training data's source."""
        return self.decode(self.encode(X))

    def transform(self, X: np.ndarray) -> np.ndarray:
        """`encode` by the name that scikit-learn has for it."""
        return self.encode(X)

    def inverse_transform(self, Z: np.ndarray) -> np.ndarray:
        """`decode` by the name that scikit-learn has for it."""
        return self.decode(Z)

    def score_samples(self, X: np.ndarray) -> np.ndarray:
        """How normal each row of X (N, ...) is, higher is more normal: (N,) float64.

        -‖x - Θ(μ(x))‖² / d, where x is the row as the model was trained on it (shifted and scaled) and d the number of
        its values: minus the row's share of a run's `test_mse`. Of a variant with an `anomaly_score` of its own, minus
        that. Nothing is drawn, so a row always has the same score; which rows stand beside it can move the last bits
        at most, and none where the networks' widths are multiples of 16.

        Raises:
            UsageError: as `encode`.
        """
        own = declared_score(self.variant)
        if own is None:
            return -self.errors(self.standardised(X))
        return -self._batched(lambda x: own(x).double(), self.standardised(X))

    def score(self, X: np.ndarray, y: object = None) -> float:
        """Minus the mean of ‖x - Θ(μ(x))‖² / d, which on a run's test rows is minus `test_mse`; y is not looked at."""
        return -float(self.errors(self.standardised(X)).mean())

    def errors(self, rows: np.ndarray) -> np.ndarray:
        """‖x - Θ(μ(x))‖² / d of rows (N, *data_shape) float32 as the model is given them, scaled: (N,) float64."""
        encode = self._encoder()

        def error(x: Tensor) -> Tensor:
            return (self._decoded(encode(x.clone())) - x).flatten(1).double().square().mean(1)

        return self._batched(error, rows)

    def sample(self, n: int, seed: int = 0, sampler: str | None = None) -> np.ndarray:
        """`n` decoded draws (data-space means), (n, *data_shape), in the units of the training data's source.

        Codes are drawn from the variant's prior; of a variant that declares none, from N(m̂, Σ̂) of the training codes,
        as for the metric `coverage_fit`.

        Args:
            sampler: e.g. "mixture" or "mixture[components=20]": codes are drawn from what that fits to the training
                codes, which a run keeps that was asked for `--samplers`.

        Raises:
            UsageError: there is neither a prior nor a Gaussian of codes, or no training codes to fit `sampler` to; it
                is unknown, or not made for this variant's codes.
        """
        whole_number("n", n, 1)
        if sampler is not None:
            return self.decode(self._sampled(sampler, n, seed))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            codes = self._draws(n)
        return self.decode(codes.cpu().numpy())

    def _sampled(self, sampler: str, n: int, seed: int) -> np.ndarray:
        """Codes (n, L) from a sampler, which is fitted with a seed of its own and so the same for every `seed`."""
        registry = Registry.discover(self._plugins)
        (call,) = registry.samplers_for([parse_call(sampler)])
        if self.training_codes is None:
            raise UsageError(
                f"no training codes of {self.info.get('variant')} were kept to fit {call.name} to; run it again with "
                f"--samplers {call.name}, which trains nothing anew"
            )
        codes, fitting = torch.from_numpy(self.training_codes), torch.Generator().manual_seed(0)
        fitted = built_samplers(registry, [call])[call.name]
        if (space := space_of(self.variant.discrete, self.variant.project is None)) not in fitted.spaces:
            raise UsageError(f"{call.name} cannot draw codes of {self.info.get('variant')}: {SPACES[space]}")
        if len(codes) < LEAST_CODES:
            raise UsageError(f"{call.name} needs {LEAST_CODES} training codes; there are {len(codes)}")
        try:
            density = fitted_density(fitted.fit, codes, fitting)
            return density_draws(density, codes, n, torch.Generator().manual_seed(seed)).numpy()
        except ValueError as error:
            raise UsageError(f"{call.name}: {error}") from error

    def _draws(self, n: int) -> Tensor:
        if self.variant.prior is not None:
            return self.variant.prior().sample((n,))
        if self.codes is None:
            raise UsageError(
                f"{self.info.get('variant')} declares no prior to sample from, and no Gaussian of its training codes "
                "was kept; use decode(z) with own codes, or run it again"
            )
        return self.codes.place(torch.randn(n, self.variant.latent_dim))

    def _encoder(self) -> Callable[[Tensor], Tensor]:
        if self.variant.encode is None:
            raise UsageError(f"{self.info.get('variant')} has no encoder; only decode(z) and sample(n) are defined")
        return self.variant.encode

    def _decoded(self, z: Tensor) -> Tensor:
        return self.variant.decode(z if self.variant.project is None else self.variant.project(z))

    def standardised(self, X: np.ndarray) -> np.ndarray:
        """Rows X (N, ...) in the units of the training data's source as the model is given them: float32, scaled.

        Raises:
            UsageError: as `encode`; negative values where counts are expected.
        """
        X = plain_frame(X)
        rows = as_numbers(X, Names(column_names(X), what="X"))
        shape = self.variant.data_shape
        if rows.ndim in (3, 4) and rows.shape[1:] != shape:
            rows = arrange(rows, "X")  # without channels or with channels last, as training data may be given
        if rows.ndim < 2 or rows.shape[1:] not in (shape, (int(np.prod(shape)),)):
            raise UsageError(f"X has shape {rows.shape}; expected (N, {', '.join(map(str, shape))}) as in training")
        if not np.isfinite(rows).all():
            raise UsageError("X holds missing or infinite values; remove or fill them first")
        rows = rows.reshape(-1, *shape)
        return rescale(log_counts(rows, Names(what="X")) if self.counts else rows, self._shift, self._scale)

    def _batched(self, function: Callable[[Tensor], Tensor], rows: np.ndarray) -> np.ndarray:
        """`function` of rows, always `BATCH_ROWS` at a time: the last bits of each depend on how many go through."""
        parts = []
        with torch.no_grad():
            for start in range(0, max(len(rows), 1), BATCH_ROWS):  # no rows go through, too: they have a shape
                block = rows[start : start + BATCH_ROWS]
                full = np.zeros((BATCH_ROWS, *rows.shape[1:]), np.float32)
                full[: len(block)] = block
                parts.append(function(torch.from_numpy(full))[: len(block)].numpy())
        return np.concatenate(parts)
