"""Points or images on a ring: a one-dimensional manifold that closes on itself, with the angle as ground truth."""

from __future__ import annotations

import numpy as np

from bench.contracts.checks import number_in, one_of, whole_number
from bench.contracts.dataset import Split
from bench.data.splitting import partition

SECTORS = 8
#: Angles at which noise-free points are laid down as the true manifold.
TRUE_ANGLES = np.linspace(0, 2 * np.pi, 4000, endpoint=False)


def load(
    kind: str = "points",
    n: int = 5000,
    d: int = 3,
    size: int = 16,
    noise: float = 0.05,
    seed: int = 0,
    validation: float = 0.16,
    test: float = 0.2,
) -> Split:
    """Angles drawn evenly from [0, 2π); labels are eight equal sectors of the circle.

    "points": x = cos(angle) u + sin(angle) v + noise ε in R^d with orthonormal u and v drawn by `seed`; zero mean, not
    standardised. `Split.truth` holds "covariance" ½(u uᵀ + v vᵀ) + noise² I, "eigenvalues" in falling order,
    "noise_variance", "plane" (d, 2) with columns u and v, "intrinsic_dimension" 1 and "radius" 1.
    "images": a spot of Gaussian profile (deviation size/8) whose centre goes round a circle of radius size/4,
    (N, 1, size, size) in [0, 1], without noise; truth: "intrinsic_dimension" 1 and "radius" size/4 in pixels.
    `Split.manifold` holds noise-free points at 4,000 even angles.

    Args:
        kind: "points" or "images".
        n: number of rows in all.
        d: dimension of the points, at least 2.
        size: height and width of the images.
        noise: standard deviation of the points' noise.
        seed: seed of all draws.
        validation, test: fraction of the rows or number of rows.
    """
    one_of("kind", kind, ("points", "images"))
    whole_number("n", n, 3)
    rows = partition(n, validation=validation, test=test, split_seed=whole_number("seed", seed, 0))
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0.0, 2 * np.pi, n)
    if kind == "points":
        x, truth = _points(angle, whole_number("d", d, 2), number_in("noise", noise, 0.0, 1e6), rng)
        circle = np.stack([np.cos(TRUE_ANGLES), np.sin(TRUE_ANGLES)], 1) @ truth["plane"].T
    else:
        x, truth = _images(angle, whole_number("size", size, 8))
        circle, _ = _images(TRUE_ANGLES, size)
    labels = (angle * (SECTORS / (2 * np.pi))).astype(np.int64) % SECTORS
    factors = angle[:, None].astype(np.float32)
    return Split(
        *(x[part] for part in rows),
        *(labels[part] for part in rows),
        tuple(f"{360 * sector // SECTORS}°" for sector in range(SECTORS)),
        *(factors[part] for part in rows),
        factor_names=("angle",),
        likelihoods=("squared", "gaussian") if kind == "points" else ("squared", "bernoulli", "gaussian"),
        truth={"intrinsic_dimension": 1, **truth},
        manifold=circle.astype(np.float32),
        description=f"ring of {n} {kind}" + (f" in R^{d}, noise deviation {noise:g}" if kind == "points" else ""),
    )


def _points(angle: np.ndarray, d: int, noise: float, rng: np.random.Generator) -> tuple[np.ndarray, dict]:
    plane = np.linalg.qr(rng.standard_normal((d, 2)))[0]  # (d, 2)
    x = np.stack([np.cos(angle), np.sin(angle)], 1) @ plane.T + noise * rng.standard_normal((len(angle), d))
    eigenvalues = np.full(d, float(noise**2))
    eigenvalues[:2] += 0.5
    covariance = plane @ plane.T / 2 + noise**2 * np.eye(d)
    truth = {"covariance": covariance, "eigenvalues": eigenvalues, "noise_variance": float(noise**2), "plane": plane}
    return x.astype(np.float32), {**truth, "radius": 1.0}


def _images(angle: np.ndarray, size: int) -> tuple[np.ndarray, dict]:
    radius, deviation = size / 4, size / 8
    place = np.arange(size) + 0.5 - size / 2
    across = np.exp(-((place - radius * np.cos(angle)[:, None]) ** 2) / (2 * deviation**2))  # (N, size)
    down = np.exp(-((place + radius * np.sin(angle)[:, None]) ** 2) / (2 * deviation**2))
    images = down[:, :, None] * across[:, None, :]
    return images[:, None].astype(np.float32), {"radius": radius}
