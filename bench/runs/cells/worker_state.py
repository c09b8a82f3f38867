"""What the stacks of one process share (plugins, the last data set, references), and how a cell's model is built."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from bench.contracts.dataset import Split
from bench.contracts.variant import Context, Variant
from bench.data.check_split import check_split
from bench.data.spectrum import covariance_spectrum
from bench.errors import BenchError, DataError, Incompatible, PluginError, UsageError, one_line
from bench.evaluate.reference_data import SharedData
from bench.losses import ReconstructionCost, auto_kl_weight
from bench.networks.build import attach
from bench.networks.factories import networks_named
from bench.runs.cells.isolation import contained
from bench.seeding import derived_seed
from bench.spec.call import format_call
from bench.spec.registry import ARRAYS, Registry
from bench.spec.run import CellSpec
from bench.train.batches import Rows

#: Values that every cell records, whatever is asked for, because marks depend on them.
FACTS = ("collapsed", "blurred")


class Workshop:
    """Keeps what stacks share within a process: the registry, the last data set and its evaluation references."""

    def __init__(self, plugins: Sequence[str] = (), arrays: Split | None = None) -> None:
        self.registry = Registry.discover(plugins)
        self._arrays = arrays
        self._data: tuple[str, Split] | None = None
        self._rows: tuple[Any, Rows, Rows] | None = None
        self._shared: tuple[Any, SharedData] | None = None
        self._weight_facts: tuple[str, np.ndarray] | None = None

    def split(self, cell: CellSpec) -> Split:
        """The cell's data, loaded once for consecutive stacks; memory arrays are handed out read-only."""
        key = format_call(cell.dataset)
        if self._data is None or self._data[0] != key:
            self._data = None
            self._data = (key, self._loaded(cell))
        return self._data[1]

    def _loaded(self, cell: CellSpec) -> Split:
        if cell.dataset.name == ARRAYS:
            if self._arrays is None:
                raise UsageError("this run was started with arrays; call bench.run(data=…) with the same arrays again")
            return self._arrays
        load = self.registry.load("dataset", cell.dataset.name)
        try:
            with contained():
                split = load(**cell.dataset.params)
        except BenchError:
            raise
        except (Exception, SystemExit) as error:
            raise PluginError(f"data set {cell.dataset_label} failed to load: {one_line(error)}") from error
        try:
            check_split(split, cell.dataset_label)
        except DataError as error:  # the plugin's fault, not the user's: recorded, and other data sets go on
            raise PluginError(str(error)) from error
        for part in (split.train, split.validation, split.test):
            if isinstance(part, np.ndarray) and not isinstance(part, np.memmap):
                part.flags.writeable = False
        return split

    def rows(self, cell: CellSpec, device: torch.device) -> tuple[Rows, Rows]:
        """Training and validation rows on `device`."""
        key = (format_call(cell.dataset), device)
        if self._rows is None or self._rows[0] != key:
            split = self.split(cell)
            train_rows = Rows(split.train, split.train_labels, device)
            self._rows = (key, train_rows, Rows(split.validation, split.validation_labels, device))
        return self._rows[1:]

    def shared(self, cell: CellSpec, cost: ReconstructionCost, device: torch.device) -> SharedData:
        """What the evaluation of all models of this data set shares."""
        key = (format_call(cell.dataset), str(cost), cell.train.latent_dim, device)
        if self._shared is None or self._shared[0] != key:
            self._shared = (key, SharedData(self.split(cell), cost, cell.train.latent_dim, device))
        return self._shared[1]

    def auto_weight(self, cell: CellSpec, cost: ReconstructionCost) -> float:
        """λ_auto of the cell's data."""
        if cost.name != "squared":
            return 1.0
        key = format_call(cell.dataset)
        if self._weight_facts is None or self._weight_facts[0] != key:
            self._weight_facts = (key, covariance_spectrum(self.split(cell).train))
        return auto_kl_weight(self._weight_facts[1], cell.train.latent_dim, cost)

    def metrics(self, wanted: str) -> tuple[list[Any], set[str]]:
        """Metric instances and the names of the values that are wanted, with what marks depend on (`FACTS`)."""
        chosen = self.registry.metrics_for(",".join((wanted, *FACTS)))
        instances = [self.registry.load("metric", name)() for name, _ in chosen]
        return instances, {value for _, values in chosen for value in values}

    def variant(self, cell: CellSpec) -> Variant:
        """A new, unattached instance of the cell's variant."""
        kind = self.registry.load("variant", cell.variant.name)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derived_seed(cell.seed, "variant"))
            try:
                return kind(**cell.variant.params)
            except BenchError:
                raise
            except (Exception, SystemExit) as error:
                raise PluginError(f"{cell.variant_label} cannot be built: {one_line(error)}") from error

    def attached(self, cell: CellSpec, split: Split, cost: ReconstructionCost) -> Variant:
        """The cell's model with its initial weights."""
        settings = cell.train
        context = Context(
            data_shape=split.data_shape,
            latent_dim=settings.latent_dim,
            cost=cost,
            networks=networks_named(settings.network.name, settings.network.params),
            seed=cell.seed,
            n_train=len(split.train),
            n_classes=split.n_classes,
            auto_kl_weight=functools.partial(self.auto_weight, cell, cost),
        )
        variant = self.variant(cell)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derived_seed(cell.seed, "setup"))
            return attach(variant, context)


def cost_of(cell: CellSpec) -> ReconstructionCost:
    """The cell's reconstruction cost."""
    return ReconstructionCost(cell.train.recon.name, **cell.train.recon.params)


def check_fit(cell: CellSpec, split: Split) -> None:
    """Raise `Incompatible` for a likelihood that makes no sense for the data, `UsageError` for too few rows."""
    if cell.train.recon.name not in split.likelihoods:
        raise Incompatible(
            f"{cell.train.recon.name} cost does not fit {cell.dataset_label}, which supports "
            + ", ".join(split.likelihoods)
        )
    if len(split.train) < cell.train.batch_size:
        raise UsageError(
            f"{cell.dataset_label} has {len(split.train)} training rows, fewer than one batch of "
            f"{cell.train.batch_size}; give a smaller --batch-size or more data"
        )
    if len(split.test) == 0:
        raise UsageError(f"{cell.dataset_label} has no test rows, so nothing held out can be measured")


def steps_of(cell: CellSpec, split: Split) -> int:
    """Optimiser steps of the cell's training."""
    settings = cell.train
    return settings.steps or settings.epochs * math.ceil(len(split.train) / settings.batch_size)
