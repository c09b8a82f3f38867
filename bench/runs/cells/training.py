"""Trains the seeds of a stack: which train together, with what plan, and what is done where a stack fails."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import torch

from bench.contracts.dataset import Split
from bench.cores import Reading
from bench.runs.cells.model_memory import TRAINING, refuse_too_large
from bench.seeding import seed_groups
from bench.spec.call import Call
from bench.train import TrainedSeed, TrainPlan, train
from bench.train.device import out_of_memory
from bench.train.loss_state import refuse_differences
from bench.train.stack import flops_per_step, is_convolutional, stack_width

if TYPE_CHECKING:
    from bench.runs.cells.worker_state import Workshop
    from bench.spec.cells import CellSpec
    from bench.train.loop import Checkpointer

#: Added to a seed gives one that no run is likely to have.
OTHER_SEED = 1_000_003
#: (cell, its trained model or why there is none, facts of the training).
Outcome = tuple["CellSpec", TrainedSeed | Exception, dict[str, Any]]


@dataclass(frozen=True)
class Trainer:
    """How the seeds of one stack are trained.

    Attributes:
        workshop: builds models and holds the data. split: the data. steps: optimiser steps.
        device: where. on_step: hears (steps done, steps).
        checkpoint: gives the seeds that train together the place where their state is kept, or None.
        undisturbed: whether a timing since a reading means something.
    """

    workshop: Workshop
    split: Split
    steps: int
    device: torch.device
    on_step: Callable[[int, int], Any]
    checkpoint: Callable[[Sequence[int]], Checkpointer | None]
    undisturbed: Callable[[Reading], bool]

    def outcomes(self, cells: Sequence[CellSpec], together: Sequence[int]) -> Iterator[Outcome]:
        """The outcome of each of `cells`.

        Args:
            cells: those that are wanted; they differ in their seed only.
            together: seeds that train in one stack with them, because last bits can depend on a stack's width.
        """
        first, wanted = cells[0], {cell.seed for cell in cells}
        if self.device.type == "cpu":  # a GPU whose memory does not suffice says so itself
            refuse_too_large(first.train, self.split.data_shape, TRAINING)
        group = [replace(first, seed=seed) for seed in dict.fromkeys((*together, *(cell.seed for cell in cells)))]
        probe = self.workshop.attached(first, self.split)
        width = stack_width(len(group), n_parameters(probe), probe.stackable, is_convolutional(probe), self.device)
        stacks = [stack for stack in seed_groups(group, width) if wanted.intersection(cell.seed for cell in stack)]
        for position, stack in enumerate(stacks):
            step = functools.partial(self._report, position, len(stacks))
            for outcome in self._trained(stack, step):
                if outcome[0].seed in wanted:
                    yield outcome

    def _report(self, position: int, stacks: int, step: int) -> None:
        self.on_step((position * self.steps + step) // stacks, self.steps)

    def _trained(self, cells: Sequence[CellSpec], step: Callable[[int], Any]) -> Iterator[Outcome]:
        """`cells` in one stack, or one after another where that fails."""
        plan = plan_of(cells[0], self.split, self.steps)
        train_rows, validation_rows = self.workshop.rows(cells[0], self.device)
        models = [self.workshop.attached(cell, self.split).to(self.device) for cell in cells]
        # A second seed's model: what it holds besides parameters and buffers must be what the first one's does.
        other = replace(cells[0], seed=cells[0].seed + OTHER_SEED)
        probe = self.workshop.attached(other, self.split).to(self.device)
        refuse_differences([models[0], probe])
        flops = flops_per_step(probe, train_rows, plan.batch_size, self.device)
        seeds = [cell.seed for cell in cells]
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        smaller = 0
        try:
            place = self.checkpoint(seeds)
            began = Reading()
            trained, seconds = train(models, seeds, train_rows, validation_rows, plan, self.device, step, place)
        except Exception as error:
            if len(cells) == 1:
                raise
            smaller = max(1, len(cells) // 2) if out_of_memory(error) else 1
        if smaller:  # not in the handler: until it ends, the error's traceback keeps the whole stack in memory
            del models, probe
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
            for start in range(0, len(cells), smaller):
                yield from self._part(cells[start : start + smaller], step)
            return
        examples = plan.steps * plan.batch_size
        facts = {
            "t_train": seconds / len(cells),
            "samples_per_second": examples * len(cells) / seconds if seconds > 0 else None,
            "flops": flops * plan.steps,
            "batch_size": plan.batch_size,
            "stack_seeds": seeds,
            "timing_valid": self.undisturbed(began),
        }
        for cell, one in zip(cells, trained, strict=True):
            yield cell, one, facts

    def _part(self, cells: Sequence[CellSpec], step: Callable[[int], Any]) -> Iterator[Outcome]:
        """A smaller stack after the whole one failed; a failing seed does not take the others along."""
        try:
            yield from self._trained(cells, step)
        except Exception as error:
            for cell in cells:
                yield cell, error, {}


def plan_of(cell: CellSpec, split: Split, steps: int) -> TrainPlan:
    """The trainer's plan: every setting that it has a field for, `NAME[p=v]` as a name and `NAME_params`."""
    values: dict[str, Any] = {}
    for item in fields(cell.train):
        value = getattr(cell.train, item.name)
        values |= (
            {item.name: value.name, f"{item.name}_params": value.params}
            if isinstance(value, Call)
            else {item.name: value}
        )
    values["batch_size"] = cell.train.batch_for(len(split.train))
    values |= {"steps": steps, "binarise": split.binarise}
    return TrainPlan(**{item.name: values[item.name] for item in fields(TrainPlan) if item.name in values})


def n_parameters(model: torch.nn.Module) -> int:
    """How many numbers a model's parameters hold."""
    return sum(parameter.numel() for parameter in model.parameters())
