"""A child process as its parent sees it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from multiprocessing.connection import Connection
from typing import Any

import psutil

from bench.cores import bounded_spin
from bench.runs.cells.task import StackTask
from bench.runs.engines.child_main import BOOTSTRAP, LOST, Setup
from bench.runs.engines.shared_arrays import PackedSplit
from bench.runs.progress import duration

#: Seconds within which a child process must be ready.
START_LIMIT = 300.0
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class Child:
    """A child process that runs one task at a time.

    Args:
        plugins: `--plugins` paths.
        data: arrays given to `bench.run`, or None.
        threads: what numerical libraries may use, or None to leave that to them.

    Attributes:
        connection: where its messages come from: (kind, content), see `bench.runs.engines.child_main`.
        task: what it works on, or None.
        left: cell_id → cell of `task` without a result so far.
        cause: (status, reason) why it was ended from here, or None.
        begun: whether it has said that it works on `task`.
        suspect: whether a cell failed in it, so that it had better not be used again.
    """

    def __init__(self, plugins: tuple[str, ...], data: PackedSplit | None, threads: int | None) -> None:
        ours, theirs = socket.socketpair()
        files = [theirs.fileno(), *([data.file.fileno()] if data else ())]
        path = [entry or os.getcwd() for entry in sys.path]
        environment = os.environ | bounded_spin(os.environ)
        if threads is not None:
            environment |= dict.fromkeys(_THREAD_VARIABLES, str(threads))
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-c", BOOTSTRAP, json.dumps(path), str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=files,
                env=environment,
                start_new_session=True,
            )
        self.connection = Connection(ours.detach())
        self.view = psutil.Process(self.process.pid)
        self.task: Any = None
        self.left: dict[str, Any] = {}
        self.cause: tuple[str, str] | None = None
        self.suspect = False
        self.deadline: float | None = None
        self.limit: float | None = None
        self.begun = False
        self._send(Setup(plugins, None if data is None else (data.index, data.places, data.file.fileno())))

    def assign(self, task: Any, limit: float | None) -> None:
        """Give it a task that may take `limit` seconds, or None for as long as it likes."""
        self.task, self.limit = task, limit
        self.left = {cell.cell_id: cell for cell in task.cells} if isinstance(task, StackTask) else {}
        self.deadline, self.begun = time.monotonic() + START_LIMIT, False
        self._send(task)

    def receive(self) -> tuple[str, Any] | None:
        """Its next message, or None when it has ended."""
        try:
            kind, content = self.connection.recv()
        except Exception:  # the end of the line, or half a message from one that was killed
            return None
        if kind == "begun":
            self.begun = True
            self.deadline = None if self.limit is None else time.monotonic() + self.limit
        elif kind == "result":
            self.left.pop(content.record["cell_id"], None)
        elif kind == "end":
            self.deadline = self.task = None
        return kind, content

    @property
    def usable(self) -> bool:
        """Whether it can be given a task."""
        return self.task is None and self.cause is None and self.process.poll() is None

    def end(self, status: str, reason: str) -> None:
        """Kill it with everything it started, and remember why."""
        self.cause = self.cause or (status, reason)
        self._kill()

    def close(self) -> None:
        """End it, if that has not happened yet, and wait until it is gone."""
        self._kill()
        self.process.wait()
        self.connection.close()

    def death(self) -> tuple[str, str]:
        """(status, reason) for the cells it left, once its messages have come to an end."""
        self.close()
        self.task = None
        if self.cause is not None:
            return self.cause
        code = self.process.returncode
        if code < 0:
            name = signal.Signals(-code).name if -code in set(signal.Signals) else "unknown"
            memory = "; the system may have run out of memory" if -code == signal.SIGKILL else ""
            return "killed", f"its process was ended by signal {-code} ({name}){memory}"
        if code == LOST:
            return (
                "killed",
                "its process lost its connection to the run; its code may have closed what is not its own",
            )
        return "killed", f"its process ended by itself, with exit code {code}, before it was done"

    def _kill(self) -> None:
        if self.process.returncode is not None:  # reaped: its number may belong to another process by now
            return
        with contextlib.suppress(psutil.Error):
            for process in self.view.children(recursive=True):
                process.kill()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def overtime(self) -> tuple[str, str] | None:
        """(status, reason) when its time is up."""
        if self.deadline is None or time.monotonic() < self.deadline:
            return None
        if not self.begun:
            return "killed", f"its process was not ready within {duration(START_LIMIT)}"
        return "timeout", f"not done after {duration(self.limit or 0)} (--timeout)"

    def _send(self, message: Any) -> None:
        with contextlib.suppress(OSError):  # one that has died is found out when its messages are read
            self.connection.send(message)
