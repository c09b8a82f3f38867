"""Which results of an earlier call still hold: `cell_id` says what was asked, `code_hash` what ran.

A cell is trained again when the code or data it depends on changed, and only evaluated again when just the metrics did.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from bench.registry import PACKAGE, Registry
from bench.spec import CellSpec
from bench.store import RunStore

#: What decides a training's numbers besides the plugins; paths below the package.
TRAINING_SOURCES = (
    "train", "kernels", "contracts/variant.py", "losses.py", "linear.py", "networks.py", "seeding.py", "spectrum.py",
    "workshop.py",
)  # fmt: skip
#: What decides an evaluation's numbers besides the weights.
EVALUATION_SOURCES = (
    "metrics", "contracts/metric.py", "contracts/model.py", "evaluate.py", "view.py", "shared.py", "density.py",
    "features.py", "neighbours.py", "models.py", "arrays.py", "losses.py",
)  # fmt: skip
#: Parameters of a data set that name a file or folder whose content counts.
PATH_PARAMETERS = ("path", "root")
#: Facts of a training that an evaluation alone cannot know.
TRAINING_FACTS = ("t_train", "samples_per_second", "flops", "stack_seeds", "steps_run", "timing_valid")
#: Entries of a record that decide what is done with its cell.
REMEMBERED = ("status", "code_hash", "metrics_hash", *TRAINING_FACTS)
#: Statuses that trying again would not change.
FINAL = ("ok", "diverged", "skipped")


class Verdict(enum.Enum):
    """What is to be done with a cell.

    Nothing, evaluate saved weights again, or train: for the first time, because its code or data changed, or because it
    failed before.
    """

    DONE = "done"
    EVALUATE = "evaluate"
    TRAIN = "train"
    CHANGED = "changed"
    RETRY = "retry"


@dataclass(frozen=True)
class History:
    """What the records of earlier calls say, without their measurements, so that it stays small.

    Attributes:
        latest: cell_id → the latest record of that cell, reduced to `REMEMBERED`.
        groups: stack_id → groups of seeds that have trained in one stack so far.
        mark: size and time of the file that was read; None where there was none.
    """

    latest: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: dict[str, list[tuple[int, ...]]] = field(default_factory=dict)
    mark: tuple[int, int] | None = None

    @classmethod
    def read(cls, store: RunStore, known: History | None = None) -> History:
        """The history of a run, in one pass; `known` itself where nothing was written since it was read."""
        stat = store.cells_path.stat()
        mark = (stat.st_size, stat.st_mtime_ns)
        if known is not None and known.mark == mark:
            return known
        history = cls(mark=mark)
        for record in store.iter_records():
            history.latest[record["cell_id"]] = {name: record[name] for name in REMEMBERED if name in record}
            seeds = tuple(record.get("stack_seeds") or ())
            groups = history.groups.setdefault(record["stack_id"], [])
            if len(seeds) > 1 and seeds not in groups:
                groups.append(seeds)
        return history


class Fingerprints:
    """Hashes of the code and data behind each cell, and of the metrics asked for."""

    def __init__(self, registry: Registry, metrics: str) -> None:
        self._registry = registry
        self._metrics = metrics
        self._codes: dict[tuple, str] = {}
        self._by_cell: dict[str, str] = {}

    def code_hash(self, cell: CellSpec) -> str:
        """16 hex digits: the sources of variant, data set and trainer, and the size and time of data files."""
        key = (cell.variant.name, cell.dataset)
        if key not in self._codes:
            parts = [
                _source_hash(TRAINING_SOURCES),
                self._registry.source_hash("variant", cell.variant.name),
                self._registry.source_hash("dataset", cell.dataset.name),
                *(_file_mark(cell.dataset.params.get(name)) for name in PATH_PARAMETERS),
            ]
            self._codes[key] = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
        self._by_cell[cell.cell_id] = self._codes[key]
        return self._codes[key]

    @cached_property
    def metrics_hash(self) -> str:
        """16 hex digits: the values asked for and the sources that compute them."""
        chosen = self._registry.metrics_for(self._metrics)
        sources = [self._registry.source_hash("metric", name) for name, _ in chosen]
        text = repr((chosen, sources, _source_hash(EVALUATION_SOURCES)))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def of_record(self, record: dict[str, Any]) -> dict[str, str]:
        """The two hashes that go into a new record of a cell that `code_hash` was asked about."""
        return {"code_hash": self._by_cell[record["cell_id"]], "metrics_hash": self.metrics_hash}

    @staticmethod
    def carry_over(earlier: Mapping[str, Any], record: dict[str, Any]) -> dict[str, Any]:
        """The record of a second evaluation with the training's facts from the earlier record."""
        return record | {name: earlier[name] for name in TRAINING_FACTS if name in earlier}


def judge(
    cells: Sequence[CellSpec], records: Mapping[str, dict[str, Any]], store: RunStore, fingerprints: Fingerprints
) -> dict[str, Verdict]:
    """The verdict on every planned cell, given the latest record of each (by cell_id)."""
    return {cell.cell_id: _verdict(cell, records.get(cell.cell_id), store, fingerprints) for cell in cells}


def _verdict(cell: CellSpec, record: dict[str, Any] | None, store: RunStore, fingerprints: Fingerprints) -> Verdict:
    code = fingerprints.code_hash(cell)
    if record is None:
        return Verdict.TRAIN
    if record["code_hash"] != code:
        return Verdict.CHANGED
    if record["status"] not in FINAL:
        return Verdict.RETRY
    if record["status"] != "ok" or record["metrics_hash"] == fingerprints.metrics_hash:
        return Verdict.DONE
    return Verdict.EVALUATE if store.checkpoint_path(cell.cell_id).is_file() else Verdict.CHANGED


@cache
def _source_hash(sources: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    for path in _files(PACKAGE / name for name in sources):
        digest.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _files(paths: Iterable[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        found += sorted(path.rglob("*.py")) if path.is_dir() else [path] if path.is_file() else []
    return found


def _file_mark(value: Any) -> str:
    """Size and modification time of a file, or of every file in a folder, that a data set reads."""
    if not isinstance(value, str) or not value:
        return ""
    path = Path(value)
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else []
    stats = ((file.relative_to(path.parent).as_posix(), file.stat()) for file in files)
    text = repr([(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
