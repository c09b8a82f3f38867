"""What decides a cell's numbers besides its spec: code of training and evaluation as hashes, and its data's files."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from functools import cached_property
from typing import Any

from bench.provenance.code import EVALUATION_ROOTS, Part, combined, plugin_code, suite_code, texts_of, training_code
from bench.provenance.data_files import DataFile, elsewhere
from bench.spec.call import Call
from bench.spec.cells import CellSpec
from bench.spec.registry import Registry
from bench.spec.run import RunSpec

#: Facts of a training that an evaluation alone cannot know.
TRAINING_FACTS = ("t_train", "samples_per_second", "flops", "stack_seeds", "steps_run", "timing_valid")
#: What must agree between a training and a later evaluation for the timings of both to stand in one record.
PLACE = ("env_hash", "device", "num_threads", "workers")


class Fingerprints:
    """Hashes of the code behind each cell and of the metrics asked for, and whether data are still what they were.

    Args:
        registry: of all plugins.
        metrics, likelihood_rows, samplers: as the spec says.
    """

    def __init__(
        self, registry: Registry, metrics: str, likelihood_rows: int | str, samplers: Sequence[Call] = ()
    ) -> None:
        self._registry = registry
        self._metrics = metrics
        self._rows = [] if likelihood_rows == "auto" else [f"likelihood_rows {likelihood_rows}"]
        self._samplers = tuple(samplers)
        self._codes: dict[tuple, dict[str, Part]] = {}
        self._by_cell: dict[str, dict[str, Part]] = {}
        self._same: dict[str, bool] = {}

    @classmethod
    def of(cls, spec: RunSpec, registry: Registry) -> Fingerprints:
        """Those of a validated spec."""
        return cls(registry, spec.evaluated, spec.likelihood_rows, spec.samplers)

    def code(self, cell: CellSpec) -> dict[str, Part]:
        """The parts of the code behind a cell's training, by what they are."""
        key = (cell.variant.name, cell.dataset.name, cell.train.network)
        if key not in self._codes:
            self._codes[key] = training_code(self._registry, *key)
        self._by_cell[cell.cell_id] = self._codes[key]
        return self._codes[key]

    def code_hash(self, cell: CellSpec) -> str:
        """16 hex digits of all the code behind a cell's training."""
        return _hash(self.code(cell))

    @cached_property
    def metrics_hash(self) -> str:
        """16 hex digits: the values asked for and the code that computes them, samplers with theirs."""
        chosen = self._registry.metrics_for(self._metrics, self._samplers)
        plugins = [plugin_code(self._registry, "metric", name).digest for name, _ in chosen]
        plugins += [f"{call} {plugin_code(self._registry, 'sampler', call.name).digest}" for call in self._samplers]
        options = self._registry.metric_options(self._metrics)
        asked = [repr(chosen), *([repr(sorted(options.items()))] if options else [])]
        return combined([*asked, suite_code(EVALUATION_ROOTS).digest, *plugins, *self._rows])

    def of_record(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """The hashes that go into a new record of a cell that `code` was asked about."""
        parts = self._by_cell[record["cell_id"]]
        digests = {name: part.digest for name, part in parts.items()}
        return {"code_hash": _hash(parts), "metrics_hash": self.metrics_hash, "code": digests}

    def files_of(self, record: Mapping[str, Any]) -> dict[str, dict[str, str]]:
        """The files of each part behind such a record, by the part's hash."""
        return {part.digest: dict(part.files) for part in self._by_cell[record["cell_id"]].values()}

    def texts_of(self, record: Mapping[str, Any], known: Container[str]) -> dict[str, dict[str, str]]:
        """The text of the parts behind such a record, and of its metrics, by the part's hash, without those `known`."""
        parts = [*self._by_cell[record["cell_id"]].values(), *self.metrics_code.values()]
        texts = {part.digest: texts_of(part) for part in parts if part.local and part.digest not in known}
        return {digest: found for digest, found in texts.items() if found}

    @cached_property
    def metrics_code(self) -> dict[str, Part]:
        """The code of the metrics and samplers asked for that do not come with this package, by name."""
        chosen = self._registry.metrics_for(self._metrics, self._samplers)
        parts = {name: plugin_code(self._registry, "metric", name) for name, _ in chosen}
        parts |= {f"sampler {call.name}": plugin_code(self._registry, "sampler", call.name) for call in self._samplers}
        return {name: part for name, part in parts.items() if part.local}

    def same_data(
        self, key: str | None, files: Mapping[str, Sequence[DataFile] | None], calls: tuple[Call, ...] = ()
    ) -> bool:
        """Whether the data files that a record names by `key` are what they were, which is looked at once.

        Args:
            key: of the entry in `files`; None or "" where no file was read.
            calls: what read them; their parameters must not name other files now, as from another working folder.
        """
        if not key:
            return True
        entries = files.get(key)
        if key not in self._same:
            self._same[key] = entries is not None and all(entry.now() == entry.mark for entry in entries)
        return self._same[key] and not any(elsewhere(entries or (), call.params) for call in calls)

    @staticmethod
    def carry_over(earlier: Mapping[str, Any], record: dict[str, Any]) -> dict[str, Any]:
        """The record of a second evaluation with the training's facts from the earlier record.

        Its timings are valid where both were, in one place.
        """
        valid = record.get("timing_valid") is True and all(earlier.get(name) == record.get(name) for name in PLACE)
        facts = {name: earlier[name] for name in TRAINING_FACTS if name in earlier}
        return record | facts | {"timing_valid": valid and facts.get("timing_valid") is True}


def _hash(parts: Mapping[str, Part]) -> str:
    return combined(f"{name} {part.digest}" for name, part in parts.items())
