"""The rules under which a comparison fails a build: `quality`, `speed:10%`, `METRIC:2%`."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis.compare import Comparison
from bench.analysis.numbers import percent
from bench.errors import UsageError
from bench.text import printable

_RULE = re.compile(r"(?P<name>[^:]+)(?::(?P<limit>\d+(?:\.\d*)?)\s*%)?")


@dataclass(frozen=True)
class Gate:
    """One rule. `limit` is a share: 0.1 for 10 %; None for `quality`."""

    name: str
    limit: float | None

    @property
    def metric(self) -> str | None:
        """The metric it looks at; None for quality and speed."""
        return None if self.name in ("quality", "speed") else self.name


def parse_gates(rules: Sequence[str]) -> list[Gate]:
    """Rules as the command line gives them, several in one word separated by commas.

    Raises:
        UsageError: not one of the three forms.
    """
    gates = []
    for rule in (part.strip() for text in rules for part in text.split(",")):
        found = _RULE.fullmatch(rule)
        if not found or (found["name"] == "quality") != (found["limit"] is None):
            raise UsageError(
                f"--fail {printable(rule, 60)!r} is no rule; write quality, speed:10% or METRIC:2% (e.g. test_mse:2%)"
            )
        gates.append(Gate(found["name"].replace("-", "_"), float(found["limit"]) / 100 if found["limit"] else None))
    return gates


def violations(comparison: Comparison, gates: Sequence[Gate]) -> list[str]:
    """What fails, one line each; empty when the comparison passes.

    quality: something is marked `-`, or a cell with a result in BASE has none in NEW. METRIC:p%: NEW is worse by more
    than p % in some stack, and the paired test says that it is worse. speed:p%: training takes more than p % longer in
    the geometric mean over stacks, and the interval over stacks excludes no change (a single stack has no interval).

    Raises:
        UsageError: a speed rule where speeds cannot be compared.
    """
    lines = []
    for gate in gates:
        if gate.name == "quality":
            worse = [c for c in comparison.changes if c.mark == "-"]
            lines += [f"{c.metric} of {c.variant} on {c.dataset} is worse ({percent(c.worse_by)})" for c in worse]
            lines += [f"no result any more: {text}" for text in comparison.lost]
        elif gate.name == "speed":
            lines += _speed(comparison, gate.limit)
        else:
            limit = percent(gate.limit)
            lines += [
                f"{c.metric} of {c.variant} on {c.dataset} is worse by {percent(c.worse_by)}, more than {limit}"
                for c in comparison.changes
                if c.metric == gate.metric and c.mark == "-" and not c.worse_by <= gate.limit
            ]
    return list(dict.fromkeys(lines))


def _speed(comparison: Comparison, limit: float) -> list[str]:
    if comparison.speed_reason or not comparison.speeds:
        why = comparison.speed_reason or "no stack has valid timings in both runs"
        raise UsageError(f"--fail speed cannot be decided: {why}")
    ratio, low, _ = comparison.speed_ratio()
    if ratio > 1 + limit and (math.isnan(low) or low > 1):
        return [f"training takes {percent(ratio - 1)} longer, more than {percent(limit)}"]
    return []
