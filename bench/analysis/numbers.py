"""How numbers look in every report: as many digits as their interval supports, the same in Markdown and HTML."""

from __future__ import annotations

import math

#: More seeds than this are not worth naming.
MOST_SEEDS = 1000
#: What stands beside every number of seeds: following it by adding seeds until a mark appears makes false marks.
FRESH = "tested alone (adding seeds until a mark appears makes false marks)"


def number(value: float | None, digits: int = 4) -> str:
    """A number with `digits` significant digits; "–" for none."""
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(value)))
    if magnitude < -4 or magnitude >= 7:
        return f"{value:.{digits - 1}e}"
    return f"{value:,.{max(digits - 1 - magnitude, 0)}f}"


def with_interval(mean: float, half: float) -> str:
    """ "mean ± half" with two significant digits of the half-width; the mean alone where there is no interval."""
    if not math.isfinite(mean):
        return "–"
    if not math.isfinite(half):
        return number(mean)
    if half == 0:
        return f"{number(mean)} ± 0"
    places = 1 - math.floor(math.log10(half))
    if abs(mean) >= 1e7 or half < 1e-6 or half >= 1e7:
        return f"{mean:.3e} ± {half:.1e}"
    places = max(places, 0)
    return f"{mean:,.{places}f} ± {half:,.{places}f}"


def signed(mean: float, half: float) -> str:
    """A difference with its sign, e.g. "+0.0021 ± 0.0004"."""
    text = with_interval(mean, half)
    if mean == 0 and half == 0:
        return "0"
    return text if text.startswith("-") or text == "–" else f"+{text}"


def p_value(p: float) -> str:
    """A p value as papers print it."""
    if not math.isfinite(p):
        return "–"
    if p < 0.0001:
        return "< 0.0001"
    return f"{p:.4f}" if p < 0.01 else f"{p:.2f}"


def percent(share: float) -> str:
    """A share as a percentage with two significant digits."""
    if not math.isfinite(share):
        return "–"
    value = 100 * share
    if value == 0 or abs(value) >= 9.95:
        return f"{value:.0f} %"
    return f"{value:.{max(0, 1 - math.floor(math.log10(abs(value))))}f} %"


def seconds(value: float) -> str:
    """A duration a person reads."""
    if not math.isfinite(value):
        return "–"
    if value < 60:
        return f"{value:.2g} s" if value < 10 else f"{value:.0f} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def size(value: float) -> str:
    """Bytes a person reads."""
    if not math.isfinite(value):
        return "–"
    for unit in ("B", "KB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:.3g} {unit}"
        value /= 1000
    raise AssertionError("unreachable")


def count(value: float) -> str:
    """A whole number with thousands separated."""
    return f"{int(value):,}" if math.isfinite(value) else "–"


def between(mean: float, low: float, high: float, places: int) -> str:
    """A number with the ends of its interval, e.g. "0.62 [0.58, 0.66]"; the number alone where there is no interval."""
    if not math.isfinite(mean):
        return "n/a"
    if not math.isfinite(low):
        return f"{mean:.{places}f}"
    return f"{mean:.{places}f} [{low:.{places}f}, {high:.{places}f}]"


def between_signed(mean: float, low: float, high: float) -> str:
    """A difference with its sign and the ends of its interval, e.g. "-0.0021 [-0.0031, -0.0011]"."""
    half = (high - low) / 2
    if not 1e-6 <= half < 1e7:
        return f"{mean:+.3g} [{low:+.3g}, {high:+.3g}]"
    places = max(1 - math.floor(math.log10(half)), 0)
    return f"{mean:+.{places}f} [{low:+.{places}f}, {high:+.{places}f}]"


def seeds_text(needed: float) -> str:
    """Seeds of a fresh run, e.g. "a fresh run of about 34 seeds"."""
    count_text = f"more than {MOST_SEEDS:,}" if needed > MOST_SEEDS else f"about {needed:.0f}"
    return f"a fresh run of {count_text} seeds"


def seeds_cell(needed: float | None) -> str:
    """Seeds in all as a table shows them, e.g. "about 34"."""
    if needed is None:
        return ""
    return f"about {needed:.0f}" if needed <= MOST_SEEDS else f"> {MOST_SEEDS:,}"
