"""The spectrum of a data set's training covariance, for λ_auto and the linear truths."""

from __future__ import annotations

import numpy as np

from bench.contracts.rows import ArraySource

#: Above this dimension the spectrum comes from the Gram matrix of evenly spaced rows.
LARGEST_COVARIANCE = 4096
#: Rows of that Gram matrix, and rows read at a time.
BLOCK_ROWS = 4096


def covariance_spectrum(rows: np.ndarray | ArraySource) -> np.ndarray:
    """Eigenvalues (d,) of the covariance (divisor N) of `rows` (N, ...), descending, not negative, float64.

    Read in blocks, so that memory is bounded by d² and not by N. For d above `LARGEST_COVARIANCE` it is the spectrum
    of at most `BLOCK_ROWS` evenly spaced rows.
    """
    n, d = len(rows), int(np.prod(rows.shape[1:]))
    if d > LARGEST_COVARIANCE:
        picked = np.linspace(0, n - 1, min(n, BLOCK_ROWS)).astype(np.int64)
        centred = np.asarray(rows[picked], dtype=np.float64).reshape(len(picked), d)
        centred -= centred.mean(0)
        values = np.zeros(d)
        gram = np.linalg.eigvalsh(centred @ centred.T / len(picked))[::-1]
        values[: len(gram)] = gram
        return np.clip(values, 0, None)
    total, products = np.zeros(d), np.zeros((d, d))
    for start in range(0, n, BLOCK_ROWS):
        block = np.asarray(rows[start : start + BLOCK_ROWS], dtype=np.float64).reshape(-1, d)
        total += block.sum(0)
        products += block.T @ block
    mean = total / n
    return np.clip(np.linalg.eigvalsh(products / n - np.outer(mean, mean))[::-1], 0, None)
