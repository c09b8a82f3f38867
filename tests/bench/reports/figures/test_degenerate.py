"""Figures of constant, tiny, huge and missing numbers are drawn without a warning."""

import warnings

import numpy as np
import pandas as pd
import pytest

from bench import figures
from bench.reports.figures import style, tiles

#: What the values of two variants and three seeds can be, (2, 3).
VALUES = {
    "zero": np.zeros((2, 3)),
    "one": np.ones((2, 3)),
    "constant per variant": np.array([[1.0] * 3, [2.0] * 3]),
    "tiny": np.full((2, 3), 1e-300) * [[1, 2, 3]],
    "subnormal": np.full((2, 3), 5e-324),
    "huge": np.full((2, 3), 1e299) * [[1, 2, 3]],
    "of both signs": np.array([[-1e299, 0, 1e299], [1, 2, 3]]),
    "differing in the last bit": 1 + np.finfo(float).eps * np.arange(6).reshape(2, 3),
    "missing in one": np.array([[np.nan] * 3, [1, 2, 3]]),
    "missing in turn": np.array([[1, np.nan, np.nan], [np.nan, 1, np.nan]]),
    "missing": np.full((2, 3), np.nan),
}
LABELS = ("ae", "vae")


def frame(values):
    rows = [
        {
            "variant_label": LABELS[v],
            "seed": s,
            "metric": metric,
            "value": factor * values[v, s],
            "higher_is_better": None,
        }
        for v in range(2)
        for s in range(3)
        for metric, factor in (("kl_total", 1.0), ("test_mse", 2.0))
    ]
    return pd.DataFrame(rows)


def history(values):
    rows = [
        {"variant": LABELS[v], "seed": s, "part": "validation", "term": "kl", "step": step, "value": values[v, s]}
        for v in range(2)
        for s in range(3)
        for step in (0, 10, 20)
    ]
    return pd.DataFrame(rows)


def phase(values):
    columns = {"variant_label": np.repeat(LABELS, 3), "seed": [0, 1, 2] * 2, "step": 0}
    return pd.DataFrame(columns | {"log_median_sigma": values.ravel(), "log_rms_mu": values.ravel()}).dropna()


def codes(values):
    return np.nan_to_num(np.repeat(values.reshape(-1, 1), 3, axis=1), posinf=0).clip(-1e30, 1e30).astype(np.float32)


def plane(values):
    x = np.sort(codes(values)[:, 0])
    return tiles.plot_plane(np.zeros((6, 6, 4), np.float16), x, x[::-1], tiles.Range.of(np.zeros((0, 1))), "vae")


DRAWN = {
    "dots": lambda values: figures.plot_dots(frame(values), "kl_total"),
    "tradeoff": lambda values: figures.plot_tradeoff(frame(values), "test_mse", "kl_total"),
    "differences": lambda values: figures.plot_differences(frame(values), "kl_total", "vae"),
    "training": lambda values: figures.plot_training(history(values), "kl"),
    "phase": lambda values: figures.plot_phase(phase(values)),
    "latent": lambda values: figures.plot_latent(codes(values)),
    "latent plane": lambda values: figures.plot_latent(codes(values)[:, :2], np.arange(6) % 2),
    "latent line": lambda values: figures.plot_latent(codes(values)[:, :1]),
    "plane": plane,
}


@pytest.mark.parametrize("kind", DRAWN)
def test_no_value_makes_a_figure_warn(kind):
    for name, values in VALUES.items():
        if kind == "differences" and name == "missing":
            continue  # a baseline without values is refused
        with warnings.catch_warnings(), style.look():
            warnings.simplefilter("error")
            try:
                style.png_bytes(DRAWN[kind](values).figure)
            except Warning as warning:
                pytest.fail(f"{kind} of {name}: {warning}")
