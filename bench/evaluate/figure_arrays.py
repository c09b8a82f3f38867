"""What figures need of a trained model: codes, reconstructions, samples, interpolation strips; capped in size.

The rows shown are chosen from the data alone, so that figures show every variant and seed on the same examples.
Images and rows are float16, codes float32. Shapes: L latent dimension, `shape` the shape of one example.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from bench.contracts.dataset import Split
from bench.contracts.model import Model
from bench.evaluate.latent_density import GaussianFit, draw, moments
from bench.seeding import derived_seed

#: Codes in a latent scatter, and training rows behind N(m̂, Σ̂).
CODES = 1000
#: Codes of models with L = 2, which are the figure and not a projection of it.
PLANE_CODES = 4000
FIT_ROWS = 2000
#: Frames of an interpolation strip, both ends included.
FRAMES = 11
#: Numbers that one group of examples may hold.
GROUP_NUMBERS = 2**19
#: Held-out rows whose own errors are kept, the first of a fixed random order.
ERROR_ROWS = 10_000
_GRID_SPAN = 0.02  # the decoded plane covers the central 1 - 2 * span quantiles of the codes in each direction
_BATCH = 512


def figure_arrays(model: Model, split: Split, seed: int) -> dict[str, np.ndarray]:
    """Arrays by name, those that the model has the functions for:

    codes (N, L), code_labels (N,); originals, reconstructions (R, *shape) and original_labels (R,); fit_samples and
    prior_samples (M, *shape); strips (P, FRAMES, *shape), strip_ends (P, 2, *shape), strip_unevenness and strip_realism
    (P,); grid (G, G, *shape), grid_x, grid_y (G,) when L = 2; mu_rms, sigma_median (L,); row_errors (N,), the squared
    error per dimension of held-out rows, the same rows for every model.

    Args:
        seed: of the noise of samples.
    """
    with torch.no_grad():
        arrays = _rows_and_codes(model, split)
        if model.decode is not None:
            if "codes" in arrays:
                arrays["row_errors"] = _row_errors(model, split)
                arrays |= _strips(model, split)
                arrays |= _fit_samples(model, split, seed)
            if model.prior is not None:
                noise = torch.Generator().manual_seed(derived_seed(seed, "figures", "prior"))
                z = draw(model.prior(), (_count(split, 8, 48),), noise)
                arrays["prior_samples"] = _decode(model, z)
            if model.latent_dim == 2:
                arrays |= _grid(model, split, arrays.get("codes"))
    return {name: values for name, values in arrays.items() if _finite(values)}


def _count(split: Split, least: int, most: int, numbers: int = GROUP_NUMBERS) -> int:
    return int(np.clip(numbers // max(split.dimension, 1), least, most))


def _finite(values: np.ndarray) -> bool:
    return values.dtype.kind in "iu" or bool(np.isfinite(values).all())


def _load(split: Split, part: str, rows: np.ndarray, model: Model) -> Tensor:
    x = np.ascontiguousarray(getattr(split, part)[rows], dtype=np.float32)
    return torch.from_numpy(x).to(model.device)


def _encode(model: Model, x: Tensor) -> Tensor:
    return torch.cat([model.encode(part) for part in x.split(_BATCH)]) if len(x) else x.new_zeros(0, model.latent_dim)


def _decode(model: Model, z: Tensor) -> np.ndarray:
    """Decoded codes (n, L) as float16 (n, *shape)."""
    parts = [model.decode(part) for part in z.to(model.device).split(_BATCH)]
    return _half(torch.cat(parts).reshape(len(z), *model.data_shape))


def _half(x: Tensor) -> np.ndarray:
    limit = float(torch.finfo(torch.float16).max)
    return x.clamp(-limit, limit).cpu().numpy().astype(np.float16)


def _subset(n: int, most: int, role: str) -> np.ndarray:
    chosen = np.random.default_rng(derived_seed(0, "figures", role)).permutation(n)[:most]
    return np.sort(chosen)


def shown_rows(labels: np.ndarray | None, n: int, most: int) -> np.ndarray:
    """`most` of n rows, the same for every model: spread over the labels where there are any."""
    order = np.random.default_rng(derived_seed(0, "figures", "shown")).permutation(n)
    if labels is None:
        return order[:most]
    ranked = np.asarray(labels)[order]
    turn = np.zeros(n, dtype=np.int64)
    for label in np.unique(ranked):
        turn[ranked == label] = np.arange(np.sum(ranked == label))
    return order[np.lexsort((ranked, turn))][:most]


def _rows_and_codes(model: Model, split: Split) -> dict[str, np.ndarray]:
    n, labels = len(split.test), split.test_labels
    if n == 0:
        return {}
    shown = shown_rows(labels, n, _count(split, 4, 10))
    x = _load(split, "test", shown, model)
    arrays = {"originals": _half(x)}
    if labels is not None:
        arrays["original_labels"] = np.asarray(labels)[shown].astype(np.int64)
    if model.encode is None:
        return arrays
    if model.decode is not None:
        arrays["reconstructions"] = _decode(model, _encode(model, x))
    rows = _subset(n, PLANE_CODES if model.latent_dim == 2 else CODES, "codes")
    data = _load(split, "test", rows, model)
    codes = _encode(model, data)
    arrays["codes"] = codes.cpu().numpy().astype(np.float32)
    if labels is not None:
        arrays["code_labels"] = np.asarray(labels)[rows].astype(np.int64)
    if model.posterior is not None:
        noise = torch.Generator().manual_seed(derived_seed(0, "figures", "moments"))
        parts = [moments(model.posterior(part), noise) for part in data.split(_BATCH)]
        mean, variance = (torch.cat(values).cpu().numpy() for values in zip(*parts, strict=True))
        arrays["mu_rms"] = np.sqrt(np.mean(mean.astype(np.float64) ** 2, axis=0)).astype(np.float32)
        arrays["sigma_median"] = np.sqrt(np.median(variance, axis=0)).astype(np.float32)
    return arrays


def _row_errors(model: Model, split: Split) -> np.ndarray:
    rows, errors = _subset(len(split.test), ERROR_ROWS, "errors"), []
    for start in range(0, len(rows), _BATCH):
        x = _load(split, "test", rows[start : start + _BATCH], model)
        decoded = model.decode(model.encode(x)).reshape(len(x), -1)
        errors.append((decoded - x.reshape(len(x), -1)).square().mean(-1).cpu().numpy())
    return np.concatenate(errors).astype(np.float32)


def _fit_samples(model: Model, split: Split, seed: int) -> dict[str, np.ndarray]:
    rows = _subset(len(split.train), FIT_ROWS, "fit")
    if len(rows) < 2:
        return {}
    codes = _encode(model, _load(split, "train", rows, model))
    if not bool(torch.isfinite(codes).all()):
        return {}
    noise = torch.Generator().manual_seed(derived_seed(seed, "figures", "fit"))
    z = torch.randn(_count(split, 8, 48), model.latent_dim, generator=noise).to(codes)
    return {"fit_samples": _decode(model, GaussianFit.of(codes).place(z))}


def _strips(model: Model, split: Split) -> dict[str, np.ndarray]:
    """Decoded straight lines between the codes of held-out pairs, with the scores of each path in data space."""
    n = len(split.test)
    pairs = min(_count(split, 12, 12 * FRAMES) // FRAMES, 8, n // 2)
    if pairs < 1:
        return {}
    ends = shown_rows(split.test_labels, n, 2 * pairs).reshape(pairs, 2)
    x = _load(split, "test", ends.ravel(), model)
    codes = _encode(model, x).reshape(pairs, 2, -1)
    steps = torch.linspace(0, 1, FRAMES, device=codes.device)[None, :, None]
    z = codes[:, :1] * (1 - steps) + codes[:, 1:] * steps  # (P, FRAMES, L)
    frames = model.decode(z.flatten(0, 1)).reshape(pairs, FRAMES, -1)
    data = x.reshape(pairs, 2, -1)
    fade = data[:, :1] * (1 - steps) + data[:, 1:] * steps
    reference_rows = _subset(n, CODES, "codes")
    reference = _load(split, "test", reference_rows, model).flatten(1)
    own = torch.from_numpy(ends[:, :, None] == reference_rows).any(1)  # (P, N): the pair's own data do not count
    shape = (pairs, FRAMES, *split.data_shape)
    return {
        "strips": _half(frames.reshape(shape)),
        "strip_ends": _half(x.reshape(pairs, 2, *split.data_shape)),
        "strip_unevenness": _unevenness(frames),
        "strip_realism": _distances(frames, reference, own) / np.maximum(_distances(fade, reference, own), 1e-12),
    }


def _unevenness(frames: Tensor) -> np.ndarray:
    """U = 1 + CV² of the step lengths of paths (P, K+1, d): (P,); 1 is even, a path that does not move scores K."""
    steps = frames.diff(dim=1).norm(dim=-1).double()
    mean = steps.mean(1)
    uneven = steps.square().mean(1) / mean.square().clamp_min(1e-300)
    return torch.where(mean > 0, uneven, torch.full_like(mean, float(steps.shape[1]))).cpu().numpy().astype(np.float32)


def _distances(frames: Tensor, reference: Tensor, excluded: Tensor) -> np.ndarray:
    """Mean distance of the interior points of paths (P, K+1, d) to their nearest of `reference` (N, d): (P,)."""
    interior = frames[:, 1:-1]
    distances = torch.cdist(interior.flatten(0, 1), reference).reshape(*interior.shape[:2], -1)
    distances = distances.masked_fill(excluded[:, None].to(distances.device), float("inf"))
    return distances.amin(-1).mean(1).cpu().numpy().astype(np.float32)


def _grid(model: Model, split: Split, codes: np.ndarray | None) -> dict[str, np.ndarray]:
    """The decoder over the plane that the codes (or, without an encoder, the prior) cover, row 0 on top."""
    size = int(np.clip(np.sqrt(2 * GROUP_NUMBERS / max(split.dimension, 1)), 6, 16))
    if codes is not None and len(codes) and np.isfinite(codes).all():
        low, high = np.quantile(codes, [_GRID_SPAN, 1 - _GRID_SPAN], axis=0)
    else:
        low, high = np.full(2, -2.0), np.full(2, 2.0)
    x, y = np.linspace(low[0], high[0], size), np.linspace(high[1], low[1], size)
    z = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2).astype(np.float32)
    decoded = _decode(model, torch.from_numpy(z)).reshape(size, size, *split.data_shape)
    return {"grid": decoded, "grid_x": x.astype(np.float32), "grid_y": y.astype(np.float32)}
