"""Which results of an earlier call still hold: `cell_id` says what was asked, `code_hash` what ran.

A cell is trained again when the code or data it depends on changed, or when its files are gone or damaged, and only
evaluated again when just the metrics did.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from bench.files import file_errors
from bench.provenance.data_files import DataFile
from bench.runs.fingerprints import PLACE, TRAINING_FACTS, Fingerprints
from bench.spec.call import Call, format_call
from bench.spec.cells import CellSpec
from bench.store.documents import is_count
from bench.store.run_store import RunStore
from bench.store.versions import version_of

#: Entries of a record that decide what is done with its cell.
REMEMBERED = ("status", "code_hash", "metrics_hash", "data_hash", "files", "code", "reason", *TRAINING_FACTS, *PLACE)
#: Statuses that trying again would not change.
FINAL = ("ok", "diverged", "skipped")


class Verdict(enum.Enum):
    """What is to be done with a cell.

    Nothing, evaluate saved weights again, or train: for the first time, because its code or data changed, because its
    files are gone or damaged, or because it failed before.
    """

    DONE = "done"
    EVALUATE = "evaluate"
    TRAIN = "train"
    CHANGED = "changed"
    DAMAGED = "damaged"
    RETRY = "retry"


class Size(NamedTuple):
    """Values in a row of some data, with the code of their data set and their files as they were then."""

    values: int
    code: str | None
    data_hash: str | None


@dataclass(frozen=True)
class History:
    """What the records of earlier calls say, without their measurements, so that it stays small.

    Attributes:
        latest: cell_id → the latest record of that cell, reduced to `REMEMBERED` and to "incomplete" (a metric failed).
        earlier: cell_id → the latest such record of each version that is not the latest, by `version_of`.
        groups: stack_id → groups of seeds that have trained in one stack so far.
        sizes: data set as text → what its latest record with data says of their size.
        data_files: data_hash → the files that data were read from; None for an entry that is damaged.
        mark: size and time of the file that was read; None where there was none.
        notes: what of the file is not believed, in words.
    """

    latest: dict[str, dict[str, Any]] = field(default_factory=dict)
    earlier: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    groups: dict[str, list[tuple[int, ...]]] = field(default_factory=dict)
    sizes: dict[str, Size] = field(default_factory=dict)
    data_files: dict[str, list[DataFile] | None] = field(default_factory=dict)
    mark: tuple[int, int] | None = None
    notes: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, store: RunStore, known: History | None = None) -> History:
        """The history of a run, in one pass; `known` itself where nothing was written since it was read."""
        with file_errors("read", store.cells_path):
            stat = store.cells_path.stat()
        mark = (stat.st_size, stat.st_mtime_ns)
        if known is not None and known.mark == mark:
            return known
        history = cls(mark=mark, data_files={key: _entries(value) for key, value in store.sources()["data"].items()})
        for record in store.iter_records():
            kept = {name: record[name] for name in REMEMBERED if name in record}
            cell_id, before = record["cell_id"], history.latest.get(record["cell_id"])
            if before is not None and version_of(before) != version_of(record):
                history.earlier.setdefault(cell_id, {})[version_of(before)] = before
            history.latest[cell_id] = kept | {"incomplete": has_failed_metric(record)}
            if shape := _shape(record):
                size = Size(math.prod(shape), record["code"].get("data set"), record.get("data_hash"))
                history.sizes[format_call(Call(record["dataset"], record["dataset_params"]))] = size
            seeds = tuple(record.get("stack_seeds") or ())
            groups = history.groups.setdefault(record["stack_id"], [])
            if len(seeds) > 1 and seeds not in groups:
                groups.append(seeds)
        for cell_id in store.damage.withdrawn:
            history.latest.pop(cell_id, None)
        history.notes.extend(store.damage.notes())
        return history


def _shape(record: Mapping[str, Any]) -> list[int]:
    shape = record["split"].get("data_shape")
    return shape if isinstance(shape, list) and shape and all(map(is_count, shape)) else []


def has_failed_metric(record: Mapping[str, Any]) -> bool:
    """Whether a metric failed on the cell of `record`."""
    return any(measured["status"] == "failed" for measured in (record.get("metrics") or {}).values())


def judge(
    cells: Sequence[CellSpec], history: History, store: RunStore, fingerprints: Fingerprints
) -> dict[str, Verdict]:
    """The verdict on every planned cell, by cell_id."""
    return {cell.cell_id: _verdict(cell, history, store, fingerprints) for cell in cells}


def _verdict(cell: CellSpec, history: History, store: RunStore, fingerprints: Fingerprints) -> Verdict:
    code, record = fingerprints.code_hash(cell), history.latest.get(cell.cell_id)
    if record is None:
        return Verdict.TRAIN
    read = (cell.dataset, cell.variant)
    if record["code_hash"] != code or not fingerprints.same_data(record.get("data_hash"), history.data_files, read):
        return Verdict.CHANGED
    if record["status"] not in FINAL:
        return Verdict.RETRY
    if record["status"] != "ok":
        return Verdict.DONE
    same = record["metrics_hash"] == fingerprints.metrics_hash
    if store.damaged_files(cell.cell_id, record["files"], whole=not same):
        return Verdict.DAMAGED
    if same:
        return Verdict.DONE
    saved = cell.is_control or store.checkpoint_path(cell.cell_id).is_file()
    return Verdict.EVALUATE if saved else Verdict.DAMAGED


def _entries(values: Sequence[Any]) -> list[DataFile] | None:
    try:
        return [DataFile.from_dict(value) for value in values]
    except ValueError:
        return None
