"""What a data set plugin returns: a `Split` of train, validation and test arrays with what is known about them.

A plugin is one file `datasets/NAME.py` with a function `load(...) -> Split`; its signature is its configuration and
its docstring what `aebench list datasets -v` shows. One that takes both `test` and `split_seed` divides all its rows at
random by `split_seed`, and can be run on several splits (`--splits`).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.contracts.rows import ArraySource, blocks

PARTS = ("train", "validation", "test")
LIKELIHOODS = ("squared", "bernoulli", "gaussian")


@dataclass(frozen=True)
class Split:
    """Train, validation and test data, each (N, D), (N, C, T) or (N, C, H, W), float32 in [0, 1] or standardised.

    Attributes:
        train, validation, test: arrays (or `ArraySource`s for data larger than memory). Choices use validation; test is
            touched once. A part may have no rows when the user asked for that.
        train_labels, validation_labels, test_labels: integer arrays (N,), or all None.
        label_names: the label that each integer stands for, or None.
        train_factors, validation_factors, test_factors: ground-truth factors (N, F), or all None.
        factor_names: names of the F factors.
        nominal_factors: those of them whose numbers stand for kinds without an order.
        likelihoods: reconstruction costs that make sense for these data, of `LIKELIHOODS`.
        shift, scale: the data are (raw - shift) / scale, so that a trained model can be given raw rows; each broadcasts
            to a row and is kept with the checkpoint. A scale of infinity sets its column to 0 in every part.
        binarise: "none", or "dynamic" when each batch draws its pixels from Bernoulli(x) (the harness draws).
        truth: known answers for tests and reports, e.g. {"covariance": (d, d), "noise_variance": float}.
        manifold: noise-free points (P, *data_shape) float32 that lie densely on the data's true manifold, or None.
        description: one line for the report's header.
        anomalies: test rows that are not of the kind that the parts hold, (A, *data_shape), or None. They are scaled as
            the parts are and looked at by metrics of anomalies alone: never by training, scaling, validation or any
            choice.
        anomaly_kinds: the kind of each, integers (A,); None where there is one kind only.
        anomaly_names: the name of each kind, or None.
    """

    train: np.ndarray | ArraySource
    validation: np.ndarray | ArraySource
    test: np.ndarray | ArraySource
    train_labels: np.ndarray | None = None
    validation_labels: np.ndarray | None = None
    test_labels: np.ndarray | None = None
    label_names: tuple[str, ...] | None = None
    train_factors: np.ndarray | None = None
    validation_factors: np.ndarray | None = None
    test_factors: np.ndarray | None = None
    factor_names: tuple[str, ...] | None = None
    nominal_factors: tuple[str, ...] = ()
    likelihoods: tuple[str, ...] = ("squared", "gaussian")
    shift: np.ndarray | float = 0.0
    scale: np.ndarray | float = 1.0
    binarise: str = "none"
    truth: dict[str, Any] = field(default_factory=dict)
    manifold: np.ndarray | None = None
    description: str = ""
    anomalies: np.ndarray | ArraySource | None = None
    anomaly_kinds: np.ndarray | None = None
    anomaly_names: tuple[str, ...] | None = None

    @property
    def data_shape(self) -> tuple[int, ...]:
        """Shape of one example: (D,), (C, T) or (C, H, W)."""
        return tuple(self.train.shape[1:])

    @property
    def dimension(self) -> int:
        """d, the number of values in one example."""
        return int(np.prod(self.data_shape))

    @property
    def n_classes(self) -> int | None:
        """The number of distinct labels, or None without labels."""
        if self.train_labels is None:
            return None
        if self.label_names is not None:
            return len(self.label_names)
        return int(max(part.max(initial=-1) for part in self._labels())) + 1

    def _labels(self) -> list[np.ndarray]:
        return [getattr(self, f"{part}_labels") for part in PARTS if getattr(self, f"{part}_labels") is not None]

    def checksum(self) -> str:
        """SHA-256 of content, shapes and labels, the first 16 hex digits; read in blocks, so bounded in memory."""
        digest = hashlib.sha256()
        for part in PARTS:
            extras = (getattr(self, f"{part}_{extra}") for extra in ("labels", "factors"))
            _digest_part(digest, part, getattr(self, part), *extras)
        if self.anomalies is not None:
            _digest_part(digest, "anomalies", self.anomalies, self.anomaly_kinds)
        return digest.hexdigest()[:16]


def _digest_part(digest: Any, name: str, rows: np.ndarray | ArraySource, *extras: np.ndarray | None) -> None:
    digest.update(repr((name, tuple(rows.shape))).encode())
    for span in blocks(tuple(rows.shape)):
        digest.update(np.ascontiguousarray(rows[span], dtype=np.float32).data.cast("B"))
    for values in extras:
        if values is not None:
            digest.update(np.ascontiguousarray(values).tobytes())


def leaked_anomalies(split: Split) -> int:
    """How many test anomalies are training rows as well, number by number: a leak of what is tested into training."""
    if split.anomalies is None:
        return 0
    known: Counter[bytes] = Counter()
    for span in blocks(tuple(split.anomalies.shape)):
        known.update(map(_row_bytes, np.asarray(split.anomalies[span])))
    seen = {text for span in blocks(tuple(split.train.shape)) for row in np.asarray(split.train[span])
            if (text := _row_bytes(row)) in known}  # fmt: skip
    return sum(known[text] for text in seen)


def _row_bytes(row: np.ndarray) -> bytes:
    return (np.asarray(row, dtype=np.float32) + np.float32(0)).tobytes()  # -0 is 0


def value_range(split: Split, whole: bool = True) -> tuple[float, float]:
    """Least and largest value of a split's parts, read in blocks; of each part's first block alone unless `whole`."""
    low, high = np.inf, -np.inf
    for part in PARTS:
        rows = getattr(split, part)
        for span in blocks(tuple(rows.shape)):
            block = np.asarray(rows[span])
            if block.size:
                low, high = min(low, float(block.min())), max(high, float(block.max()))
            if not whole:
                break
    return low, high
