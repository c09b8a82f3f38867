"""Optimisers and learning-rate schedules. All are elementwise, so that stacked seeds cannot influence each other.

Names, parameters and their ranges are checked by `bench.spec.training` before anything is trained.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from bench import torch_private

_KINDS = {
    "adam": (torch.optim.Adam, {"fused": True}),
    "adamw": (torch.optim.AdamW, {"fused": True}),
    "sgd": (torch.optim.SGD, {"fused": True}),
    "rmsprop": (torch.optim.RMSprop, {"foreach": True}),
}


class Updater:
    """An optimiser over `tensors`, stepped along gradients that are handed in.

    Args:
        name: "adam", "adamw", "sgd", "rmsprop"; fused where torch has that.
        params: its parameters as torch names them, `lr` among them.
        tensors: what it steps, in place.
        factors: of the rate `lr`, one for each tensor; () for 1.
    """

    def __init__(
        self, name: str, params: Mapping[str, Any], tensors: Iterable[Tensor], factors: Sequence[float] = ()
    ) -> None:
        own = list(tensors)
        groups: dict[float, list[int]] = {}
        for index, factor in enumerate(factors or [1.0] * len(own)):
            groups.setdefault(factor, []).append(index)
        self._groups = [
            (indices, _Group(name, {**params, "lr": factor * params["lr"]}, [own[index] for index in indices]))
            for factor, indices in groups.items()
        ]

    def step(self, gradients: Sequence[Tensor | None], scale: float) -> None:
        """One step along `gradients`, in the order of the tensors and laid out as they are, at `scale` times the rate.

        A tensor without a gradient stays where it is.
        """
        for indices, group in self._groups:
            group.step([gradients[index] for index in indices], scale)

    def state(self) -> dict[str, Tensor]:
        """What it keeps between steps, by "<position of the tensor>.<name>"."""
        return {
            f"{indices[place]}.{name}": value
            for indices, group in self._groups
            for (place, name), value in group.state().items()
        }

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state` returned."""
        for indices, group in self._groups:
            places = {str(index): place for place, index in enumerate(indices)}
            entries = {key.partition("."): value for key, value in state.items()}
            group.load({(places[at], name): value for (at, _, name), value in entries.items() if at in places})


class _Group:
    """The tensors of an `Updater` that share a rate."""

    def __init__(self, name: str, params: Mapping[str, Any], tensors: list[Tensor]) -> None:
        kind, options = _KINDS[name]
        self._tensors = tensors
        self._optimizer = kind(self._tensors, **params, **options)
        # The kernel behind fused Adam: on small networks `Optimizer.step` spends longer around it than it takes.
        self._kernel: Any = (torch_private.found("fused Adam") or {}).get(name)
        self._rate = self._group["lr"]
        self._state: tuple[list[Tensor], ...] | None = None  # for the kernel, once it is there

    def step(self, gradients: Sequence[Tensor | None], scale: float) -> None:
        if self._state is not None and all(gradient is not None for gradient in gradients):
            self._kernel(self._tensors, gradients, *self._state, scale * self._rate, self._group)
            return
        for tensor, gradient in zip(self._tensors, gradients, strict=True):
            tensor.grad = gradient
        self._group["lr"] = scale * self._rate
        self._optimizer.step()
        self._optimizer.zero_grad()
        self._find_state()

    def state(self) -> dict[tuple[int, str], Tensor]:
        entries = self._optimizer.state_dict()["state"]
        return {
            (index, name): torch.as_tensor(value)
            for index, entry in entries.items()
            for name, value in entry.items()
            if value is not None
        }

    def load(self, state: Mapping[tuple[int, str], Tensor]) -> None:
        whole = self._optimizer.state_dict()
        whole["state"] = {}
        for (index, name), value in state.items():
            like = self._tensors[index]
            if value.shape == like.shape:  # fused optimisers walk memory: it must lie as its parameter does
                value = torch.empty_like(like, dtype=value.dtype, requires_grad=False).copy_(value)
            whole["state"].setdefault(index, {})[name] = value
        self._optimizer.load_state_dict(whole)
        self._find_state()

    @property
    def _group(self) -> dict[str, Any]:
        return self._optimizer.param_groups[0]

    def _find_state(self) -> None:
        entries = [self._optimizer.state.get(tensor) for tensor in self._tensors]
        self._state = None
        if self._kernel is not None and not self._group["amsgrad"] and all(entries):
            names = ("exp_avg", "exp_avg_sq", "step")
            self._state = tuple([entry[name] for entry in entries] for name in names)


def rate(schedule: str, params: Mapping[str, Any], step: int, steps: int) -> float:
    """The learning rate of `step` (0-based) of `steps`, relative to its start.

    "constant"; "cosine", half a cosine down to 0; "stages", whose i-th stage (from 0) takes the share
    lengths[i] / Σ lengths of the steps, at factor to the power i.
    """
    if schedule == "constant":
        return 1.0
    if schedule == "cosine":
        return 0.5 * (1.0 + math.cos(math.pi * step / steps))
    ends = list(itertools.accumulate(params["lengths"]))
    stage = sum(step * ends[-1] >= end * steps for end in ends[:-1])
    return params["factor"] ** stage
