"""Timing functions against each other: interleaved rounds, warm-up, synchronised; CUDA events and graphs on a GPU."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from bench.train.replay import cudagraph
from bench.train.replay.compiler import quiet_tool_chain

with quiet_tool_chain():  # it warns where a CUDA toolkit is installed and no GPU is
    from torch.utils.benchmark import Timer


@dataclass(frozen=True)
class Effort:
    """How much time a measurement may take.

    Attributes:
        rounds: independent timings of each function, interleaved with those of the others.
        block_seconds: least time of one timing; short functions are repeated within it.
    """

    rounds: int
    block_seconds: float


FULL = Effort(rounds=15, block_seconds=0.02)
QUICK = Effort(rounds=5, block_seconds=0.003)


@dataclass(frozen=True)
class Spread:
    """Seconds per call of one function: the timings in the order of the rounds."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def quartiles(self) -> tuple[float, float]:
        low, _, high = statistics.quantiles(self.seconds, n=4)
        return low, high


def ratio(slow: Spread, fast: Spread) -> float:
    """How many times faster `fast` is: the median over rounds of the ratio within each round."""
    return statistics.median(a / b for a, b in zip(slow.seconds, fast.seconds, strict=True))


def interleaved(
    functions: Mapping[str, Callable[[], object]], device: torch.device, threads: int, effort: Effort
) -> dict[str, Spread]:
    """Seconds per call of each function, timed in turns so that a change of the machine's state meets all of them."""
    clock = _cuda_clock if device.type == "cuda" else _cpu_clock
    clocks = {name: clock(function, threads) for name, function in functions.items()}
    repeats = {name: _repeats(run, effort) for name, run in clocks.items()}
    timings: dict[str, list[float]] = {name: [] for name in clocks}
    for _ in range(effort.rounds):
        for name, run in clocks.items():
            timings[name].append(run(repeats[name]))
    return {name: Spread(tuple(values)) for name, values in timings.items()}


def _repeats(run: Callable[[int], float], effort: Effort) -> int:
    """Calls per timing, after the calls that warm caches, allocators and clocks up."""
    run(2)
    return max(1, round(effort.block_seconds / run(3)))


def _cpu_clock(function: Callable[[], object], threads: int) -> Callable[[int], float]:
    timer = Timer("function()", globals={"function": function}, num_threads=threads)
    return lambda number: timer.timeit(number).median


def _cuda_clock(function: Callable[[], object], threads: int) -> Callable[[int], float]:
    replay = _graph(function)

    def run(number: int) -> float:
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        for _ in range(number):
            replay()
        end.record()
        end.synchronize()
        return start.elapsed_time(end) / 1e3 / number

    return run


def _graph(function: Callable[[], object]) -> Callable[[], object]:
    """`function` as a CUDA graph, so that launching does not count; `function` itself where it cannot be captured.

    Generators that the function draws from are found in its attribute `generators`, or in that of its object.
    """
    owner = getattr(function, "__self__", function)
    try:
        return cudagraph.captured(function, getattr(owner, "generators", ()))[1]
    except RuntimeError:
        return function
