"""TensorBoard's view of a run: RUN/tensorboard/<data set>/<variant>/seed-N/ holds one event file per cell.

A file is written whole once its cell's results are stored, and replaced when the cell is run again, so that no event
is there twice. Curves are `train/<term>` and `validation/<term>` by step; `metrics/<name>` is the final value.
(tensorboard's own `EventFileWriter` names its files by time, host and process and fills them from a thread: they cannot
be replaced whole. torch's `SummaryWriter` does the same and loads torch. Events and framing are tensorboard's.)
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import io
import warnings
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from bench.errors import UsageError
from bench.files import make_directory, safe_id, write_bytes
from bench.store.run_store import RunStore
from bench.text import printable

#: Folder in a run's directory.
FOLDER = "tensorboard"
_VERSION = "brain.Event:2"
_LONGEST = 80


def need_tensorboard() -> None:
    """Raise `UsageError` where the package `tensorboard` is not installed."""
    found = importlib.util.find_spec("tensorboard")
    if found is None or found.origin is None:  # a folder of that name, such as a run's, has no origin
        raise UsageError(
            "--tensorboard needs the package tensorboard; install it with: pip install 'aebench[tensorboard]'"
        )


class EventLog:
    """Writes the event files of a run.

    Args:
        store: the run, open for writing; curves are read from it.

    Raises:
        UsageError: tensorboard is not installed, or the folder is a link to somewhere else.
    """

    def __init__(self, store: RunStore) -> None:
        need_tensorboard()
        self._store = store
        self._root = store.directory / FOLDER
        if self._root.is_symlink():
            raise UsageError(
                f"{printable(self._root)} is a link to somewhere else; remove it and run the command again"
            )

    def catch_up(self, cell_ids: Iterable[str]) -> None:
        """Write the files of cells that earlier calls finished without one."""
        wanted = set(cell_ids)
        if wanted:
            for cell_id, record in self._store.records().items():
                if cell_id in wanted and not self._path(record).is_file():
                    self.write(record)

    def write(self, record: Mapping[str, Any]) -> None:
        """Write the file of the cell whose `record` has been stored, in the place of an earlier one.

        A cell without curves and metrics gets none.
        """
        history: dict[str, np.ndarray] = {}
        with contextlib.suppress(UsageError):  # damaged arrays cost their curves, as in history.csv
            history = self._store.load_arrays(record["cell_id"], "history_")
        values = list(scalars(record, history))
        path = self._path(record)
        if values:
            make_directory(path.parent)
            write_bytes(path, encode(values, _seconds(record.get("started_at"))))
        else:
            path.unlink(missing_ok=True)

    def _path(self, record: Mapping[str, Any]) -> Path:
        names = (safe_name(record.get(f"{kind}_label") or record[kind]) for kind in ("dataset", "variant"))
        split = f"split-{int(record['split_number'])}-" if record.get("split_number") else ""
        folder = self._root.joinpath(*names, f"{split}seed-{int(record['seed'])}")
        return folder / f"events.out.tfevents.{safe_id(record['cell_id'])}"


def safe_name(label: str) -> str:
    """`label` as the name of a folder: ASCII letters, digits and `-_+=,.`; a hash tells apart what would be equal."""
    kept = "".join(char if char.isascii() and (char.isalnum() or char in "-_+=,.") else "_" for char in label)
    name = kept[:_LONGEST].strip("._") or "unnamed"
    return name if name == label else f"{name}-{hashlib.sha256(label.encode(errors='replace')).hexdigest()[:6]}"


def scalars(record: Mapping[str, Any], history: Mapping[str, np.ndarray]) -> Iterator[tuple[str, int, float]]:
    """(tag, step, value) of every point of every curve and of every metric that has a value.

    Args:
        record: of the cell.
        history: `history_step` and `history_<part>_<term>`, each (T,); {} where it has none.
    """
    steps = history.get("history_step", np.zeros(0))
    for name, values in history.items():
        part, _, term = name.removeprefix("history_").partition("_")
        if part in ("train", "validation") and term and values.shape == steps.shape:
            yield from ((f"{part}/{term}", int(step), float(v)) for step, v in zip(steps, values, strict=True))
    last = int(record.get("steps_run") or 0)
    for name, measured in record.get("metrics", {}).items():
        value = measured.get("value")
        if value is not None and np.isfinite(value):
            yield f"metrics/{name}", last, float(value)


def encode(values: Iterable[tuple[str, int, float]], seconds: float) -> bytes:
    """An event file with one scalar per (tag, step, value).

    Args:
        seconds: the time of all events, since 1970.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own dependencies
        event = importlib.import_module("tensorboard.compat.proto.event_pb2").Event
        summary = importlib.import_module("tensorboard.compat.proto.summary_pb2").Summary
        writer = importlib.import_module("tensorboard.summary.writer.record_writer").RecordWriter
    buffer = io.BytesIO()
    records = writer(buffer)
    records.write(event(wall_time=seconds, file_version=_VERSION).SerializeToString())
    for tag, step, value in values:
        one = summary(value=[summary.Value(tag=tag, simple_value=value)])
        records.write(event(wall_time=seconds, step=step, summary=one).SerializeToString())
    return buffer.getvalue()


def _seconds(started_at: Any) -> float:
    try:
        return datetime.fromisoformat(str(started_at)).timestamp()
    except ValueError:
        return 0.0
