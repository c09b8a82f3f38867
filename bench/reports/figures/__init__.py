"""Figures of a run, and plotting functions for notebooks, which return matplotlib axes.

`plot_dots`, `plot_differences` and `plot_tradeoff` take the tidy frame of one data set, `plot_training` a run's
`history.csv`, the others arrays.

>>> frame = bench.load("results/digits-1a2b3c4d")
>>> axes = bench.figures.plot_tradeoff(frame, "test_mse", "energy_fit")
>>> axes = bench.figures.plot_differences(frame, "test_mse", baseline="ae")
"""

from bench.reports.figures.curves import plot_training
from bench.reports.figures.pairs import plot_differences
from bench.reports.figures.points import plot_dots, plot_latent, plot_phase, plot_tradeoff
from bench.reports.figures.tiles import plot_reconstructions, plot_samples, plot_strips

__all__ = [
    "plot_differences",
    "plot_dots",
    "plot_latent",
    "plot_phase",
    "plot_reconstructions",
    "plot_samples",
    "plot_strips",
    "plot_tradeoff",
    "plot_training",
]
