"""What a reader of core figures must know about the machine, in general terms."""

from __future__ import annotations

import torch

from bench.core.measuring import device_name
from bench.environment import cpu_model
from bench.kernels.compiler import compiler_for


def facts_of(device: torch.device, compile: str) -> dict[str, str]:
    """Device, threads, versions and how the one-pass kernels were made."""
    capability = torch.backends.cpu.get_cpu_capability()
    processor = f"{cpu_model() or 'CPU'}, {capability}, {torch.get_num_threads()} threads"
    return {
        "device": processor if device.type == "cpu" else device_name(device),
        "torch": torch.__version__.partition("+")[0],
        "one-pass kernels": compiler_for(device, compile).reason,
    }
