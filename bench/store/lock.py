"""One writer per run directory: an advisory lock that dies with its process and names its holder.

(The package filelock, which torch asks for in any release, does neither in all of them: 3.13 empties the file of a lock
that it does not get, and with it the holder's name, and a forked child that lives on keeps the lock of a killed run.)
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import time
import weakref
from datetime import UTC, datetime
from pathlib import Path

from bench.errors import UsageError
from bench.files import file_errors, open_own
from bench.posix import fcntl
from bench.text import printable

#: Seconds within which whoever takes a lock has written its name.
_UNNAMED = 2.0

_held: weakref.WeakSet[DirectoryLock] = weakref.WeakSet()


class DirectoryLock:
    """An exclusive lock on `directory`, held from construction until `release` or the end of the process.

    A forked child gives its copy up at once, so that a killed run never stays locked by an orphan.

    Raises:
        UsageError: another process holds the lock (named by pid, host and start), the directory is not writable, or the
            lock's file is a link or no regular file.
    """

    def __init__(self, directory: Path):
        self.path = Path(directory) / ".lock"
        self._handle: int | None = open_own(self.path, os.O_RDWR)
        try:
            self._acquire()
        except BaseException:
            self._close()
            raise
        _held.add(self)

    def _acquire(self) -> None:
        assert self._handle is not None
        end = time.monotonic() + _UNNAMED
        while not self._locked():
            name = self._holder()
            if name or time.monotonic() > end:
                raise UsageError(
                    f"another run is writing to {printable(self.path.parent)} ({name or 'its holder is not known'}); "
                    "wait for it, stop it, or give another --output"
                )
            time.sleep(0.01)  # it holds the lock, and is about to write its name or to let go
        holder = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "started": datetime.now(UTC).isoformat("T", "seconds"),
        }
        with file_errors("write", self.path):
            os.ftruncate(self._handle, 0)
            os.pwrite(self._handle, json.dumps(holder).encode(), 0)

    def _locked(self) -> bool:
        assert self._handle is not None
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                return False
            with file_errors("lock", self.path):
                raise
        return True

    def _holder(self) -> str:
        """Who holds the lock, in words; "" while that is not written."""
        assert self._handle is not None
        try:
            holder = json.loads(os.pread(self._handle, 4096, 0))
            parts = f"pid {holder['pid']} on {holder['host']}, started {holder['started']}"
        except (OSError, ValueError, KeyError, TypeError):
            return ""
        return printable(parts, 200)

    def _close(self) -> None:
        if self._handle is not None:
            with contextlib.suppress(OSError):
                os.close(self._handle)
            self._handle = None

    def release(self) -> None:
        """Gives the lock up; the file stays, empty, so that no second holder can slip in between."""
        if self._handle is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(self._handle, 0)
                fcntl.flock(self._handle, fcntl.LOCK_UN)
        self._close()


def refuse_second_writer(directory: Path) -> None:
    """`UsageError` at once when another run writes to `directory`, before any time is spent on preparations."""
    if os.path.lexists(Path(directory) / ".lock"):
        DirectoryLock(Path(directory)).release()


def _forget_in_child() -> None:
    for lock in list(_held):
        lock._close()


os.register_at_fork(after_in_child=_forget_in_child)
