"""The one training loop: every variant, stacked or alone, in memory or from disk."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from bench.contracts.variant import Variant
from bench.train.batches import BatchOrder, Rows
from bench.train.device import keep_freed_memory
from bench.train.gradients import Gradients
from bench.train.noise import NoiseSource, binarised
from bench.train.optim import Updater, rate
from bench.train.precision import network_products, tf32_products
from bench.train.stack import Stack, due_players, kept, owned_parameters, parameter_rates
from bench.train.tracker import Tracker
from bench.train.validation import Validation

#: Without early stopping the validation part is looked at so many times in a training, spread evenly.
EVALUATION_POINTS = 50


@dataclass(frozen=True)
class TrainPlan:
    """How to train: everything but model and data.

    Attributes:
        steps: total optimiser steps per seed.
        batch_size: B.
        optimizer, optimizer_params: see `bench.train.optim`.
        schedule, schedule_params: see `bench.train.optim.rate`.
        early_stopping: epochs without a better validation loss after which a seed stops and keeps its best weights.
        binarise: "dynamic" draws every batch's pixels from Bernoulli(x).
        precision: "float32", "tf32" or "bf16", of products in training (`bench.train.precision`); the validation part
            is always looked at in float32.
        compile: whether recurring steps are compiled (`bench.train.replay.recorder`).
        record_from: steps, or looks at the validation part, that a training must plan for them to be recorded, because
            recording costs what some hundred ordinary ones do; compiled steps are always recorded.
    """

    steps: int
    batch_size: int
    optimizer: str = "adam"
    optimizer_params: dict[str, float] = field(default_factory=dict)
    schedule: str = "cosine"
    early_stopping: int | None = None
    binarise: str = "none"
    precision: str = "float32"
    compile: bool = False
    schedule_params: dict[str, Any] = field(default_factory=dict)
    record_from: int = 150


@dataclass
class TrainedSeed:
    """One seed after training.

    Attributes:
        seed: the seed.
        variant: its model, holding the final (or best-on-validation) weights.
        history: "step", "epoch", "train_<term>", "validation_<term>" → one value per evaluation point.
        diverged_step: the first step (0-based) with a non-finite loss or weight, or None.
        steps_run: steps behind the weights it stopped with.
    """

    seed: int
    variant: Variant
    history: dict[str, np.ndarray]
    diverged_step: int | None
    steps_run: int


class Checkpointer(Protocol):
    """Where a long training keeps its state; `due()` is asked after every step."""

    def load(self) -> dict[str, np.ndarray] | None: ...

    def due(self) -> bool: ...

    def save(self, state: dict[str, np.ndarray]) -> None: ...


def train(
    models: Sequence[Variant],
    seeds: Sequence[int],
    train_rows: Rows,
    validation_rows: Rows,
    plan: TrainPlan,
    device: torch.device,
    on_step: Callable[[int], Any] = lambda step: None,
    checkpointer: Checkpointer | None = None,
) -> tuple[list[TrainedSeed], float]:
    """Train K models, one per seed, and return them with the wall-clock seconds the steps took.

    A non-finite loss or weight marks only its own seed as diverged. `on_step` hears the number of steps done at every
    evaluation point.
    """
    keep_freed_memory()
    run = _Run(models, seeds, train_rows, validation_rows, plan, device)
    started = time.perf_counter()
    if checkpointer is not None and (state := checkpointer.load()) is not None:
        run.load(state)
        started -= float(state["seconds"])

    def after_step() -> None:
        if checkpointer is not None and run.step < plan.steps and checkpointer.due():
            checkpointer.save({**run.state(), "seconds": np.array(time.perf_counter() - started)})

    while run.step < plan.steps and not run.tracker.finished.all():
        run.one_interval(after_step)
        on_step(run.step)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return run.results(), time.perf_counter() - started


class _Run:
    """The state of one training and its steps."""

    def __init__(self, models, seeds, train_rows: Rows, validation_rows: Rows, plan: TrainPlan, device) -> None:
        self.plan = plan
        self.device = device
        self.seeds = tuple(seeds)
        self.rows = train_rows
        self.stack = Stack(models, len(train_rows))
        whole = plan.early_stopping is not None
        self.order = BatchOrder(len(train_rows), plan.batch_size, self.seeds, device)
        self.noise = NoiseSource(self.seeds, device, "train")
        self.pixels = NoiseSource(self.seeds, device, "pixels")
        self.progress = torch.zeros((), device=device)
        self.step = 0
        per_epoch = self.order.steps_per_epoch
        whole_epochs = max(1, round(plan.steps / EVALUATION_POINTS / per_epoch))
        self.interval = per_epoch if plan.early_stopping else max(per_epoch * whole_epochs, 1)
        if plan.steps < self.interval:
            self.interval = max(1, plan.steps // 10)
        looks = plan.steps // self.interval
        self.validation = Validation(
            self.stack, validation_rows, self.seeds, device, whole, plan.binarise, looks >= plan.record_from
        )
        self.tracker = Tracker(len(self.seeds), self.interval, plan.early_stopping, device)
        self.players = owned_parameters(models[0])
        self.due = due_players(models[0], self.players)
        self.updaters = {
            term: Updater(
                plan.optimizer, plan.optimizer_params, [self.stack.parameters[n] for n in names],
                parameter_rates(models[0], term, names),
            )
            for term, names in self.players.items()
        }  # fmt: skip
        precision = functools.partial(network_products, plan.precision, self.stack.models[0], device)
        recorded = plan.compile or plan.steps >= plan.record_from
        self.gradients = Gradients(self.stack, self.players, precision, replay=recorded, compiled=plan.compile)
        self.best: dict[str, Tensor] | None = None
        self.best_step = np.zeros(len(self.seeds), dtype=np.int64)

    def one_interval(self, after_step: Callable[[], None]) -> None:
        """Train up to the next evaluation point, then look at the validation part."""
        self.stack.train_mode(True)
        end = min((self.step // self.interval + 1) * self.interval, self.plan.steps)
        with tf32_products(self.plan.precision, self.device):
            while self.step < end:
                self.one_step()
                if self.step < end:
                    after_step()
        self.stack.train_mode(False)
        with kept(self.stack.buffers.values()):
            seen = self.validation()
        self.stack.check_state()
        improved = self.tracker.close_interval(self.step, self.step / self.order.steps_per_epoch, seen)
        self.keep_best(improved)
        after_step()

    def one_step(self) -> None:
        plan = self.plan
        rows = self.order.at(self.step)
        x, y = self.rows.gather(rows)
        if plan.binarise == "dynamic":
            x = binarised(x, self.pixels, self.step)
        self.progress.fill_(self.step / plan.steps)
        scale = rate(plan.schedule, plan.schedule_params, self.step, plan.steps)
        full = rows.shape[1] == plan.batch_size
        for part, due in enumerate(self.due):
            requests = self.stack.requests(x[0], None if y is None else y[0], self.progress)
            noise = self.noise.at(self.step, part, requests, full)
            terms, gradients, buffers = self.gradients(x, y, self.progress, requests, noise, due)
            if part == 0:
                self.tracker.record(terms)
                self.stack.move_buffers(buffers)
            self.update(due, gradients, scale)
        self.step += 1

    def update(self, due: list[str], gradients: dict[str, Tensor | None], scale: float) -> None:
        """Step the parameters of all due players together, each along the gradient of its own term."""
        for term in due:
            self.updaters[term].step([gradients[name] for name in self.players[term]], scale)

    def keep_best(self, improved: np.ndarray) -> None:
        if not improved.any():
            return
        self.best_step[improved] = self.step
        live = self.stack.state()
        if self.best is None:
            self.best = {name: value.clone() for name, value in live.items()}
            return
        rows = torch.from_numpy(np.flatnonzero(improved)).to(self.device)
        for name, value in live.items():
            self.best[name].index_copy_(0, rows, value.index_select(0, rows))

    def results(self) -> list[TrainedSeed]:
        """The trained models; weights that are not finite mark their seed as diverged at the last step."""
        state = self.best if self.best is not None else self.stack.state()
        floats = [value for value in state.values() if value.is_floating_point()]
        finite = torch.stack([value.reshape(len(value), -1).isfinite().all(1) for value in floats]).all(0)
        models = self.stack.unstack(state)
        self.stack.train_mode(False)
        results = []
        for index, seed in enumerate(self.seeds):
            diverged = int(self.tracker.diverged_step[index])
            if diverged < 0 and not bool(finite[index]):
                diverged = self.step - 1
            steps = int(self.best_step[index]) if self.best is not None else self.step
            history = self.tracker.history(index)
            results.append(TrainedSeed(seed, models[index], history, None if diverged < 0 else diverged, steps))
        return results

    def state(self) -> dict[str, np.ndarray]:
        """Everything needed to go on from here, as arrays by name."""
        arrays = {"step": np.array(self.step), "best_step": self.best_step}
        arrays |= {f"live.{name}": value.cpu().numpy() for name, value in self.stack.state().items()}
        if self.best is not None:
            arrays |= {f"best.{name}": value.cpu().numpy() for name, value in self.best.items()}
        arrays |= {f"tracker.{name}": value for name, value in self.tracker.state().items()}
        for term, updater in self.updaters.items():
            arrays |= {f"optimizer.{term}.{name}": value.cpu().numpy() for name, value in updater.state().items()}
        return arrays

    def load(self, arrays: dict[str, np.ndarray]) -> None:
        """Go on from what `state` returned."""
        self.step = int(arrays["step"])
        self.best_step = arrays["best_step"].astype(np.int64)

        def group(prefix: str) -> dict[str, np.ndarray]:
            return {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}

        def tensors(prefix: str) -> dict[str, Tensor]:
            return {name: torch.as_tensor(value, device=self.device) for name, value in group(prefix).items()}

        self.stack.load(tensors("live."))
        self.best = tensors("best.") or None
        self.tracker.load(group("tracker."))
        for term, updater in self.updaters.items():
            updater.load(tensors(f"optimizer.{term}."))
