"""What the stacks of one process share: plugins, the last data set, what is computed from it; builds cells' models."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any

import numpy as np
import torch

from bench.contracts.dataset import Split, value_range
from bench.contracts.rows import LazyRows
from bench.contracts.variant import Variant
from bench.data.check_split import check_split
from bench.data.spectrum import covariance_spectrum
from bench.errors import BenchError, DataError, Incompatible, PluginError, TooFewRows, UsageError, one_line
from bench.losses import auto_kl_weight
from bench.networks.build import build_model, cost_of
from bench.provenance.data_files import DataFile, recorded
from bench.runs.cells.isolation import contained
from bench.runs.cells.model_memory import refuse_too_large
from bench.spec.call import format_call
from bench.spec.cells import CellSpec
from bench.spec.registry import ARRAYS, Registry
from bench.spec.training import SUITED_AS
from bench.train.batches import Rows


class Workshop:
    """Keeps what stacks share within a process.

    Args:
        registry: of all plugins.
        arrays: given to `bench.run`, or None.
    """

    def __init__(self, registry: Registry, arrays: Split | None = None) -> None:
        self.registry = registry
        self._arrays = arrays
        self._held: dict[str, tuple[Hashable, Any]] = {}
        self._files: dict[Hashable, dict[str, DataFile]] = {}

    def held(self, name: str, key: Hashable, make: Callable[[], Any]) -> Any:
        """What `make` returned for this `name` and `key` last time; only the last key of a name is kept."""
        if name not in self._held or self._held[name][0] != key:
            self._held.pop(name, None)  # before the next one takes memory, too
            self._held[name] = (key, make())
        return self._held[name][1]

    def split(self, cell: CellSpec) -> Split:
        """The cell's data, loaded once for consecutive stacks; memory arrays are handed out read-only."""
        return self._data(cell)[0]

    def data_files(self, cell: CellSpec) -> list[DataFile]:
        """The files that the cell's data were read from, and those that its models so far were built from."""
        key, loaded = self._held.get("data", (None, None))
        found = {entry.path: entry for entry in loaded[1]} if key == format_call(cell.dataset) else {}
        for built in _built_from(cell):
            found |= self._files.get(built, {})
        return list(found.values())

    @contextlib.contextmanager
    def _noting(self, key: Hashable, params: Mapping[str, Any]) -> Iterator[None]:
        """Keep what is read meanwhile, such as weights that a variant begins with, among the files of `key`."""
        with recorded() as seen:
            yield
        noted = self._files.setdefault(key, {})
        for entry in seen.entries(params, trees=False):  # a word such as "data" may be the name of a folder here
            noted.setdefault(entry.path, entry)

    def _data(self, cell: CellSpec) -> tuple[Split, list[DataFile]]:
        return self.held("data", format_call(cell.dataset), functools.partial(self._loaded, cell))

    def _loaded(self, cell: CellSpec) -> tuple[Split, list[DataFile]]:
        if cell.dataset.name == ARRAYS:
            if self._arrays is None:
                raise UsageError("this run was started with arrays; call bench.run(data=…) with the same arrays again")
            return self._arrays, []
        load = self.registry.load("dataset", cell.dataset.name)
        try:
            with contained(), recorded() as seen:
                split = load(**cell.dataset.params)
        except BenchError:
            raise
        except (Exception, SystemExit) as error:
            raise PluginError(f"data set {cell.dataset_label} failed to load: {one_line(error)}") from error
        try:
            check_split(split, cell.dataset_label)
        except DataError as error:  # the plugin's fault, not the user's: recorded, and other data sets go on
            raise PluginError(str(error)) from error
        parts = (split.train, split.validation, split.test)
        for part in parts:
            if isinstance(part, np.ndarray) and not isinstance(part, np.memmap):
                part.flags.writeable = False
        later = not all(isinstance(part, (np.ndarray, LazyRows)) for part in parts)  # files may be opened row by row
        return split, seen.entries(cell.dataset.params, trees=True if later else None)

    def rows(self, cell: CellSpec, device: torch.device) -> tuple[Rows, Rows]:
        """Training and validation rows on `device`."""
        split = self.split(cell)

        def make() -> tuple[Rows, Rows]:
            train_rows = Rows(split.train, split.train_labels, device)
            return train_rows, Rows(split.validation, split.validation_labels, device)

        return self.held("rows", (format_call(cell.dataset), device), make)

    def auto_weight(self, cell: CellSpec) -> float:
        """λ_auto of the cell's data."""
        cost = cost_of(cell.train)
        if cost.name != "squared":
            return 1.0
        key = format_call(cell.dataset)
        spectrum = self.held("spectrum", key, lambda: covariance_spectrum(self.split(cell).train))
        return auto_kl_weight(spectrum, cell.train.latent_dim, cost)

    def variant(self, cell: CellSpec) -> Variant:
        """A new, unattached instance of the cell's variant."""
        imported, _ = _built_from(cell)
        with self._noting(imported, {}):
            kind = self.registry.load("variant", cell.variant.name)
        try:
            return kind(**cell.variant.params)
        except BenchError:
            raise
        except (Exception, SystemExit) as error:
            raise PluginError(f"{cell.variant_label} cannot be built: {one_line(error)}") from error

    def attached(self, cell: CellSpec, split: Split) -> Variant:
        """The cell's model with its initial weights; `MemoryError` before it takes more memory than there is."""
        refuse_too_large(cell.train, split.data_shape)
        _, built = _built_from(cell)
        with self._noting(built, {**cell.variant.params, "network": list(cell.train.network.params.values())}):
            return build_model(
                functools.partial(self.variant, cell),
                cell.train,
                data_shape=split.data_shape,
                n_train=len(split.train),
                n_classes=split.n_classes,
                seed=cell.seed,
                auto_kl_weight=functools.partial(self.auto_weight, cell),
            )


def _built_from(cell: CellSpec) -> tuple[Hashable, Hashable]:
    """What the files of a cell's model are noted under: those of its variant's import, and of its building."""
    return cell.variant.name, (cell.variant, cell.train.network)


def check_fit(cell: CellSpec, split: Split) -> None:
    """Raise `Incompatible` for a likelihood that makes no sense for the data, `UsageError` for too few rows."""
    check_trainable(cell, split)
    if len(split.test) == 0:
        raise UsageError(f"{cell.dataset_label} has no test rows, so nothing held out can be measured")


def check_trainable(cell: CellSpec, split: Split) -> None:
    """As `check_fit`, of what training needs; nothing has to be held out for it."""
    if _suited_as(cell) not in split.likelihoods:
        raise Incompatible(_misfit(cell, split))
    cost_of(cell.train).refuse_shape(split.data_shape)
    if len(split.train) < (batch := cell.train.batch_for(len(split.train))):
        raise TooFewRows(
            f"{cell.dataset_label} has {len(split.train)} training rows, fewer than one batch of {batch}; "
            "give a smaller --batch-size or more data"
        )
    if cell.train.early_stopping and len(split.validation) == 0:
        raise UsageError(
            f"{cell.dataset_label} has no validation rows, so that --early-stopping would never stop a seed; "
            "leave it out or give validation rows"
        )


def _suited_as(cell: CellSpec) -> str:
    return SUITED_AS.get(cell.train.recon.name, cell.train.recon.name)


def _misfit(cell: CellSpec, split: Split) -> str:
    """Why the cost does not fit the data, with the range found, and what to do."""
    cost, supported = cell.train.recon.name, ", ".join(split.likelihoods)
    what = f"{cost} cost does not fit {cell.dataset_label}, which supports {supported}"
    low, high = value_range(split)
    if _suited_as(cell) == "bernoulli" and (low < 0 or high > 1):
        what += f": its values lie in [{low:g}, {high:g}], not in [0, 1]"
        return f"{what}; give --recon {split.likelihoods[0]}, or data in [0, 1] (scale=unit for files and arrays)"
    return f"{what}; give --recon {split.likelihoods[0]}"


def steps_of(cell: CellSpec, split: Split) -> int:
    """Optimiser steps of the cell's training."""
    settings = cell.train
    if settings.steps:
        return settings.steps
    assert settings.epochs is not None  # one of the two is set
    return settings.epochs * math.ceil(len(split.train) / settings.batch_for(len(split.train)))
