"""Sine waves as sequences (N, 1, T): frequency and phase are drawn, noise is added, nothing is downloaded."""

import numpy as np

from bench import Split, number_in, whole_number


def load(n: int = 1200, length: int = 32, noise: float = 0.1, seed: int = 0) -> Split:
    """√2 sin 2π(ft + φ) at `length` times from 0 to 1, f ~ U(1, 4), φ ~ U(0, 1); labelled by ⌊f⌋."""
    whole_number("n", n, 50)
    whole_number("length", length, 8)
    number_in("noise", noise, 0.0)
    rng = np.random.default_rng(whole_number("seed", seed, 0))
    frequency, phase = rng.uniform(1, 4, n), rng.uniform(0, 1, n)
    time = np.linspace(0, 1, length)  # (T,)
    clean = np.sqrt(2) * np.sin(2 * np.pi * (np.outer(frequency, time) + phase[:, None]))  # (N, T), variance 1
    waves = (clean + noise * rng.normal(size=clean.shape)).astype(np.float32)[:, None]  # (N, 1, T)
    label, factors = frequency.astype(np.int64) - 1, np.stack([frequency, phase], axis=1)
    train, validation = int(0.64 * n), int(0.8 * n)  # rows are in no order
    parts = {"train": slice(train), "validation": slice(train, validation), "test": slice(validation, None)}
    return Split(
        **{name: waves[rows] for name, rows in parts.items()},
        **{f"{name}_labels": label[rows] for name, rows in parts.items()},
        **{f"{name}_factors": factors[rows] for name, rows in parts.items()},
        label_names=("1 to 2 Hz", "2 to 3 Hz", "3 to 4 Hz"),
        factor_names=("frequency", "phase"),
        description=f"my waves: {n} sequences of {length} steps, noise {noise:g}",
    )
