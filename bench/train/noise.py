"""Noise for `loss(batch, draw)`: every number is a function of (seed, step, position), never of the stack.

A first call of the loss records which draws it asks for; from then on the harness draws ahead, in blocks of steps, one
generator per seed and block. Nothing has to be saved to resume a training, and a seed's numbers do not depend on
which other seeds train beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bench.errors import PluginError
from bench.seeding import derived_seed

#: A block holds at most this many numbers per seed, and at most this many steps.
BLOCK_NUMBERS = 1 << 17
BLOCK_STEPS = 64
#: In the place of a request and its tensor when there are no more.
_NO_PAIR: tuple[None, Any] = (None, None)


@dataclass(frozen=True)
class Request:
    """One call on `draw`: its kind ("normal", "uniform", "permutation") and shape."""

    kind: str
    shape: tuple[int, ...]


class RecordingDraw:
    """A `Draw` that notes the requests and answers with zeros (identity for permutations)."""

    def __init__(self, device: torch.device) -> None:
        self.requests: list[Request] = []
        self._device = device

    def normal(self, shape: Sequence[int]) -> Tensor:
        return self._zeros("normal", shape)

    def uniform(self, shape: Sequence[int]) -> Tensor:
        return self._zeros("uniform", shape)

    def permutation(self, n: int) -> Tensor:
        self.requests.append(Request("permutation", (int(n),)))
        return torch.arange(n, device=self._device)

    def _zeros(self, kind: str, shape: Sequence[int]) -> Tensor:
        self.requests.append(Request(kind, tuple(int(size) for size in shape)))
        return torch.zeros(self.requests[-1].shape, device=self._device)


class PlannedDraw:
    """A `Draw` that hands out prepared tensors in the recorded order."""

    def __init__(self, requests: Sequence[Request], tensors: Sequence[Tensor]) -> None:
        self._pairs = iter(zip(requests, tensors, strict=True))

    def normal(self, shape: Sequence[int]) -> Tensor:
        return self._next("normal", tuple(shape))

    def uniform(self, shape: Sequence[int]) -> Tensor:
        return self._next("uniform", tuple(shape))

    def permutation(self, n: int) -> Tensor:
        return self._next("permutation", (n,))

    def _next(self, kind: str, shape: tuple[int, ...]) -> Tensor:
        request, tensor = next(self._pairs, _NO_PAIR)
        if request is None or request.kind != kind or request.shape != shape:
            raise PluginError(
                f"loss asked for draw.{kind}({shape}) where an earlier call with the same batch size asked for "
                f"{request}; the draws of a loss may depend on the batch's shape only"
            )
        return tensor


def draw_block(request: Request, steps: int, generator: torch.Generator, out: Tensor) -> None:
    """Fill `out` (steps, *request.shape) from `generator`."""
    if request.kind == "normal":
        out.normal_(generator=generator)
    elif request.kind == "uniform":
        out.uniform_(generator=generator)
    else:
        for step in range(steps):
            torch.randperm(request.shape[0], generator=generator, out=out[step])


class NoiseSource:
    """Draws for a stack of seeds: `at(step, rows)` gives one tensor (K, *shape) per recorded request.

    Args:
        seeds: the K seeds.
        device: where the numbers are drawn and used.
        role: separates streams, e.g. "train" from "evaluation".
    """

    def __init__(self, seeds: Sequence[int], device: torch.device, role: str) -> None:
        self._seeds = tuple(seeds)
        self._device = device
        self._role = role
        self._generator = torch.Generator(device=device)
        self._blocks: dict[tuple[int, int], tuple[int, Tensor]] = {}

    def at(self, step: int, part: int, requests: Sequence[Request], in_blocks: bool) -> list[Tensor]:
        """The draws of `step`; `part` counts repeated calls within one step; ragged batches come without blocks."""
        return [self._one(step, part, position, request, in_blocks) for position, request in enumerate(requests)]

    def _one(self, step: int, part: int, position: int, request: Request, in_blocks: bool) -> Tensor:
        size = max(math.prod(request.shape), 1)
        steps = max(1, min(BLOCK_STEPS, BLOCK_NUMBERS // size)) if in_blocks else 1
        block, offset = divmod(step, steps)
        key = (part, position) if in_blocks else (-1 - part, position)
        held = self._blocks.get(key)
        if held is None or held[0] != block or held[1].shape[2:] != request.shape:
            held = (block, self._fill(block, part, position, request, steps, held))
            self._blocks[key] = held
        return held[1][:, offset]

    def _fill(self, block, part, position, request, steps, held) -> Tensor:
        shape = (len(self._seeds), steps, *request.shape)
        if held is not None and held[1].shape == shape:
            out = held[1]
        else:
            dtype = torch.int64 if request.kind == "permutation" else torch.float32
            out = torch.empty(shape, dtype=dtype, device=self._device)
        for row, seed in enumerate(self._seeds):
            self._generator.manual_seed(derived_seed(seed, self._role, part, position, steps, block))
            draw_block(request, steps, self._generator, out[row])
        return out


def binarised(x: Tensor, source: NoiseSource, step: int) -> Tensor:
    """Pixels drawn from Bernoulli(x): (K, B, *data_shape) → the same, of zeros and ones."""
    (uniform,) = source.at(step, 0, [Request("uniform", tuple(x.shape[1:]))], False)
    return (uniform < x).to(x.dtype)


class GeneratorDraw:
    """A `Draw` that takes every number from one generator, for a single model outside of training."""

    def __init__(self, generator: torch.Generator) -> None:
        self._generator = generator

    def normal(self, shape) -> Tensor:
        return self._filled("normal", shape, torch.float32)

    def uniform(self, shape) -> Tensor:
        return self._filled("uniform", shape, torch.float32)

    def permutation(self, n: int) -> Tensor:
        return self._filled("permutation", (n,), torch.int64)

    def _filled(self, kind: str, shape, dtype: torch.dtype) -> Tensor:
        request = Request(kind, tuple(shape))
        out = torch.empty((1, *request.shape), dtype=dtype, device=self._generator.device)
        draw_block(request, 1, self._generator, out)
        return out[0]
