"""How many seeds train together: a fixed rule from measurements, so that a command's numbers never depend on timing."""

from __future__ import annotations

import torch

#: Seeds in one stack at most; beyond it nothing is gained and memory grows.
WIDEST = 64
#: On a CPU, networks with more multiply-adds per example than this fill the cores alone and are not stacked.
CPU_PARAMETERS = 400_000


def stack_width(seeds: int, n_parameters: int, stackable: bool, convolutional: bool, device: torch.device) -> int:
    """Seeds per stack for a model of `n_parameters`: 1 where stacking was measured not to be faster."""
    if not stackable:
        return 1
    if device.type == "cpu" and (convolutional or n_parameters > CPU_PARAMETERS):
        return 1
    return min(seeds, WIDEST)


def is_convolutional(model: torch.nn.Module) -> bool:
    """Whether a model holds a convolution."""
    kinds = (torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Conv3d, torch.nn.ConvTranspose2d)
    return any(isinstance(module, kinds) for module in model.modules())
