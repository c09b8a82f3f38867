"""Is one piece of code slower than another? Paired, interleaved timing in one process, with a control against noise.

Every round times the subject, the reference, and the reference once more, in rotating order. The ratio of the two
references is the control: what it shows is noise. Intervals are distribution-free intervals of the median over rounds.
A round in which this process was kept waiting for its core is thrown away and repeated; a machine too busy or too noisy
to tell gives "inconclusive", never a false alarm and never a pass by luck.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import comb

import pytest

#: The most a median interval may miss the true median.
ERROR = 0.01
#: The control, whose true value is 1, may stray by this factor before a machine counts as too noisy, whatever the
#: limit.
NOISE = 1.15
#: A round counts as disturbed when the process waited for so much of it, and so many seconds.
WAITED, WAITED_SECONDS = 0.05, 1e-3
#: Rounds that are tried for each one that is needed, and fewer undisturbed ones than this tell nothing.
TRIES, FEWEST = 4, 11


@dataclass(frozen=True)
class Verdict:
    """`outcome` is "ok", "slower" or "inconclusive"; the rest says why."""

    outcome: str
    ratio: float
    interval: tuple[float, float]
    control: tuple[float, float]
    limit: float

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"{self.outcome}: {self.ratio:.3f} × the reference (interval {low:.3f} to {high:.3f}), "
            f"limit {self.limit:.2f}; the reference against itself {self.control[0]:.3f} to {self.control[1]:.3f}"
        )


def compare(
    subject: Callable[[], object],
    reference: Callable[[], object],
    limit: float,
    rounds: int = 21,
    attempts: int = 3,
    clock: Callable[[Callable[[], object]], float] | None = None,
    meter: Callable[[], tuple[float, float]] = lambda: (time.perf_counter(), time.process_time()),
) -> Verdict:
    """Whether `subject` takes more than `limit` times as long as `reference`.

    "slower": the whole interval of the ratio lies above the limit, also with the control's own bias taken off, and the
    control's interval lies within `NOISE` of 1. "ok": the whole interval lies below. Otherwise more rounds are added,
    and after the last attempt it stays "inconclusive".

    Args:
        clock: seconds that a function takes; by the wall clock if None.
        meter: (wall-clock seconds, processor seconds of this process), by which disturbed rounds are known.
    """
    clock = clock or _seconds
    ratios: list[float] = []
    controls: list[float] = []
    turns = [("subject", subject), ("reference", reference), ("control", reference)]
    for _, function in turns[:2]:
        clock(function)
    for attempt in range(attempts):
        wanted = len(ratios) + rounds
        for number in range(rounds * TRIES):
            shift = (attempt + number) % 3
            began = meter()
            times = {name: clock(function) for name, function in turns[shift:] + turns[:shift]}
            if _kept_waiting(began, meter()):
                continue
            ratios.append(times["subject"] / times["reference"])
            controls.append(times["control"] / times["reference"])
            if len(ratios) == wanted:
                break
        verdict = judge(ratios, controls, limit)
        if verdict.outcome != "inconclusive":
            return verdict
    return verdict


def _kept_waiting(began: tuple[float, float], ended: tuple[float, float]) -> bool:
    wall, processor = ended[0] - began[0], ended[1] - began[1]
    return wall - processor > max(WAITED * wall, WAITED_SECONDS)


def judge(ratios: list[float], controls: list[float], limit: float) -> Verdict:
    """The verdict on paired ratios of undisturbed rounds."""
    if len(ratios) < FEWEST:
        return Verdict("inconclusive", math.nan, (0.0, math.inf), (0.0, math.inf), limit)
    middle, low, high = median_interval(ratios)
    control_middle, control_low, control_high = median_interval(controls)
    bias = max(control_middle, 1 / control_middle)
    quiet = 1 / NOISE < control_low and control_high < NOISE
    outcome = "slower" if quiet and low > limit * bias else "ok" if high <= limit else "inconclusive"
    return Verdict(outcome, middle, (low, high), (control_low, control_high), limit)


def median_interval(values: list[float], error: float = ERROR) -> tuple[float, float, float]:
    """Median and an interval of order statistics that misses the true one with at most probability `error`."""
    ordered, n = sorted(values), len(values)
    middle = (ordered[(n - 1) // 2] + ordered[n // 2]) / 2
    missed, rank = 0.0, 0
    while rank < n // 2 and 2 * (missed + comb(n, rank) / 2**n) <= error:
        missed += comb(n, rank) / 2**n
        rank += 1
    rank = max(rank - 1, 0)
    return middle, ordered[rank], ordered[n - 1 - rank]


def require(verdict: Verdict) -> None:
    """Fail the test on "slower", skip it on "inconclusive"."""
    if verdict.outcome == "inconclusive":
        pytest.skip(f"this machine is too noisy to tell: {verdict}")
    assert verdict.outcome == "ok", str(verdict)


def repeated(function: Callable[[], object], times: int) -> Callable[[], None]:
    """Calls `function` so many times: a unit of work long enough to time."""

    def run() -> None:
        for _ in range(times):
            function()

    return run


def _seconds(function: Callable[[], object]) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started
