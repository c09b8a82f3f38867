"""Functions of tensors that come back with the same shapes: recorded as a list of operations, and the list run again.

Between two operations Python costs more than the arithmetic of a small network. The list that `make_fx` leaves is
therefore run, where that works, by TorchScript's interpreter with its optimiser off (the same operations in the same
order, hence the same bits), and on a GPU as one CUDA graph. TorchScript is on its way out. Without it the list is run
as a Python function of torch's public functions (`listing`), whose interpreter takes about 1 µs more for each of some
75 operations: processor time 1.17 × TorchScript's for one digits VAE, 1.05 × for ten stacked, 1.02 × at MNIST's size
(medians of 40 in turns on a busy machine, torch 2.14). Also tried, for the same three: the graph's own code 1.58, 1.13
and 1.14; operations called through their registry, all bound beforehand, 1.29, 1.07 and 1.08; views of the parameters
made once, 0.05 less for one VAE. So none is as fast for a single small model, and for stacks the list nearly is.

Where asked for, Inductor compiles the list first: fewer passes over the data, other last bits. A way is trusted once
it has given the function's numbers on a few batches, which also catches a function that keeps state of its own in
Python; one that fails or differs makes room for the next, and after the last the function itself stays.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, fx

from bench import torch_private
from bench.torch_private import scripted
from bench.train.replay import cudagraph
from bench.train.replay.compiler import quiet_tool_chain
from bench.train.replay.listing import listed
from bench.train.replay.simplify import simplified

#: Calls of one kind before it is recorded, so that shapes that hardly recur are not: recording costs some thirty calls.
WARM_UP = 5
#: Batches on which a way must agree with the function, one after another.
TRIALS = 2
#: A GPU may take sums in another order from call to call, and a compiled step in another than written: numbers then
#: agree within this share of their largest.
TOLERANCE = 1e-4

Function = Callable[..., Sequence[Tensor]]


class Recorder:
    """Calls functions of tensors, from a recording once that is trusted.

    Args:
        enabled: whether anything may be recorded, asked when it is about to be.
        compiled: whether recordings are compiled.
    """

    def __init__(self, enabled: Callable[[], bool], compiled: bool = False) -> None:
        self._enabled = enabled
        self._compiled = compiled
        self._seen: dict[Hashable, int] = {}
        self._recordings: dict[Hashable, Recording | None] = {}

    def __call__(self, kind: Hashable, function: Function, inputs: Sequence[Tensor], fixed: int) -> list[Tensor]:
        """What `function(*inputs)` returns; on a GPU valid until the next call of the kind.

        Args:
            kind: calls of one kind agree in the function and in the shapes and types of all tensors.
            function: tensors in, tensors out.
            fixed: how many inputs, from the first on, are the same tensors in every call (parameters, moved in place).
        """
        recording = self._recordings.get(kind)
        if recording is not None and recording.trusted:
            return recording.replay(inputs)
        result = list(function(*inputs))
        if kind not in self._recordings:
            self._seen[kind] = self._seen.get(kind, 0) + 1
            if self._seen[kind] > WARM_UP and self._enabled():
                self._recordings[kind] = _recorded(function, inputs, fixed, self._compiled)
        elif recording is not None and not recording.agrees(result, inputs):
            self._recordings[kind] = None  # from now on the function itself
        return result

    def trusts(self) -> list[bool]:
        """Whether each kind that was to be recorded is run from its recording."""
        return [recording is not None and recording.trusted for recording in self._recordings.values()]


def _recorded(function: Function, inputs: Sequence[Tensor], fixed: int, compiled: bool) -> Recording | None:
    try:
        return Recording(function, inputs, fixed, compiled)
    except Exception:  # what cannot be recorded is called
        return None


class Recording:
    """A recorded function of tensors and how far it can be trusted.

    Args:
        function: what to record: tensors in, a list of tensors out; called once.
        inputs: tensors of the shapes that every later call has.
        fixed: how many inputs, from the first on, are the same tensors in every call (parameters, moved in place).
        compiled: whether to compile it.

    Raises:
        Exception: whatever `function` does that cannot be recorded.
    """

    def __init__(self, function: Function, inputs: Sequence[Tensor], fixed: int, compiled: bool = False) -> None:
        examples = [tensor.detach() for tensor in inputs]
        graph = simplified(torch_private.recorded(function, inputs), examples)
        self._ways = _ways(graph, examples, fixed, compiled)
        self._tolerance = TOLERANCE if compiled or inputs[0].device.type == "cuda" else 0.0
        self._way: Function | Any = None  # a function once it is trusted
        self._agreed = 0

    @property
    def trusted(self) -> bool:
        return self._agreed >= TRIALS

    def replay(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """What `function(*inputs)` returns; on a GPU valid until the next call."""
        with torch.no_grad():
            return list(self._way(*inputs))

    def agrees(self, expected: Sequence[Tensor], inputs: Sequence[Tensor]) -> bool:
        """Whether some way gives `expected` on these inputs; counts towards trust in it. False: there is none left."""
        while self._way is not None or self._next():
            try:
                found = self.replay(inputs)
                same = all(_alike(one, other, self._tolerance) for one, other in zip(expected, found, strict=True))
            except Exception:  # whatever stops this way, another may work
                same = False
            if same:
                self._agreed += 1
                return True
            self._way = None
        return False

    def _next(self) -> bool:
        self._agreed = 0
        for make in self._ways:
            try:
                self._way = make()
                return True
            except Exception:  # no such way here: no CUDA graph of this list, no TorchScript in this torch
                continue
        return False


def _ways(graph: fx.GraphModule, inputs: list[Tensor], fixed: int, compiled: bool) -> Iterator[Callable[[], Function]]:
    """Makers of ways to run `graph`, the fastest first."""
    if inputs[0].device.type == "cuda":
        if compiled:
            yield lambda: Captured(inductor(graph, inputs), inputs, fixed, cudagraph.captured)
        yield lambda: Captured(graph, inputs, fixed, cudagraph.captured)
    if compiled:
        yield lambda: inductor(graph, inputs)
    yield lambda: scripted(graph, inputs)
    yield lambda: listed(graph)
    yield lambda: graph


def inductor(graph: fx.GraphModule, inputs: Sequence[Tensor]) -> Function:
    """`torch_private.inductor`, silent about its tools."""
    with quiet_tool_chain():
        return torch_private.inductor(graph, inputs)


class Captured:
    """A function of tensors captured once and replayed as a whole, on inputs copied to where it expects them.

    Args:
        function: launches the same work whenever it is called.
        inputs: the first `fixed` are used where they are, the others are copied in before each replay.
        capture: calls a function of no arguments so that what it launches is kept; returns its result, whose tensors
            every replay fills anew, and the replay.
    """

    def __init__(
        self,
        function: Function,
        inputs: Sequence[Tensor],
        fixed: int,
        capture: Callable[[Callable[[], Any]], tuple[Any, Callable[[], None]]],
    ) -> None:
        self._fixed = [tensor.data_ptr() for tensor in inputs[:fixed]]
        self._changing = [tensor.clone() for tensor in inputs[fixed:]]
        own = [*inputs[:fixed], *self._changing]
        with torch.no_grad():
            self._outputs, self._replay = capture(lambda: function(*own))

    def __call__(self, *inputs: Tensor) -> Sequence[Tensor]:
        """The outputs for `inputs`, valid until the next call.

        Raises:
            ValueError: a fixed input lies elsewhere than at the capture.
        """
        if [tensor.data_ptr() for tensor in inputs[: len(self._fixed)]] != self._fixed:
            raise ValueError("a captured step was given other parameters than it was captured with")
        for own, given in zip(self._changing, inputs[len(self._fixed) :], strict=True):
            own.copy_(given)
        self._replay()
        return self._outputs


def _alike(one: Tensor, other: Tensor, tolerance: float) -> bool:
    """The same numbers, or numbers within this share of the largest."""
    if tolerance and one.numel():
        tolerance *= float(one.detach().abs().nan_to_num(0, 0, 0).max())
    return torch.allclose(one, other, 0, tolerance, equal_nan=True)
