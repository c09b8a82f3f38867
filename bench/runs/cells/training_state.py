"""Where a long training keeps its state, so that a killed run loses a minute of it and not the night.

The state goes to `<run>/progress/<stack>-<seeds>.safetensors`, atomically, and disappears with the results it led to.
A file of other code, data, seeds or device, or one that is damaged, is ignored: that training starts anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import secrets
import time
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.errors import UsageError
from bench.files import file_errors, make_directory, safe_id, write_text
from bench.runs.cells.task import TOKEN, Place
from bench.store import array_files
from bench.text import printable

if TYPE_CHECKING:
    from bench.runs.cells.task import StackTask

#: Folder in a run's directory.
FOLDER = "progress"
#: Seconds of training between two saved states: what a kill costs at most, besides one step.
EVERY = 60.0
_SCHEMA = 1
#: Names of files that may be deleted: the token, states, and what a killed process left of either.
_OURS = re.compile(r"token|[0-9a-f]{16}-[0-9a-f]{16}\.safetensors|\..*\.tmp")


class TrainingCheckpoint:
    """The saved state of one stack in training; a `bench.train.loop.Checkpointer`.

    Args:
        path: its file.
        fingerprint: of everything that the state depends on; a file with another one is ignored.
        every: seconds between two saved states.
        is_here: whether the run's folder is still the one that is meant.
    """

    def __init__(self, path: Path, fingerprint: str, every: float, is_here: Callable[[], bool] = lambda: True) -> None:
        self.path = Path(path)
        self._is_here = is_here
        self._fingerprint = fingerprint
        self._every = every
        self._last = time.monotonic()

    def load(self) -> dict[str, np.ndarray] | None:
        """The saved state, or None where there is no usable one."""
        with contextlib.suppress(UsageError):
            state, meta = array_files.load_tensors(self.path)
            wanted = {"schema": _SCHEMA, "fingerprint": self._fingerprint, "checksum": _checksum(state)}
            if meta == wanted:
                return state
        return None

    def due(self) -> bool:
        """Whether it is time to save again."""
        return time.monotonic() - self._last >= self._every

    def save(self, state: Mapping[str, np.ndarray]) -> None:
        """Save `state`; a disk that is full or not writable, or a folder that is gone, costs the safety alone."""
        meta = {"schema": _SCHEMA, "fingerprint": self._fingerprint, "checksum": _checksum(state)}
        with contextlib.suppress(UsageError):
            if self._is_here():
                array_files.save_tensors(self.path, state, meta)
        self._last = time.monotonic()


def checkpoints_of(task: StackTask) -> Callable[..., TrainingCheckpoint | None]:
    """A function from the seeds that train in one stack, and a digest of their data's files, to where their state is.

    It returns None where nothing is kept.
    """
    held = task.progress if task.progress is not None and task.progress.is_here else None

    def checkpoint(seeds: Sequence[int], data: str = "") -> TrainingCheckpoint | None:
        if held is None:
            return None
        group = hashlib.sha256(repr(tuple(seeds)).encode()).hexdigest()[:16]
        stack = safe_id(task.cells[0].stack_id)
        kind = task.device.partition(":")[0]
        fingerprint = hashlib.sha256("\0".join((stack, group, task.code_hash, data, kind)).encode()).hexdigest()
        return TrainingCheckpoint(
            Path(held.folder) / f"{stack}-{group}.safetensors", fingerprint, held.every, lambda: held.is_here
        )

    return checkpoint


def open_place(directory: Path) -> Place:
    """The place for training states in a run's directory; creates the folder where it is missing."""
    folder = Path(directory).absolute() / FOLDER
    if folder.is_symlink():
        raise UsageError(f"{printable(folder)} is a link to somewhere else; remove it and run the same command again")
    make_directory(folder, parents=False)
    token = secrets.token_hex(8)
    write_text(folder / TOKEN, token, parents=False)
    return Place(str(folder), token, EVERY)


def tidy(directory: Path, unfinished: Collection[str] = ()) -> None:
    """Delete the states of all stacks but the `unfinished` ones (stack ids), and the folder when it is empty."""
    folder = Path(directory) / FOLDER
    if folder.is_symlink() or not folder.is_dir():
        return
    with file_errors("delete", folder):
        for path in folder.iterdir():
            if _OURS.fullmatch(path.name) and path.name.partition("-")[0] not in unfinished:
                path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            folder.rmdir()


def _checksum(state: Mapping[str, Any]) -> int:
    total = 0
    for name in sorted(state):
        values = np.ascontiguousarray(state[name])
        total = zlib.crc32(name.encode(), total)
        total = zlib.crc32(values.reshape(-1).view(np.uint8).data, total)
    return total
