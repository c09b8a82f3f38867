"""Training: one loop for every variant, many seeds at once where that is faster.

`loop.train` is the entry; `stack` vectorises seeds, `noise` and `batches` make every random number a function of
(seed, step), `optim` holds optimisers and schedules, `tracker` the history, divergence and early stopping.
"""

from bench.train.loop import TrainedSeed, TrainPlan, train

__all__ = ["TrainPlan", "TrainedSeed", "train"]
