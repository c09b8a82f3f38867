"""Points on a helix with noise, embedded in six dimensions by a fixed rotation."""

import numpy as np

from bench import Split, number_in, split_arrays, whole_number


def load(n: int = 600, noise: float = 0.05, seed: int = 0) -> Split:
    """Vectors (n, 6)."""
    whole_number("n", n, 20)
    number_in("noise", noise, 0.0)
    rng = np.random.default_rng(whole_number("seed", seed, 0))
    angle = rng.uniform(0, 4 * np.pi, n)
    helix = np.stack([np.cos(angle), np.sin(angle), angle / (2 * np.pi)], axis=1)
    basis, _ = np.linalg.qr(rng.normal(size=(6, 3)))
    return split_arrays(helix @ basis.T + noise * rng.normal(size=(n, 6)), scale="none", split_seed=seed, what="helix")
