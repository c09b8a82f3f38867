"""What training seeds in one stack costs a variant, timed on the spot: a plugin that does not stack well is slow to
repeat, and its author cannot see that from the loss."""

from __future__ import annotations

import itertools
import statistics
import time

import numpy as np
import torch

from bench.conformance.variant import Subject
from bench.train.batches import Rows
from bench.train.loop import TrainPlan, train

SEEDS, BATCH, STEPS = 8, 128, 240


def stacking_cost(subject: Subject) -> str:
    """What a step of a stack of eight seeds costs against that of one seed, in a line."""
    if not subject.model().stackable:
        return f"declared as not stackable: {SEEDS} seeds cost {SEEDS} × the time of one"
    one, together = seconds_per_step(subject, 1), seconds_per_step(subject, SEEDS)
    return (
        f"a step of {SEEDS} seeds takes {together / one:.1f} × that of one ({1e3 * together:.2f} ms and "
        f"{1e3 * one:.2f} ms, batch {BATCH}); one after another they would take {SEEDS} ×"
    )


def seconds_per_step(subject: Subject, seeds: int) -> float:
    """The median over stretches of a short training, after half of its steps."""
    repeats = -(-4 * BATCH // len(subject.x))
    x = np.tile(subject.x.numpy(), (repeats, *[1] * len(subject.data_shape)))
    y = None if subject.y is None else np.tile(subject.y.numpy(), repeats)
    cpu = torch.device("cpu")
    rows = Rows(x, y, cpu)
    few = Rows(x[:16], None if y is None else y[:16], cpu)  # what is looked at between stretches
    plan = TrainPlan(steps=STEPS, batch_size=BATCH, optimizer_params={"lr": 1e-3})
    marks: list[tuple[int, float]] = []
    models = [subject.model(seed) for seed in range(seeds)]
    train(models, range(seeds), rows, few, plan, cpu, lambda n: marks.append((n, time.perf_counter())))
    pairs = list(itertools.pairwise(marks))
    return statistics.median((end[1] - begin[1]) / (end[0] - begin[0]) for begin, end in pairs[len(pairs) // 2 :])
