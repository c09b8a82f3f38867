"""The device of a run on this machine, without loading torch where nothing but the CPU can be meant."""

from __future__ import annotations

import sys
from pathlib import Path

#: How the files of an accelerator's driver begin, without which no process can reach it.
_NODES = ("nvidia", "nvhost", "nvmap", "dxg", "kfd")
_DEVICES = Path("/dev")


def local_device(name: str) -> str:
    """The device that `name` ("auto", "cpu", "cuda", "cuda:N") stands for here; `UsageError` when it does not exist."""
    if name == "cpu" or (name == "auto" and not may_have_gpu()):
        return "cpu"
    from bench.train.device import resolve_device

    return resolve_device(name)


def may_have_gpu() -> bool:
    """Whether torch has to be asked: on Linux a GPU that can be used has a file of its driver."""
    if not sys.platform.startswith("linux"):
        return True
    return any(path.name.startswith(_NODES) for path in _DEVICES.iterdir())
