"""The child process of an engine: runs the stacks it is sent, one after another, and sends back what they left.

Started as `python -c BOOTSTRAP`, never forked and never through the user's own script, so it needs no `__main__` guard.
It lives in a session of its own: Ctrl-C reaches only the parent. It ends at once when the parent does.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import pickle
import queue
import signal
import threading
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from bench.spec.plugin_path import OWN

#: What a child executes; its arguments are the parent's `sys.path` as JSON and the number of the connection's file.
BOOTSTRAP = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1])\n"
    f"{OWN}\n"
    "from bench.runs.engines.child_main import main; main(int(sys.argv[2]))"
)
#: Exit code of a child that can no longer speak to its parent.
LOST = 74
#: How readily the kernel ends a child instead of its parent when memory runs out (0 … 1000).
_OOM_SCORE = "500"


@dataclass(frozen=True)
class Setup:
    """The first message to a child.

    Attributes:
        plugins: `--plugins` paths.
        data: (index, places, file number) of `bench.runs.engines.shared_arrays`, or None.
    """

    plugins: tuple[str, ...] = ()
    data: tuple[bytes, list[tuple[int, int]], int] | None = None


@dataclass(frozen=True)
class CheckTask:
    """Ask a child for what a user can have wrong, see `bench.runs.cells.preflight`."""

    checks: tuple[Any, ...]


@dataclass(frozen=True)
class CallTask:
    """Ask a child to call `module.name(*arguments)` of this package."""

    module: str
    name: str
    arguments: tuple[Any, ...]


def main(file_number: int) -> None:
    """Serve tasks until the parent hangs up."""
    try:
        _serve(file_number)
    except OSError:  # the parent is gone, or a plugin closed what is not its own: nobody hears more
        os._exit(LOST)


def _serve(file_number: int) -> None:
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write(_OOM_SCORE)
    os.dup2(2, 1)  # what a plugin prints must not mix with the parent's own output
    connection = Connection(file_number)
    messages: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(connection, messages), daemon=True).start()
    setup: Setup = pickle.loads(messages.get())

    import torch

    import bench.runs.cells.stack_run  # noqa: F401  (all that a stack needs, while the parent plans)
    from bench.runs.cells.worker_state import Workshop
    from bench.runs.engines.shared_arrays import unpack
    from bench.spec.plugin_path import open_folders
    from bench.spec.registry import Registry

    torch.optim.SGD([torch.zeros(1, requires_grad=True)])  # torch loads another part of itself with the first one
    open_folders(setup.plugins)
    workshop = Workshop(Registry.discover(setup.plugins), None if setup.data is None else unpack(*setup.data))
    while True:
        task = pickle.loads(messages.get())
        connection.send(("begun", None))
        if isinstance(task, CheckTask):
            _check(connection, task.checks, workshop)
        elif isinstance(task, CallTask):
            _call(task)
        else:
            _run(connection, task, workshop)
        connection.send(("end", None))


def _listen(connection: Connection, messages: queue.SimpleQueue[bytes]) -> None:
    """Take in messages; when the parent is gone, end this process and whatever a plugin started in it.

    They are unpickled elsewhere: that imports torch, which two threads had better not do at the same time.
    """
    try:
        while True:
            messages.put(connection.recv_bytes())
    except (EOFError, OSError):
        os.killpg(os.getpgid(0), signal.SIGKILL)


def _check(connection: Connection, checks: tuple[Any, ...], workshop: Any) -> None:
    from bench.errors import UsageError
    from bench.runs.cells.preflight import carry_out

    for check in checks:
        try:
            words = carry_out(check, workshop)
        except UsageError as error:
            connection.send(("wrong", str(error)))
            return
        connection.send(("checked", words))


def _call(task: CallTask) -> None:
    with contextlib.suppress(Exception):
        getattr(importlib.import_module(task.module), task.name)(*task.arguments)


def _run(connection: Connection, task: Any, workshop: Any) -> None:
    from bench.runs.cells.cell_records import failure_record
    from bench.runs.cells.stack_run import run_stack
    from bench.runs.cells.task import CellResult
    from bench.runs.cells.training_state import checkpoints_of

    def on_step(done: int, steps: int) -> None:
        connection.send(("step", (done, steps)))

    for result in run_stack(task, workshop, on_step, checkpoints_of(task)):
        try:
            connection.send(("result", result))
        except Exception as error:  # it holds something that cannot be sent, e.g. a value of a plugin's own type
            cell = next(cell for cell in task.cells if cell.cell_id == result.record["cell_id"])
            connection.send(("result", CellResult(failure_record(task, cell, error))))
