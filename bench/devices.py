"""The device that a run asks for, and whether it has what the run needs."""

from __future__ import annotations

import torch

from bench.errors import UsageError
from bench.kernels.compiler import compiler_for
from bench.settings import TrainSettings


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


def refuse_what_is_not_there(settings: TrainSettings, device: str, here: bool) -> None:
    """Raise `UsageError` where a training asks for what a device has not: TF32 on a CPU, a compiler that works.

    Args:
        device: "cpu", "cuda" or "cuda:N". here: whether it is this machine's; another's compiler is not looked at.
    """
    if settings.precision == "tf32" and not device.startswith("cuda"):
        raise UsageError("precision tf32 needs a GPU, and this run is on the CPU; give float32 or bf16")
    if settings.compile and here:
        compiler = compiler_for(torch.device(device))
        if not compiler.works:
            why = f"--compile needs a working compiler ({compiler.reason})"
            raise UsageError(f"{why}; install one or leave --compile out")
