"""Loss terms and gradients of a training step, replayed as a flat list of tensor operations once they are known.

A stacked step spends more time in Python (`torch.vmap`, module calls, autograd's bookkeeping) than in arithmetic when
the networks are small. So a step that keeps coming back with the same shapes is recorded, forward and backward
together, and from then on only its operations run: the same operations on the same numbers
(`bench.train.replay.recorder`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bench.train.noise import Request
from bench.train.replay.recorder import Recorder
from bench.train.stack import Stack


class Gradients:
    """Computes, for the players that are due, the terms of a step and the gradients of each player's parameters.

    Args:
        stack: the models.
        players: term → names of the parameters that it trains.
        precision: makes the context of the forward pass.
        replay: whether recurring steps may be recorded.
        compiled: whether recorded steps are compiled, at the price of their last bits.
    """

    def __init__(
        self,
        stack: Stack,
        players: dict[str, list[str]],
        precision: Callable[[], Any],
        replay: bool = True,
        compiled: bool = False,
    ) -> None:
        self._stack = stack
        self._players = players
        self._precision = precision
        self.recorder = Recorder(lambda: replay and stack.recordable, compiled)
        self._layouts: dict[tuple, _Layout] = {}

    def __call__(
        self,
        x: Tensor,
        y: Tensor | None,
        progress: Tensor,
        requests: Sequence[Request],
        noise: Sequence[Tensor],
        due: Sequence[str],
    ) -> tuple[dict[str, Tensor], dict[str, Tensor | None], dict[str, Tensor]]:
        """Terms (K, B), the gradient of every parameter that a player in `due` trains, and new buffers, all detached.

        Args:
            x, y, progress, requests, noise: as `Stack.terms` takes them.
            due: the players whose parameters are to be stepped.
        """
        kind = (tuple(x.shape), y is None, tuple(due))
        live = self._stack.live
        inputs = [*live.values(), x, *([] if y is None else [y]), progress, *noise]

        def flat(*tensors: Tensor) -> list[Tensor]:
            state, (x, *rest) = self._stack.split(tensors)
            label = None if y is None else rest.pop(0)
            terms, gradients, buffers = self._ordinary(state, x, label, rest[0], requests, rest[1:], due)
            found = {name: gradient for name, gradient in gradients.items() if gradient is not None}
            unused = dict.fromkeys(gradients.keys() - found.keys())
            self._layouts[kind] = _Layout(list(terms), list(found), unused, list(buffers))
            return [*terms.values(), *found.values(), *buffers.values()]

        values = iter(self.recorder(kind, flat, inputs, len(live)))
        layout = self._layouts[kind]
        terms, found, buffers = (
            {name: next(values) for name in names} for names in (layout.terms, layout.gradients, layout.buffers)
        )
        return terms, found | layout.unused, buffers

    def _ordinary(self, state, x, y, progress, requests, noise, due):
        with self._precision():
            terms, buffers = self._stack.outcome(x, y, progress, requests, noise, state)
        parameters = self._stack.parameters if state is None else state
        gradients: dict[str, Tensor | None] = {}
        for player in due:
            names = self._players[player]
            own = [parameters[name] for name in names]
            total = terms[player].mean(-1).sum()
            found = torch.autograd.grad(total, own, retain_graph=player != due[-1], allow_unused=True)
            for name, gradient in zip(names, found, strict=True):
                # Fused optimisers walk memory, so a gradient must lie as its parameter does.
                gradients[name] = None if gradient is None else gradient.contiguous()
        # Cloned, because a value that is a buffer or an input itself would move with it.
        buffers = {name: value.detach().clone() for name, value in buffers.items()}
        return {name: value.detach() for name, value in terms.items()}, gradients, buffers


@dataclass(frozen=True)
class _Layout:
    """What the values of a step are called: terms, the gradients there are (`unused` are without one), buffers."""

    terms: list[str]
    gradients: list[str]
    unused: dict[str, None]
    buffers: list[str]
