"""A run's directory: `cells.jsonl` is the source of truth, everything else is written atomically and can be rebuilt."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import yaml

from bench.errors import UsageError
from bench.files import file_errors, make_directory, remove_leftovers, safe_id, write_text
from bench.store import array_files, declarations, measurements, records
from bench.store.lock import DirectoryLock
from bench.text import printable

MARKERS = ("cells.jsonl", "spec.yaml")
_MOST_SPEC_BYTES = 16 * 2**20


class PlannedCell(Protocol):
    """What the store needs to know of a cell before it ran (`bench.spec.run.CellSpec` has it)."""

    cell_id: str
    variant_label: str
    dataset_label: str
    seed: int


class RunStore:
    """The files of one run. `create` opens for writing (one writer at a time), `open` for reading.

    Attributes:
        directory: the run's directory.
        spec: the resolved spec as a dictionary.
        previous_spec: what `spec.yaml` held before `create` replaced it, or None.
        damage: lines of `cells.jsonl` that could not be read so far.
    """

    def __init__(self, directory: Path, spec: dict[str, Any], lock: DirectoryLock | None = None):
        self.directory = Path(directory)
        self.spec = spec
        self.previous_spec: dict[str, Any] | None = None
        self.damage = records.Damage()
        self._lock = lock

    # -- opening ------------------------------------------------------------------------------------------------

    @classmethod
    def create(cls, directory: Path | str, spec: Any, plan: Sequence[PlannedCell] | None = None) -> RunStore:
        """Opens `directory` for writing: a new one, an empty one, or one that holds a run already.

        Args:
            spec: has `to_dict()`; its dictionary becomes `spec.yaml`.
            plan: the cells the run asks for, in order; tables then show these and no others.

        Raises:
            UsageError: another run writes there, the directory holds something else, or it cannot be written.
        """
        directory = Path(directory)
        _refuse_foreign(directory)
        make_directory(directory)
        lock = DirectoryLock(directory)
        try:
            store = cls(directory, _plain(spec.to_dict()), lock)
            if (directory / "spec.yaml").exists():
                store.previous_spec = _read_yaml(directory / "spec.yaml")
            records.repair_tail(store.cells_path)
            if store.previous_spec != store.spec:
                write_text(directory / "spec.yaml", yaml.safe_dump(store.spec, sort_keys=False, allow_unicode=True))
            if plan is not None:
                store.save_plan(plan)
            with file_errors("write", store.cells_path):
                store.cells_path.touch()
            for folder in ("checkpoints", "arrays"):
                remove_leftovers(make_directory(directory / folder))
            remove_leftovers(directory)
        except BaseException:
            lock.release()
            raise
        return store

    @classmethod
    def open(cls, directory: Path | str) -> RunStore:
        """Opens a run for reading.

        Raises:
            UsageError: there is no run in `directory`.
        """
        directory = Path(directory)
        if not directory.is_dir():
            raise UsageError(f"there is no directory {printable(directory)}; give the directory of a run")
        if not (directory / "cells.jsonl").is_file():
            raise UsageError(
                f"{printable(directory)} holds no run (no cells.jsonl); give a directory that aebench run wrote"
            )
        spec = _read_yaml(directory / "spec.yaml") if (directory / "spec.yaml").is_file() else {}
        return cls(directory, spec)

    def close(self) -> None:
        """Gives up the lock of a store opened for writing."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def __enter__(self) -> RunStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- records ------------------------------------------------------------------------------------------------

    @property
    def cells_path(self) -> Path:
        """Path of `cells.jsonl`."""
        return self.directory / "cells.jsonl"

    def iter_records(self) -> Iterator[dict[str, Any]]:
        """Every readable record in file order, superseded ones included; unreadable lines go to `damage`."""
        self.damage.lines.clear()
        yield from records.read_records(self.cells_path, self.damage)

    def records(self) -> dict[str, dict[str, Any]]:
        """The latest record of every cell, by cell_id."""
        return {record["cell_id"]: record for record in self.iter_records()}

    def append(self, record: Mapping[str, Any]) -> None:
        """Appends one record durably. `schema` is filled in; NaN and infinities become null with a reason.

        Raises:
            ValueError: the record does not follow the schema.
            UsageError: full disk or directory not writable.
        """
        self._need_lock()
        records.append_line(self.cells_path, records.encode({"schema": records.SCHEMA, **record}))

    def data(self) -> measurements.RunData:
        """All measurements in columns, restricted to the plan where there is one; notes say what is missing."""
        plan = self.load_plan()
        data = measurements.build(self.iter_records(), plan)
        if self.damage.lines:
            data.notes.append(str(self.damage))
        if plan is not None and len(data.cells) < len(plan):
            data.notes.append(f"{len(plan) - len(data.cells)} of {len(plan)} planned cells have not run yet")
        data.notes += measurements.failed_metrics(data)
        return data

    # -- plan and environment -----------------------------------------------------------------------------------

    def save_plan(self, cells: Sequence[PlannedCell]) -> None:
        """Writes `plan.json`: what the run asks for, in the order in which tables show it."""
        self._need_lock()
        keys = ("cell_id", "variant_label", "dataset_label", "seed")
        entries = [{key: getattr(cell, key) for key in keys} for cell in cells]
        write_text(self.directory / "plan.json", json.dumps({"schema": records.SCHEMA, "cells": entries}))

    def load_plan(self) -> list[dict[str, Any]] | None:
        """The planned cells, or None when the run has no plan."""
        path = self.directory / "plan.json"
        if not path.exists():
            return None
        content = _read_json(path)
        cells = content.get("cells")
        valid = isinstance(cells, list) and all(
            isinstance(cell, dict) and isinstance(cell.get("cell_id"), str) for cell in cells
        )
        if not valid:
            raise UsageError(f"{printable(path)} is damaged; run the same command again to rebuild it")
        return cells

    def save_environment(self, environment: Mapping[str, Any], env_hash: str) -> None:
        """Adds one environment to `environment.json`, which holds every environment that cells of the run name."""
        self._need_lock()
        known = self.environments()
        known[env_hash] = dict(environment)
        content = {"schema": records.SCHEMA, "environments": known}
        write_text(self.directory / "environment.json", json.dumps(content, indent=2, sort_keys=True) + "\n")

    def environments(self) -> dict[str, dict[str, Any]]:
        """Environments by env_hash; {} when none was written."""
        path = self.directory / "environment.json"
        if not path.exists():
            return {}
        known = _read_json(path).get("environments")
        return (
            {key: value for key, value in known.items() if isinstance(value, dict)} if isinstance(known, dict) else {}
        )

    def save_metrics(self, declared: Mapping[str, Mapping[str, Any]]) -> None:
        """Adds what metrics declare to `metrics.json`, by value: the fields of a `Value` and its family."""
        self._need_lock()
        known: dict[str, Any] = {}
        with contextlib.suppress(UsageError):  # a damaged file is written anew
            known = self.load_metrics()
        content = {"schema": records.SCHEMA, "metrics": known | {key: dict(declared[key]) for key in declared}}
        write_text(self.directory / "metrics.json", json.dumps(content, indent=1) + "\n")

    def load_metrics(self) -> dict[str, dict[str, Any]]:
        """What the run's metrics declared when it measured them; {} where that was not written."""
        path = self.directory / "metrics.json"
        return declarations.checked(_read_json(path).get("metrics"), path) if path.exists() else {}

    # -- tensors and arrays -------------------------------------------------------------------------------------

    def checkpoint_path(self, cell_id: str) -> Path:
        """Path of a cell's checkpoint."""
        return self.directory / "checkpoints" / f"{safe_id(cell_id)}.safetensors"

    def save_checkpoint(self, cell_id: str, tensors: Mapping[str, Any], meta: Mapping[str, Any]) -> Path:
        """Writes numpy arrays or torch tensors with JSON `meta` as safetensors."""
        self._need_lock()
        return array_files.save_tensors(self.checkpoint_path(cell_id), tensors, meta)

    def load_checkpoint(self, cell_id: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Tensors (as numpy arrays) and meta of a checkpoint; `UsageError` when it is missing or damaged."""
        return array_files.load_tensors(self.checkpoint_path(cell_id))

    def delete_checkpoint(self, cell_id: str) -> None:
        """Removes a checkpoint if it is there."""
        self._need_lock()
        path = self.checkpoint_path(cell_id)
        with file_errors("delete", path):
            path.unlink(missing_ok=True)

    def arrays_path(self, cell_id: str) -> Path:
        """Path of a cell's arrays."""
        return self.directory / "arrays" / f"{safe_id(cell_id)}.npz"

    def save_arrays(self, cell_id: str, arrays: Mapping[str, np.ndarray]) -> Path:
        """Writes a cell's arrays; `ValueError` above `bench.store.array_files.ARRAY_BYTES`."""
        self._need_lock()
        return array_files.save_arrays(self.arrays_path(cell_id), arrays)

    def load_arrays(self, cell_id: str, prefix: str = "") -> dict[str, np.ndarray]:
        """A cell's arrays whose names start with `prefix`; {} when none were saved, `UsageError` for a damaged file."""
        path = self.arrays_path(cell_id)
        return array_files.load_arrays(path, prefix) if path.exists() else {}

    def load_history(self, cell_id: str) -> dict[str, np.ndarray]:
        """The training curves of a cell, `history_<name>` → (T,); {} when there are none or their file is damaged."""
        with contextlib.suppress(UsageError):
            return self.load_arrays(cell_id, "history_")
        return {}

    def _need_lock(self) -> None:
        if self._lock is None:
            raise UsageError(
                f"{printable(self.directory)} was opened for reading; open it with RunStore.create to write"
            )


def _refuse_foreign(directory: Path) -> None:
    if not directory.exists():
        return
    with file_errors("read", directory):
        names = {path.name for path in directory.iterdir()}
    if names - {".lock"} and not names.intersection(MARKERS):
        raise UsageError(f"{printable(directory)} is not empty and holds no run; give a new directory with --output")


def _plain(value: Any) -> Any:
    """Tuples as lists and paths as text, so that YAML gives back what was written."""
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    return str(value) if isinstance(value, Path) else value


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(_read_text(path))
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise UsageError(
            f"{printable(path)} is damaged ({printable(error, 160)}); restore it or give a new --output"
        ) from error
    if not isinstance(content, dict):
        raise UsageError(f"{printable(path)} is damaged (no mapping); restore it or give a new --output")
    return content


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(_read_text(path))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{printable(path)} is damaged ({printable(error, 160)}); delete it and run again") from error
    if not isinstance(content, dict):
        raise UsageError(f"{printable(path)} is damaged (no object); delete it and run again")
    return content


def _read_text(path: Path) -> str:
    with file_errors("read", path):
        if path.stat().st_size > _MOST_SPEC_BYTES:
            raise UsageError(f"{printable(path)} is larger than {_MOST_SPEC_BYTES:,} bytes; it is not used")
        return path.read_text(encoding="utf-8", errors="replace")
