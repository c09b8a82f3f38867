"""The rules under which a comparison fails a build: `quality`, `quality:2%`, `METRIC:2%`, `speed:10%`.

`quality` fails where something is shown to be worse. With a margin a rule asks for more: NEW must be *shown* not to be
worse by more than the margin (non-inferiority, the upper end of the one-sided 95 % interval), so that lack of evidence
is no pass. Every row must pass, so that no correction for many rows is needed. A rule fails as well where something
that BASE has is gone, and it is undecided, which is no pass, where it compared nothing.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.analysis.changes import Change
from bench.analysis.compare import Comparison
from bench.analysis.numbers import percent
from bench.errors import UsageError
from bench.text import printable

_RULE = re.compile(r"(?P<name>[^:]+)(?::(?:(?P<limit>\d+(?:\.\d*)?)\s*%|(?P<own>margin)))?")
_NEEDS_LIMIT = "quality, quality:2%, quality:margin, speed:10% or METRIC:2% (e.g. test_mse:2%)"


@dataclass(frozen=True)
class Gate:
    """One rule. `limit` is a share: 0.1 for 10 %; "margin" for each metric's own smallest effect; None for none."""

    name: str
    limit: float | Any

    @property
    def metric(self) -> str | None:
        """The metric it looks at; None for quality and speed."""
        return None if self.name in ("quality", "speed") else self.name

    def limit_of(self, change: Change) -> float:
        """The margin of one change, as a share of BASE."""
        return change.smallest if self.limit == "margin" else self.limit


@dataclass(frozen=True)
class Outcome:
    """Why rules are broken, and why others could not be decided: both empty when the comparison passes."""

    failed: list[str] = field(default_factory=list)
    undecided: list[str] = field(default_factory=list)


def parse_gates(rules: Sequence[str]) -> list[Gate]:
    """Rules as the command line gives them, several in one word separated by commas.

    Raises:
        UsageError: not one of the forms.
    """
    gates = []
    for rule in (part.strip() for text in rules for part in text.split(",")):
        found = _RULE.fullmatch(rule)
        limit = None
        if found:
            limit = float(found["limit"]) / 100 if found["limit"] else found["own"]
        if not found or (limit is None and found["name"] != "quality") or (found["name"], limit) == ("speed", "margin"):
            raise UsageError(f"--fail {printable(rule, 60)!r} is no rule; write {_NEEDS_LIMIT}")
        gates.append(Gate(found["name"].replace("-", "_"), limit))
    return gates


def judge_gates(comparison: Comparison, gates: Sequence[Gate]) -> Outcome:
    """What fails and what cannot be decided, one line each.

    quality: something is marked `-`. quality:p% and METRIC:p%: some row is not shown to be worse by at most p %. Each
    of them fails where a cell with a result in BASE has none in NEW, or a value is gone. speed:p%: training takes more
    than p % longer in the geometric mean over stacks, and the interval over stacks excludes no change (a single stack
    has no interval).
    """
    out = Outcome()
    for gate in gates:
        if gate.name == "speed":
            _speed(comparison, gate.limit, out)
        else:
            _quality(comparison, gate, out)
    return Outcome(list(dict.fromkeys(out.failed)), list(dict.fromkeys(out.undecided)))


def _quality(comparison: Comparison, gate: Gate, out: Outcome) -> None:
    rows = [c for c in comparison.changes if gate.metric in (None, c.metric)]
    compared = [c for c in rows if c.mark != "x"]
    out.failed.extend(f"no result any more: {text}" for text in comparison.lost)
    if not compared and not comparison.lost:
        reasons = Counter(c.reason for c in rows)
        why = "; ".join(f"{reason} ({n} {'row' if n == 1 else 'rows'})" for reason, n in reasons.most_common(3))
        out.undecided.append(f"--fail {gate.name} compared nothing: {why or 'neither run has a value'}")
        return
    out.failed.extend(f"{_named(c)} cannot be compared any more: {c.lost}" for c in rows if c.lost)
    if gate.limit is None:
        out.failed.extend(f"{_named(c)} is worse ({percent(c.worse_by)}{c.of_what})" for c in compared if c.mark == "-")
        return
    out.failed.extend(_not_shown(c, gate.limit_of(c)) for c in compared if not c.worse_most <= gate.limit_of(c))
    alone = [c for c in rows if c.mark == "x" and c.n == 1]
    out.failed.extend(f"{_named(c)}: {c.reason}, so that no margin can be shown" for c in alone)


def _not_shown(change: Change, limit: float) -> str:
    """A row that misses its margin: by evidence, or for lack of it."""
    if change.worse_by > limit and change.mark == "-":
        worse = percent(change.worse_by)
        return f"{_named(change)} is worse by {worse}{change.of_what}, more than {percent(limit)}"
    most = percent(change.worse_most) if math.isfinite(change.worse_most) else "any amount"
    return (
        f"{_named(change)} is not shown to be worse by at most {percent(limit)}: it may be worse by {most}"
        f"{change.of_what} ({change.n} {change.unit}s)"
    )


def _named(change: Change) -> str:
    return f"{change.metric} of {change.variant} on {change.dataset}"


def _speed(comparison: Comparison, limit: float, out: Outcome) -> None:
    if comparison.speed_reason or not comparison.speeds:
        why = comparison.speed_reason or "no stack has valid timings in both runs"
        out.undecided.append(f"--fail speed cannot be decided: {why}")
        return
    ratio, low, _ = comparison.speed_ratio()
    if ratio > 1 + limit and (math.isnan(low) or low > 1):
        out.failed.append(f"training takes {percent(ratio - 1)} longer, more than {percent(limit)}")
