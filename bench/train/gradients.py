"""Loss terms and gradients of a training step, replayed as a flat list of tensor operations once they are known.

A stacked step spends more time in Python (`torch.vmap`, module calls, autograd's bookkeeping) than in arithmetic when
the networks are small. So a step that keeps coming back with the same shapes is recorded, forward and backward
together, and from then on only its operations run: the same operations on the same numbers. A recording is used only
after it has agreed with the ordinary step on a few batches (`bench.train.recording`), which also catches a loss that
keeps state of its own in Python.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from bench.train.noise import Request
from bench.train.recording import Recording
from bench.train.stack import Stack

#: Ordinary steps of a shape before it is recorded, so that shapes that hardly recur are not.
WARM_UP = 20


class Gradients:
    """Computes, for the players that are due, the terms of a step and the gradients of each player's parameters.

    Args:
        stack: the models.
        players: term → names of the parameters that it trains.
        precision: makes the context of the forward pass.
        replay: whether recurring steps may be recorded.
    """

    def __init__(
        self, stack: Stack, players: dict[str, list[str]], precision: Callable[[], Any], replay: bool = True
    ) -> None:
        self._stack = stack
        self._players = players
        self._precision = precision
        # Running statistics would move twice where a recording is compared with the ordinary step.
        self._may_replay = replay and type(stack.models[0]).stackable and not stack.buffers
        self._seen: dict[tuple, int] = {}
        self._recordings: dict[tuple, _RecordedStep | None] = {}

    def __call__(
        self,
        x: Tensor,
        y: Tensor | None,
        progress: Tensor,
        requests: Sequence[Request],
        noise: Sequence[Tensor],
        due: Sequence[str],
    ) -> tuple[dict[str, Tensor], dict[str, Tensor | None]]:
        """Terms (K, B), detached, and the gradient of every parameter that a player in `due` trains.

        Args:
            x, y, progress, requests, noise: as `Stack.terms` takes them.
            due: the players whose parameters are to be stepped.
        """
        key = (tuple(x.shape), y is None, tuple(due))
        recorded = self._recordings.get(key)
        if recorded is not None and recorded.trusted:
            return recorded.replay(x, y, progress, noise)
        result = self._ordinary(self._stack.parameters, x, y, progress, requests, noise, due)
        if self._may_replay and key not in self._recordings:
            self._seen[key] = self._seen.get(key, 0) + 1
            if self._seen[key] > WARM_UP:
                self._recordings[key] = self._record(x, y, progress, requests, noise, due)
        elif recorded is not None and not recorded.agrees(result, x, y, progress, noise):
            self._recordings[key] = None  # from now on the ordinary step
        return result

    def _ordinary(self, parameters, x, y, progress, requests, noise, due):
        with self._precision():
            terms = self._stack.terms(x, y, progress, requests, noise, parameters)
        gradients: dict[str, Tensor | None] = {}
        for player in due:
            names = self._players[player]
            own = [parameters[name] for name in names]
            total = terms[player].mean(-1).sum()
            found = torch.autograd.grad(total, own, retain_graph=player != due[-1], allow_unused=True)
            for name, gradient in zip(names, found, strict=True):
                # Fused optimisers walk memory, so a gradient must lie as its parameter does.
                gradients[name] = None if gradient is None else gradient.contiguous()
        return {name: value.detach() for name, value in terms.items()}, gradients

    def _record(self, x, y, progress, requests, noise, due) -> _RecordedStep | None:
        def step(parameters, x, y, progress, noise):
            return self._ordinary(parameters, x, y, progress, requests, noise, due)

        try:
            return _RecordedStep(step, self._stack.parameters, x, y, progress, noise)
        except Exception:  # a loss that cannot be recorded takes the ordinary step
            return None


class _RecordedStep:
    """`step(parameters, x, y, progress, noise)` → (terms, gradients), recorded."""

    def __init__(self, step, parameters: dict[str, Tensor], x, y, progress, noise) -> None:
        self._parameters = list(parameters.values())
        names = list(parameters)

        def flat(*tensors: Tensor) -> list[Tensor]:
            values, x, *rest = tensors[: len(names)], *tensors[len(names) :]
            label = None if y is None else rest.pop(0)
            terms, gradients = step(dict(zip(names, values, strict=True)), x, label, rest[0], rest[1:])
            self._terms = list(terms)
            self._unused = [name for name, gradient in gradients.items() if gradient is None]
            self._gradients = [name for name, gradient in gradients.items() if gradient is not None]
            return [*terms.values(), *(gradients[name] for name in self._gradients)]

        self._recording = Recording(flat, self._inputs(x, y, progress, noise), len(names))

    @property
    def trusted(self) -> bool:
        return self._recording.trusted

    def replay(self, x, y, progress, noise) -> tuple[dict[str, Tensor], dict[str, Tensor | None]]:
        """What the ordinary step returns."""
        values = self._recording.replay(self._inputs(x, y, progress, noise))
        n_terms = len(self._terms)
        gradients: dict[str, Tensor | None] = dict(zip(self._gradients, values[n_terms:], strict=True))
        return dict(zip(self._terms, values[:n_terms], strict=True)), gradients | dict.fromkeys(self._unused)

    def agrees(self, result, x, y, progress, noise) -> bool:
        """Whether the recording gives `result` on these inputs; counts towards trust."""
        terms, gradients = result
        unused = [name for name, gradient in gradients.items() if gradient is None]
        if list(terms) != self._terms or unused != self._unused:
            return False
        expected = [*terms.values(), *(gradients[name] for name in self._gradients)]
        return self._recording.agrees(expected, self._inputs(x, y, progress, noise))

    def _inputs(self, x, y, progress, noise) -> list[Tensor]:
        return [*self._parameters, x, *([] if y is None else [y]), progress, *noise]
