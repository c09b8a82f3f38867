"""Floating-point operations of a training step, counted and not timed."""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode

from bench.contracts.variant import Variant
from bench.train.batches import Rows
from bench.train.noise import NoiseSource
from bench.train.stack import Stack


def flops_per_step(model: Variant, rows: Rows, batch_size: int, device: torch.device) -> int:
    """Operations of one forward and backward pass of every player's term of `model` on one batch of `rows`.

    Matrix products and convolutions count, elementwise work does not (`torch.utils.flop_counter`). The gradients of
    `model` are left set; give a model that is not trained.
    """
    stack = Stack([model], len(rows))
    x, y = rows.gather(torch.arange(batch_size, device=device))
    progress = torch.zeros((), device=device)
    requests = stack.requests(x, y, progress)
    noise = NoiseSource([0], device, "flops").at(0, 0, requests, False)
    players = tuple(type(model).players)
    with FlopCounterMode(display=False) as counter:
        terms = stack.terms(x[None], None if y is None else y[None], progress, requests, noise)
        for player in players:
            terms[player].mean().backward(retain_graph=player != players[-1])
    return counter.get_total_flops()
