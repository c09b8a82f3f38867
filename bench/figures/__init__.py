"""Figures of a run, and plotting functions for notebooks: each takes the tidy frame and returns matplotlib axes.

>>> from bench import figures
>>> axes = figures.plot_tradeoff(bench.load("results/digits-1a2b3c4d"), "test_mse", "coverage_fit")
"""

from bench.figures.curves import plot_training
from bench.figures.points import plot_dots, plot_latent, plot_phase, plot_tradeoff
from bench.figures.tiles import plot_reconstructions, plot_samples, plot_strips

__all__ = [
    "plot_dots",
    "plot_latent",
    "plot_phase",
    "plot_reconstructions",
    "plot_samples",
    "plot_strips",
    "plot_tradeoff",
    "plot_training",
]
