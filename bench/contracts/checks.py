"""Checks of single values that plugins and settings share: one clear line for a value of the wrong type or size."""

from __future__ import annotations

from bench.errors import UsageError


def number_in(name: str, value: float, low: float, high: float = float("inf"), *, open_low: bool = False) -> float:
    """`value` if it is a number within [low, high] (or (low, high]); a one-line `UsageError` otherwise."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UsageError(f"{name}={value!r} is not a number; give a number {_interval(low, high, open_low)}")
    inside = (value > low if open_low else value >= low) and value <= high
    if not inside or value != value or abs(value) == float("inf"):
        raise UsageError(f"{name}={value!r} is out of range; give a number {_interval(low, high, open_low)}")
    return value


def whole_number(name: str, value: int, low: int) -> int:
    """`value` if it is a whole number of at least `low`; a one-line `UsageError` otherwise."""
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise UsageError(f"{name}={value!r} is not a whole number of at least {low}")
    return value


def _interval(low: float, high: float, open_low: bool) -> str:
    least = f"above {low:g}" if open_low else f"of at least {low:g}"
    return least if high == float("inf") else f"{least} and at most {high:g}"
