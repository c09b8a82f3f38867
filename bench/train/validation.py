"""The validation part, looked at between training steps: loss terms and the course of q(z|x), per seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from bench.train.batches import Rows
from bench.train.noise import NoiseSource, binarised
from bench.train.posterior_course import posterior_course
from bench.train.replay.recorder import Recorder
from bench.train.stack import Stack

#: Rows of the validation part that the history looks at; early stopping looks at all of them.
HISTORY_ROWS = 4096
#: Numbers per seed that one batch holds.
READ_VALUES = 1 << 20


class Validation:
    """Looks at the validation part with the live weights of a stack, with the same draws every time.

    Args:
        stack: the models, in evaluation mode when this is called.
        rows: the validation part.
        seeds: the K seeds.
        device: where everything is.
        whole: all rows instead of the first `HISTORY_ROWS`.
        binarise: "dynamic" draws pixels from Bernoulli(x).
        record: whether looks may be recorded.
    """

    def __init__(
        self,
        stack: Stack,
        rows: Rows,
        seeds: Sequence[int],
        device: torch.device,
        whole: bool,
        binarise: str,
        record: bool = True,
    ) -> None:
        self._stack, self._rows, self._seeds, self._device = stack, rows, tuple(seeds), device
        self._limit = None if whole else HISTORY_ROWS
        self._dynamic = binarise == "dynamic"
        self._block = max(256, READ_VALUES // max(int(np.prod(rows.data_shape)), 1))
        self._recorder = Recorder(lambda: record and stack.recordable)
        self._terms: list[str] = []
        self._progress = torch.ones((), device=device)

    def __call__(self) -> dict[str, np.ndarray]:
        """Means (K,) of every loss term by name, and the course of q(z|x) over the first; {} where there are no rows.

        Terms are those of the end of the training (progress 1): with the weights that annealing has meanwhile, early
        ones would look better than they are.
        """
        if len(self._rows) == 0:
            return {}
        noise = NoiseSource(self._seeds, self._device, "validation")
        sums: list[Tensor] = []
        course: dict[str, np.ndarray] = {}
        count = 0
        for start, x, y in self._rows.blocks(self._limit, size=self._block):
            parts = self._sums(start, x, y, noise)
            # what a recording returns is overwritten by its next call
            sums = [one + other for one, other in zip(sums, parts, strict=True)] if sums else [p.clone() for p in parts]
            course = course or posterior_course(self._stack, x)
            count += len(x)
        means = {name: (value / count).cpu().numpy() for name, value in zip(self._terms, sums, strict=True)}
        return course | means

    def _sums(self, start: int, x: Tensor, y: Tensor | None, noise: NoiseSource) -> list[Tensor]:
        """Sums (K,) over x (B, *data_shape) of every term, as float64."""
        stack, width, progress = self._stack, self._stack.width, self._progress
        requests = stack.requests(x, y, progress)
        draws = noise.at(start, 0, requests, False)
        given = x[None]
        if self._dynamic:
            pixels = NoiseSource(self._seeds, self._device, "validation pixels")
            given = binarised(x.expand(width, *x.shape), pixels, start)

        def sums(*tensors: Tensor) -> list[Tensor]:
            state, (given, *rest) = stack.split(tensors)
            label = None if y is None else rest.pop(0).expand(width, len(y))
            with torch.set_grad_enabled(not stack.models[0].stackable):  # such a loss may differentiate
                terms = stack.terms(given.expand(width, *given.shape[1:]), label, rest[0], requests, rest[1:], state)
            self._terms = list(terms)
            return [term.detach().double().sum(-1) for term in terms.values()]

        live = stack.live
        inputs = [*live.values(), given, *([] if y is None else [y]), progress, *draws]
        return self._recorder((tuple(given.shape), y is None), sums, inputs, len(live))
