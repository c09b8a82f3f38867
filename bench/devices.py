"""What `--device` stands for on this machine."""

from __future__ import annotations

import torch

from bench.errors import UsageError


def resolve_device(name: str) -> str:
    """The device that "auto", "cpu", "cuda" or "cuda:N" stands for here; `UsageError` when it does not exist."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda"):
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if int(name.partition(":")[2] or 0) >= count:
            there = f"there {'is' if count == 1 else 'are'} {count}" if count else "torch sees none"
            raise UsageError(f"device {name!r} does not exist here ({there}); give --device cpu or auto")
    return name
