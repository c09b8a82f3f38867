"""Loss terms and gradients of a training step, replayed as a flat list of tensor operations once they are known.

A stacked step spends more time in Python (`torch.vmap`, module calls, autograd's bookkeeping) than in arithmetic when
the networks are small. So a step that keeps coming back with the same shapes is recorded by `make_fx`, forward and
backward together, and from then on only its operations run: the same operations on the same numbers. A recording is
used only after it has agreed with the ordinary step to the last bit on two batches, which also catches a loss that
keeps state of its own in Python.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from bench.train.noise import Request
from bench.train.stack import Stack

#: Ordinary steps of a shape before it is recorded, so that shapes that hardly recur are not.
WARM_UP = 20
#: Batches on which a recording must agree with the ordinary step.
TRIALS = 2


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
        self._recordings: dict[tuple, _Recording | None] = {}

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
        recording = self._recordings.get(key)
        if recording is not None and recording.trusted:
            return recording.replay(self._stack.parameters, x, y, progress, noise)
        result = self._ordinary(self._stack.parameters, x, y, progress, requests, noise, due)
        if self._may_replay and key not in self._recordings:
            self._seen[key] = self._seen.get(key, 0) + 1
            if self._seen[key] > WARM_UP:
                self._recordings[key] = self._record(x, y, progress, requests, noise, due)
        elif recording is not None and not recording.agrees(result, self._stack.parameters, x, y, progress, noise):
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

    def _record(self, x, y, progress, requests, noise, due) -> _Recording | None:
        names = list(self._stack.parameters)
        layout: dict[str, list[str]] = {}

        def flat(values: list[Tensor], x: Tensor, y: Tensor | None, progress: Tensor, noise: list[Tensor]):
            terms, gradients = self._ordinary(
                dict(zip(names, values, strict=True)), x, y, progress, requests, noise, due
            )
            layout["terms"], layout["gradients"] = list(terms), [n for n, g in gradients.items() if g is not None]
            layout["unused"] = [n for n, g in gradients.items() if g is None]
            return [*terms.values(), *(gradients[name] for name in layout["gradients"])]

        try:
            graph = make_fx(flat)(list(self._stack.parameters.values()), x, y, progress, list(noise))
        except Exception:  # a loss that cannot be recorded takes the ordinary step
            return None
        _drop_no_ops(graph)
        return _Recording(graph, layout)


class _Recording:
    """A recorded step and how often it has agreed with the ordinary one."""

    def __init__(self, graph: torch.fx.GraphModule, layout: dict[str, list[str]]) -> None:
        self._graph, self._layout = graph, layout
        self._agreed = 0

    @property
    def trusted(self) -> bool:
        return self._agreed >= TRIALS

    def replay(self, parameters, x, y, progress, noise):
        """What the ordinary step returns."""
        with torch.no_grad():
            values = self._graph(list(parameters.values()), x, y, progress, list(noise))
        n_terms = len(self._layout["terms"])
        terms = dict(zip(self._layout["terms"], values[:n_terms], strict=True))
        gradients: dict[str, Tensor | None] = dict(zip(self._layout["gradients"], values[n_terms:], strict=True))
        return terms, gradients | dict.fromkeys(self._layout["unused"])

    def agrees(self, result, parameters, x, y, progress, noise) -> bool:
        """Whether the recording gives `result`, bit for bit, on these inputs; counts towards trust."""
        try:
            mine = self.replay(parameters, x, y, progress, noise)
        except Exception:  # then the ordinary step is taken from here on
            return False
        same = all(_identical(a, b) for a, b in zip(result, mine, strict=True))
        self._agreed += same
        return same


def _drop_no_ops(graph: torch.fx.GraphModule) -> None:
    """Take out aliases and permutations that permute nothing, which vectorisation leaves behind by the dozen."""
    for node in list(graph.graph.nodes):
        alias = node.target is torch.ops.aten.alias.default
        permutation = node.target is torch.ops.aten.permute.default and list(node.args[1]) == sorted(node.args[1])
        if alias or permutation:
            node.replace_all_uses_with(node.args[0])
            graph.graph.erase_node(node)
    graph.recompile()


def _identical(one: dict[str, Tensor | None], other: dict[str, Tensor | None]) -> bool:
    if one.keys() != other.keys():
        return False
    pairs = [(value, other[name]) for name, value in one.items()]
    return all(
        (a is None and b is None) or (a is not None and b is not None and torch.allclose(a, b, 0, 0, equal_nan=True))
        for a, b in pairs
    )
