"""Trying foreign plugins in a process of their own, because one can hang or end the process that imports it.

What a plugin raises is not told here: that is found, with its message, when it is used. Built-in plugins are never
tried, so that a run without foreign ones starts no process.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from bench.spec.call import Call
from bench.spec.plugin_path import OWN
from bench.spec.registry import Registry, is_builtin

#: Seconds that the import of a plugin and the building of its object may take.
LIMIT = 120.0
#: Seconds within which the process must have started.
START_LIMIT = 120.0
#: What the process executes; its arguments are the parent's `sys.path` and the task as JSON.
_PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1])\n"
    f"{OWN}\n"
    "from bench.spec.trial import serve; serve(json.loads(sys.argv[2]))"
)


def foreign(registry: Registry, kind: str, name: str) -> bool:
    """Whether `name` is a usable plugin of `kind` that does not come with this package."""
    known = name in registry.names(kind)
    return known and not registry.info(kind, name).broken and not is_builtin(registry.info(kind, name))


def failures(
    registry: Registry, wanted: Sequence[tuple[str, Call]], limit: float | None = None
) -> dict[int, tuple[str, str]]:
    """Which of the foreign plugins in `wanted` hang or end their process: position → (status, reason).

    Args:
        wanted: (kind, call); variants and metrics are built, of data sets the file is imported alone.
        limit: seconds for each; `LIMIT` if None.
    """
    limit = LIMIT if limit is None else limit
    todo = [place for place, (kind, call) in enumerate(wanted) if foreign(registry, kind, call.name)]
    found: dict[int, tuple[str, str]] = {}
    while todo:
        entries = [(place, wanted[place][0], wanted[place][1].name, wanted[place][1].params) for place in todo]
        blamed = _try(registry.plugins, entries, limit)
        if blamed is None:
            return found
        place, outcome = blamed
        found[place] = outcome
        todo = todo[todo.index(place) + 1 :]
    return found


def _try(plugins: Sequence[str], entries: Sequence[Any], limit: float) -> tuple[int, tuple[str, str]] | None:
    """Try `entries` one after another in one process; the first that hangs or ends it, with what happened."""
    ours, theirs = os.pipe()
    path = [entry or os.getcwd() for entry in sys.path]
    task = {"plugins": list(plugins), "entries": entries, "pipe": theirs, "limit": limit}
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, json.dumps(path), json.dumps(task)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=[theirs],
        start_new_session=True,
    )
    os.close(theirs)
    try:
        done, hung = _listen(ours, 1 + len(entries), limit)
    finally:
        os.close(ours)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        code = process.wait()
    if done > len(entries) or done == 0:  # it was not the plugins' fault that the process could not start
        return None
    why = f"it did not come back within {limit:g} s" if hung else _death(code)
    return entries[done - 1][0], ("timeout" if hung else "killed", f"{why}, when it was imported and built on trial")


def _listen(pipe: int, expected: int, limit: float) -> tuple[int, bool]:
    """How many of `expected` marks came before the process ended, and whether one was waited for in vain.

    The first mark says that the process has started.
    """
    done, deadline = 0, time.monotonic() + START_LIMIT
    while done < expected:
        if not select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
            return done, True
        marks = os.read(pipe, 4096)
        if not marks:
            return done, False
        done, deadline = done + len(marks), time.monotonic() + limit
    return done, False


def _death(code: int) -> str:
    if code >= 0:
        return f"it ended its process with exit code {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else "unknown"
    return f"its process was ended by signal {-code} ({name})"


def serve(task: Mapping[str, Any]) -> None:
    """Import and build what `task` lists; write a mark at the start and for each that came back, however it did."""
    registry = Registry.discover(task["plugins"])
    if any(kind != "dataset" for _, kind, _, _ in task["entries"]):
        importlib.import_module("bench.contracts.variant")  # torch's own time is not the plugins'
    os.write(task["pipe"], b".")
    for _, kind, name, params in task["entries"]:
        signal.alarm(int(task["limit"]) + 60)  # ends a process whose parent is gone, even one that is held
        with contextlib.suppress(BaseException):
            loaded = registry.load(kind, name)
            if kind != "dataset":
                loaded(**params)
        os.write(task["pipe"], b".")
    os._exit(0)  # whatever threads and exit handlers were left behind
