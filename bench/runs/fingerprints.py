"""What decides a cell's numbers besides its spec, as hashes: code of training and evaluation, plugins, data files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from bench.spec.registry import PACKAGE, Registry
from bench.spec.run import CellSpec

#: What decides a training's numbers besides the plugins; paths below the package.
TRAINING_SOURCES = (
    "train", "losses", "networks", "contracts/variant.py", "data", "seeding.py", "runs/cells/worker_state.py",
)  # fmt: skip
#: What decides an evaluation's numbers besides the weights.
EVALUATION_SOURCES = (
    "metrics", "contracts/metric.py", "contracts/model.py", "evaluate", "losses",
)  # fmt: skip
#: Parameters of a data set that name a file or folder whose content counts.
PATH_PARAMETERS = ("path", "root")
#: Facts of a training that an evaluation alone cannot know.
TRAINING_FACTS = ("t_train", "samples_per_second", "flops", "stack_seeds", "steps_run", "timing_valid")


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
