"""A run's directory: `cells.jsonl` is the source of truth, everything else is written atomically and can be rebuilt."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import yaml

from bench.errors import UsageError
from bench.files import file_errors, make_directory, open_own, remove_leftovers, safe_id, write_text
from bench.safe_yaml import MOST_YAML
from bench.store import array_files, declarations, documents, measurements, records, versions
from bench.store.checksums import is_whole, seems_whole
from bench.store.lock import DirectoryLock
from bench.store.presence import Presence
from bench.store.sources import Sources
from bench.text import printable
from bench.untrusted import check_regular, read_json

MARKERS = ("cells.jsonl", "spec.yaml")


class PlannedCell(Protocol):
    """What the store needs to know of a cell before it ran (`bench.spec.cells.CellSpec` has it)."""

    @property
    def cell_id(self) -> str: ...

    @property
    def variant_label(self) -> str: ...

    @property
    def dataset_label(self) -> str: ...

    @property
    def seed(self) -> int: ...

    @property
    def split_number(self) -> int: ...


class RunStore:
    """The files of one run. `create` opens for writing (one writer at a time), `open` for reading.

    Attributes:
        directory: the run's directory.
        spec: the resolved spec as a dictionary.
        previous_spec: what `spec.yaml` held before `create` replaced it, or None.
        damage: lines of `cells.jsonl` that were not believed when it was read last.
        version: "before" or the beginning of a code hash where `open` was asked for an earlier version, or None.
        of_table: whether the measurements are those of a table and not of records in `directory`.
    """

    def __init__(self, directory: Path, spec: dict[str, Any], lock: DirectoryLock | None = None):
        self.directory = Path(directory)
        self.spec = spec
        self.previous_spec: dict[str, Any] | None = None
        self.version: str | None = None
        self.of_table = False
        self._versions: dict[str, str] = {}
        self._places: dict[str, Path] = {}
        self.damage = records.Damage()
        self._lock = lock
        self._opened: Presence | None = None
        self._files: dict[str, dict[str, str]] | None = None
        self._data: tuple[Any, measurements.RunData] | None = None

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
                store.previous_spec = documents.read_spec(directory / "spec.yaml")
            if store.cells_path.exists():
                check_regular(store.cells_path)
            records.repair_tail(store.cells_path)
            if store.previous_spec != store.spec:
                store._write("spec.yaml", _as_yaml(store.spec))
            if plan is not None:
                store.save_plan(plan)
            os.close(open_own(store.cells_path, os.O_WRONLY))
            for folder in ("checkpoints", "arrays"):
                remove_leftovers(make_directory(directory / folder, parents=False))
            remove_leftovers(directory)
            folders = [directory / name for name in ("checkpoints", "arrays")]
            store._opened = Presence([directory, store.cells_path, lock.path, *folders])
        except BaseException:
            lock.release()
            raise
        return store

    @classmethod
    def open(cls, directory: Path | str) -> RunStore:
        """Opens a run for reading; `RUN@before` and `RUN@HASH` read earlier versions (`bench.store.versions`).

        Raises:
            UsageError: there is no run in `directory`, or no such version of it.
        """
        directory, version = versions.split_version(directory)
        if not directory.is_dir():
            raise UsageError(f"there is no directory {printable(directory)}; give the directory of a run")
        if not (directory / "cells.jsonl").is_file():
            raise UsageError(
                f"{printable(directory)} holds no run (no cells.jsonl); give a directory that aebench run wrote"
            )
        spec = documents.read_spec(directory / "spec.yaml") if (directory / "spec.yaml").exists() else {}
        store = cls(directory, spec)
        if version is not None:
            store._versions = versions.chosen(store.iter_records(), version, directory)
            store._places = versions.folders(directory, store._versions)
            store.version, store._files = version, None
        return store

    @classmethod
    def holding(cls, directory: Path | str, spec: dict[str, Any], data: measurements.RunData) -> RunStore:
        """A store for reports whose measurements are `data`; `directory` holds no records, and gets none."""
        store = cls(Path(directory), spec)
        store.of_table, store._data = True, (store._mark(), data)
        return store

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
        """Every readable record in file order, superseded ones included; unreadable lines go to `damage`.

        Of an earlier version, a cell's records of other versions are left out.
        """
        self.damage.clear()
        files: dict[str, dict[str, str]] = {}
        for record in records.read_records(self.cells_path, self.damage):
            wanted = self._versions.get(record["cell_id"])
            if wanted is None or versions.version_of(record) == wanted:
                files[record["cell_id"]] = record["files"]
                yield record
        self._files = files

    def records(self) -> dict[str, dict[str, Any]]:
        """The latest record of every cell, by cell_id, but for those whose latest is damaged."""
        found = {record["cell_id"]: record for record in self.iter_records()}
        return {cell_id: record for cell_id, record in found.items() if cell_id not in self.damage.withdrawn}

    def append(self, record: Mapping[str, Any]) -> None:
        """Appends one record durably. `schema` is filled in; NaN and infinities become null with a reason.

        Raises:
            ValueError: the record does not follow the schema.
            UsageError: full disk or directory not writable, or the folder is no longer the one that was opened.
        """
        self._need_lock()
        line = records.encode({"schema": records.SCHEMA, **record})
        records.append_line(self.cells_path, line)
        if self._files is not None:
            self._files[record["cell_id"]] = dict(record.get("files") or {})

    def data(self) -> measurements.RunData:
        """All measurements in columns, restricted to the plan where there is one; notes say what is missing.

        The files are read once, until they change.
        """
        mark = self._mark()
        if self._data is None or self._data[0] != mark:
            self._data = (mark, self._read_data())
        return self._data[1]

    def _mark(self) -> tuple:
        return tuple(_stamp(self.directory / name) for name in ("cells.jsonl", "plan.json"))

    def _read_data(self) -> measurements.RunData:
        plan = self.load_plan()
        data = measurements.build(self.iter_records(), plan, self.damage.withdrawn)
        data.left_out += self.damage.notes()
        data.notes += data.left_out
        if plan is not None and len(data.cells) < len(plan):
            data.notes.append(f"{len(plan) - len(data.cells)} of {len(plan)} planned cells have not run yet")
        data.notes += measurements.failed_metrics(data)
        with contextlib.suppress(UsageError):  # a damaged file of environments tells nothing of them
            data.notes += measurements.mixtures(data, self.environments())
        return data

    # -- plan and environment -----------------------------------------------------------------------------------

    def save_plan(self, cells: Sequence[PlannedCell]) -> None:
        """Writes `plan.json`: what the run asks for, in the order in which tables show it."""
        self._need_lock()
        keys = ("cell_id", "variant_label", "dataset_label", "seed", "split_number")
        entries = [{key: getattr(cell, key) for key in keys} for cell in cells]
        self._write("plan.json", json.dumps({"schema": records.SCHEMA, "cells": entries}))

    def load_plan(self) -> list[dict[str, Any]] | None:
        """The planned cells, or None when the run has no plan."""
        path = self.directory / "plan.json"
        return documents.read_plan(path) if path.exists() else None

    def save_environment(self, environment: Mapping[str, Any], env_hash: str) -> None:
        """Adds one environment to `environment.json`, which holds every environment that cells of the run name."""
        self._need_lock()
        known: dict[str, Any] = {}
        with contextlib.suppress(UsageError):  # a damaged file is written anew
            known = self.environments()
        known[env_hash] = dict(environment)
        content = {"schema": records.SCHEMA, "environments": known}
        self._write("environment.json", json.dumps(content, indent=2, sort_keys=True) + "\n")

    def environments(self) -> dict[str, dict[str, Any]]:
        """Environments by env_hash; {} when none was written."""
        path = self.directory / "environment.json"
        return documents.read_environments(path) if path.exists() else {}

    def save_metrics(self, declared: Mapping[str, Mapping[str, Any]]) -> None:
        """Adds what metrics declare to `metrics.json`, by value: the fields of a `Value` and its family."""
        self._need_lock()
        known: dict[str, Any] = {}
        with contextlib.suppress(UsageError):  # a damaged file is written anew
            known = self.load_metrics()
        content = {"schema": records.SCHEMA, "metrics": known | {key: dict(declared[key]) for key in declared}}
        self._write("metrics.json", json.dumps(content, indent=1) + "\n")

    def load_metrics(self) -> dict[str, dict[str, Any]]:
        """What the run's metrics declared when it measured them; {} where that was not written."""
        path = self.directory / "metrics.json"
        return declarations.checked(read_json(path).get("metrics"), path) if path.exists() else {}

    def sources(self) -> Sources:
        """The files of code and data that records name by hash."""
        path = self.directory / "sources.json"
        return Sources(read_json(path) if path.exists() else {})

    def save_sources(self, sources: Sources) -> None:
        """Writes `sources.json`."""
        self._need_lock()
        self._write("sources.json", json.dumps(sources.to_dict(), separators=(",", ":")) + "\n")

    # -- tensors and arrays -------------------------------------------------------------------------------------

    def checkpoint_path(self, cell_id: str) -> Path:
        """Path of a cell's checkpoint."""
        return self._places.get(cell_id, self.directory) / "checkpoints" / f"{safe_id(cell_id)}.safetensors"

    def save_checkpoint(self, cell_id: str, tensors: Mapping[str, Any], meta: Mapping[str, Any]) -> str:
        """Writes numpy arrays or torch tensors with JSON `meta` as safetensors; returns the file's mark."""
        self._need_lock()
        return self._noted(
            cell_id, "checkpoint", array_files.save_tensors(self.checkpoint_path(cell_id), tensors, meta)
        )

    def load_checkpoint(self, cell_id: str, place: Path | None = None) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Tensors (as numpy arrays) and meta of a checkpoint.

        Args:
            place: the folder of another version (`bench.store.versions`); its own where that is None.

        Raises:
            UsageError: missing, damaged, or another file than the cell's record names.
        """
        path = self.checkpoint_path(cell_id)
        path = path if place is None else place / path.parent.name / path.name
        return array_files.load_tensors(path, self.files_of(cell_id).get("checkpoint"))

    def arrays_path(self, cell_id: str) -> Path:
        """Path of a cell's arrays."""
        return self._places.get(cell_id, self.directory) / "arrays" / f"{safe_id(cell_id)}.npz"

    def save_arrays(self, cell_id: str, arrays: Mapping[str, np.ndarray]) -> str:
        """Writes a cell's arrays; `ValueError` above `bench.store.array_files.ARRAY_BYTES`. Returns the file's mark."""
        self._need_lock()
        return self._noted(cell_id, "arrays", array_files.save_arrays(self.arrays_path(cell_id), arrays))

    def load_arrays(self, cell_id: str, prefix: str = "", place: Path | None = None) -> dict[str, np.ndarray]:
        """A cell's arrays whose names start with `prefix`; {} when none were saved. `place` as of `load_checkpoint`.

        Raises:
            UsageError: damaged, gone, or another file than the cell's record names.
        """
        path, expected = self.arrays_path(cell_id), self.files_of(cell_id).get("arrays")
        path = path if place is None else place / path.parent.name / path.name
        return array_files.load_arrays(path, prefix, expected) if expected or path.exists() else {}

    def load_history(self, cell_id: str) -> dict[str, np.ndarray]:
        """The training curves of a cell, `history_<name>` → (T,); {} when there are none or their file is damaged."""
        with contextlib.suppress(UsageError):
            arrays = self.load_arrays(cell_id, "history_")
            return {name: curve for name, curve in arrays.items() if curve.ndim == 1 and curve.dtype.kind in "iuf"}
        return {}

    def _write(self, name: str, content: str) -> None:
        """Writes one of the documents beside the records, into the folder as it is."""
        write_text(self.directory / name, content, parents=False)

    # -- what is there ------------------------------------------------------------------------------------------

    def files_of(self, cell_id: str) -> dict[str, str]:
        """The marks of the files that a cell's latest record names, by kind: "checkpoint" and "arrays"."""
        if self._files is None:
            for _ in self.iter_records() if self.cells_path.is_file() else ():
                pass
        return (self._files or {}).get(cell_id, {})

    def damaged_files(self, cell_id: str, files: Mapping[str, str], whole: bool = False) -> list[str]:
        """Which of a cell's `files` (kind → mark) are gone or not what they were: "checkpoint", "arrays".

        Args:
            whole: whether to read them in any case.
        """
        paths = {"checkpoint": self.checkpoint_path(cell_id), "arrays": self.arrays_path(cell_id)}
        known = {kind: mark for kind, mark in files.items() if kind in paths}
        return [kind for kind, mark in known.items() if not (is_whole if whole else seems_whole)(paths[kind], mark)]

    def _noted(self, cell_id: str, kind: str, mark: str) -> str:
        """`mark`, kept as that of the file which is meant, until the record that names it is stored."""
        if self._files is not None:
            self._files[cell_id] = {**self._files.get(cell_id, {}), kind: mark}
        return mark

    def check_presence(self) -> None:
        """Raise `UsageError` where the folder, or a file in it, is no longer the one that was opened for writing."""
        if self._opened is not None:
            self._opened.check()

    def _need_lock(self) -> None:
        if self._lock is None:
            raise UsageError(
                f"{printable(self.directory)} was opened for reading; open it with RunStore.create to write"
            )
        self.check_presence()


def _refuse_foreign(directory: Path) -> None:
    if not directory.exists():
        return
    with file_errors("read", directory):
        names = {path.name for path in directory.iterdir()}
    if names - {".lock"} and not names.intersection(MARKERS):
        raise UsageError(f"{printable(directory)} is not empty and holds no run; give a new directory with --output")


def _stamp(path: Path) -> tuple[int, int] | None:
    """Size and time of change of a file, None where it is not there."""
    with contextlib.suppress(FileNotFoundError):
        stat = path.stat()
        return stat.st_size, stat.st_mtime_ns
    return None


def _plain(value: Any) -> Any:
    """Tuples as lists and paths as text, so that YAML gives back what was written."""
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    return str(value) if isinstance(value, Path) else value


def _as_yaml(spec: Mapping[str, Any]) -> str:
    text = yaml.safe_dump(spec, sort_keys=False, allow_unicode=True)
    if len(text.encode()) > MOST_YAML:
        raise UsageError(f"the run's spec takes more than {MOST_YAML:,} bytes; give fewer seeds or shorter parameters")
    return text
