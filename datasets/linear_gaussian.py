"""Samples of a known factor model x = W z + s ε, for which the best linear autoencoder and VAE are known exactly.

Probabilistic PCA: M. E. Tipping and C. M. Bishop, J. R. Stat. Soc. B 61(3), 1999, eq. 2 to 4.
"""

from __future__ import annotations

import numpy as np

from bench.contracts.checks import number_in, whole_number
from bench.contracts.dataset import Split
from bench.data.splitting import partition
from bench.errors import UsageError


def load(
    d: int = 16,
    factors: int = 4,
    noise: float = 0.5,
    n: int = 5000,
    seed: int = 0,
    validation: float = 0.16,
    test: float = 0.2,
) -> Split:
    """x = W z + s ε in R^d with z ~ N(0, I_F), ε ~ N(0, I_d); zero mean, not standardised, so that truths hold.

    W has orthogonal columns of squared lengths from 4 down to 1 in equal steps (4 for a single factor), in directions
    drawn by `seed`. The factors z are given as ground truth. `Split.truth` holds the population's answers: "covariance"
    W Wᵀ + s² I (d, d), "eigenvalues" (d,) in falling order, "noise_variance" s², "loading" W (d, F), "mean" (d,).

    Args:
        d: dimension of x.
        factors: F, number of factors, at most d.
        noise: s, standard deviation of the noise.
        n: number of rows in all.
        seed: seed of W and of all draws.
        validation, test: fraction of the rows or number of rows.
    """
    whole_number("d", d, 1)
    if whole_number("factors", factors, 1) > d:
        raise UsageError(f"factors={factors} is more than d={d}; give at most d factors")
    number_in("noise", noise, 0.0, 1e6)
    whole_number("n", n, 3)
    rows = partition(n, validation=validation, test=test, split_seed=whole_number("seed", seed, 0))
    rng = np.random.default_rng([seed, d, factors])
    directions = np.linalg.qr(rng.standard_normal((d, factors)))[0]  # (d, F)
    strengths = np.linspace(4.0, 1.0, factors)  # eigenvalues of W Wᵀ
    loading = directions * np.sqrt(strengths)
    z = rng.standard_normal((n, factors))
    x = (z @ loading.T + noise * rng.standard_normal((n, d))).astype(np.float32)
    z = z.astype(np.float32)
    eigenvalues = np.full(d, float(noise**2))
    eigenvalues[:factors] += strengths
    return Split(
        *(x[part] for part in rows),
        train_factors=z[rows.train],
        validation_factors=z[rows.validation],
        test_factors=z[rows.test],
        factor_names=tuple(f"z{j}" for j in range(factors)),
        truth={
            "covariance": loading @ loading.T + noise**2 * np.eye(d),
            "eigenvalues": eigenvalues,
            "noise_variance": float(noise**2),
            "loading": loading,
            "mean": np.zeros(d),
        },
        description=f"linear factor model: {n} rows of {d} values from {factors} factors, noise deviation {noise:g}",
    )
