"""About how long a run will take on this machine: some stacks take a few steps, some models are evaluated untrained.

Steps are timed once they are recorded (`bench.train.replay`), as most of a training's are. What is not tried, because
the probe takes seconds in all, counts as the mean of what is. The answer is an estimate and is said as one.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
import torch

from bench.runs.cells.evaluation import model_result, variant_result
from bench.runs.cells.isolation import contained
from bench.runs.cells.task import StackTask, group_size
from bench.runs.cells.training import Trainer
from bench.runs.cells.worker_state import Workshop, steps_of
from bench.seeding import seed_groups
from bench.spec.cells import CellSpec
from bench.spec.registry import Registry

#: Seconds that all probes of training may take, and each at least and at most.
ALL, LEAST, MOST = 6.0, 0.4, 1.5
#: Steps before a step takes what the following ones do: ordinary ones, the recorded one, trials of the recording; and
#: how many of those that follow are wanted.
UNEVEN, EVEN = 9, 16
#: An evaluation of more seconds than this is not done twice.
LONG = 10.0
#: What looking at the validation part adds to steps; what a worker takes to start, and a report to be written.
VALIDATION, START, REPORT = 1.1, 4.0, 8.0
#: From where to where the truth may lie, as shares of what was found, and where not every stack was tried.
SURE, UNSURE = (0.7, 1.5), (0.6, 2.0)


@dataclass(frozen=True)
class Minutes:
    """Seconds from and to, of a run that starts now; how many of its stacks' kinds were tried."""

    low: float
    high: float
    tried: int
    of: int

    def __str__(self) -> str:
        said = f"about {_range(self.low, self.high)}"
        tried = f", {self.tried} of {self.of} kinds of cells tried" if self.tried < self.of else ""
        return f"{said} (an estimate, from a probe of seconds on this machine{tried})"


class _Enough(BaseException):
    """Ends a training that is only timed; no handler of failures takes it for one."""


class _Clock:
    """The place of a training's states that keeps none, notes when steps end, and stops it after some seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.times = seconds, [time.perf_counter()]

    def load(self) -> None:
        return None

    def due(self) -> bool:
        self.times.append(time.perf_counter())
        past = self.times[-1] - self.times[1]  # the first step loads what is needed
        if (past > self.seconds and len(self.times) > UNEVEN + EVEN) or past > 4 * self.seconds:
            raise _Enough
        return False

    def save(self, state: dict[str, np.ndarray]) -> None:
        raise AssertionError("nothing was due")

    def whole(self, steps: int) -> float:
        """Seconds of a training of so many steps, of which those that were noted have been done."""
        each = np.diff(self.times)
        uneven = UNEVEN if len(each) > UNEVEN else 1
        usual = statistics.median(each[uneven:].tolist())
        return float(each[:uneven].sum() + VALIDATION * (steps - uneven) * usual)


def expected(
    registry: Registry, train: Sequence[CellSpec], evaluate: Sequence[CellSpec], device: str, workers: int, **how: Any
) -> Minutes | None:
    """How long it takes to train and evaluate `train`, and to evaluate `evaluate`; None where nothing can be tried.

    Args:
        device: that is there. workers: processes that share the work. how: fields of `StackTask`.
    """
    stacks = _stacks(train, device)
    kinds = list(dict.fromkeys(_kind(stack[0]) for stack in stacks if not stack[0].is_control))
    places = np.unique(np.linspace(0, len(kinds) - 1, int(ALL / LEAST)).astype(int)) if kinds else ()
    chosen = {kinds[place] for place in places}
    each = min(MOST, max(LEAST, ALL / max(len(chosen), 1)))
    workshop = Workshop(registry)
    trained: dict[tuple[str, str], float] = {}
    evaluated: dict[str, tuple[float, float]] = {}
    began = time.perf_counter()
    for cells in sorted([*stacks, *([cell] for cell in evaluate)], key=lambda cells: cells[0].dataset_label):
        kind, data = _kind(cells[0]), cells[0].dataset_label
        late = time.perf_counter() - began > 2 * ALL
        try:
            if kind in chosen and kind not in trained and not late:
                trained[kind] = _training(workshop, cells, device, each, how.get("threads"))
            if data not in evaluated and not late:
                evaluated[data] = _evaluation(workshop, cells[0], StackTask(tuple(cells), device=device, **how))
        except Exception:  # the run records it, and takes no time for it
            continue
    if not evaluated or (kinds and not trained):
        return None
    usual = statistics.mean(trained.values()) if trained else 0.0
    total = sum(trained.get(_kind(stack[0]), usual) for stack in stacks if not stack[0].is_control)
    ordinary = statistics.mean(after for _, after in evaluated.values())
    total += sum(evaluated.get(cell.dataset_label, (0, ordinary))[1] for cell in (*train, *evaluate))
    once = sum(max(first - after, 0.0) for first, after in evaluated.values())
    shared = total / workers + once + (START if workers > 1 else 0.0)
    low, high = SURE if len(trained) == len(kinds) else UNSURE
    return Minutes(low * shared, high * shared + REPORT, len(trained), len(kinds))


def _stacks(cells: Sequence[CellSpec], device: str) -> list[list[CellSpec]]:
    found = []
    for _, group in groupby(cells, key=lambda cell: cell.stack_id):
        own = list(group)
        found += [list(stack) for stack in seed_groups(own, group_size(own[0], device))]
    return found


def _kind(cell: CellSpec) -> tuple[str, str]:
    return cell.variant_label, cell.dataset_label


def _training(workshop: Workshop, cells: Sequence[CellSpec], device: str, seconds: float, threads: int | None) -> float:
    """Seconds of a stack's training, of which some steps are carried out."""
    clock, began = _Clock(seconds), time.perf_counter()
    with contained(threads):
        split = workshop.split(cells[0])
        steps = steps_of(cells[0], split)
        trainer = Trainer(workshop, split, steps, torch.device(device), lambda done, of: None,
                          checkpoint=lambda seeds: clock, undisturbed=lambda reading: False)  # fmt: skip
        building = time.perf_counter()
        clock.times = [building]
        try:
            for _ in trainer.outcomes(cells, ()):
                pass
        except _Enough:
            return clock.whole(steps)
    return time.perf_counter() - max(began, building)


def _evaluation(workshop: Workshop, cell: CellSpec, task: StackTask) -> tuple[float, float]:
    """Seconds of the first evaluation on a data set, which finds what all models share, and of one after it."""
    with contained(task.threads):
        first = _evaluated(workshop, cell, task)
        if first > LONG:
            return first, first
        return first, _evaluated(workshop, replace(cell, seed=cell.seed + 1), task)


def _evaluated(workshop: Workshop, cell: CellSpec, task: StackTask) -> float:
    split, began = workshop.split(cell), time.perf_counter()
    if cell.is_control:
        from bench.evaluate.baselines import BASELINES
        from bench.evaluate.control_models import CONTROLS
        from bench.networks.build import cost_of
        from bench.spec.registry import CONTROL

        build = {**CONTROLS, **BASELINES}[cell.variant.name.removeprefix(CONTROL)]
        model_result(task, workshop, cell, split, build(split, cell.train.latent_dim, cost_of(cell.train), cell.seed))
    else:
        variant = workshop.attached(cell, split).to(torch.device(task.device))
        variant_result(task, workshop, cell, split, variant, {})
    return time.perf_counter() - began


def _range(low: float, high: float) -> str:
    """Seconds from and to as people say them.

    >>> _range(8, 25), _range(70, 200), _range(4000, 9000)
    ('10–30 seconds', '1–4 minutes', '1–3 hours')
    """
    for unit, size, step in (("seconds", 1, 10), ("minutes", 60, 1), ("hours", 3600, 1)):
        most = math.ceil(high / size / step) * step
        if most < 60 or unit == "hours":
            break
    least = max(step, round(low / size / step) * step)
    return f"{least}–{most} {unit}" if least < most else f"{most} {unit if most > 1 else unit[:-1]}"
