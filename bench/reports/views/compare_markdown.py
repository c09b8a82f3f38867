"""A comparison as Markdown, for a terminal and for a pull request's comment."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from bench.analysis.changes import MARKS, Change
from bench.analysis.compare import Comparison
from bench.analysis.numbers import number, p_value, percent, seconds, signed
from bench.text import escape, table

ONE = "One data split each: intervals speak about seeds only."
SEVERAL = (
    "Several data splits: intervals rest on the means of splits over their seeds, widened for the rows that splits "
    "share and for what seeds have in common over splits."
)


def comparison_markdown(comparison: Comparison, failed: Sequence[str] = (), only_changed: bool = False) -> str:
    """The whole comparison; with `only_changed` without the rows that are the same or inconclusive."""
    lines = [f"## aebench compare: {escape(comparison.new)} against {escape(comparison.base)}", ""]
    if failed:
        lines += ["**Failed:**", "", *(f"- {escape(text)}" for text in failed), ""]
    counts = Counter(change.mark for change in comparison.changes)
    tally = ", ".join(f"{counts[mark]} {name} (`{mark}`)" for mark, name in MARKS.items() if counts[mark])
    lines += [f"**Quality:** {tally or 'nothing to compare'}.", ""]
    lines += [f"> {escape(note)}" + "\n" for note in comparison.notes]
    crossed = any(change.unit == "split" for change in comparison.changes)
    units = "Splits" if crossed else "Seeds"
    shown = [change for change in comparison.changes if not only_changed or change.mark in "+-x"]
    if shown:
        names = ("", "Variant", "Data", "Metric", "BASE", "NEW", "Difference", "Relative", "p (Holm)", units, "Note")
        lines += table(names, [_row(change) for change in shown], left=4)
    elif comparison.changes:
        lines += [f"No row is better or worse, none is lost: {tally}.", ""]
    if comparison.lost:
        lines += ["**No result any more:**", "", *(f"- {escape(text)}" for text in comparison.lost), ""]
    lines += _power(comparison)
    lines += _speed(comparison)
    lines += [
        "Paired by seed, 95 % t intervals, Holm over all rows but identical ones. `~`: identical, or the interval "
        f"within ± the metric's smallest effect of interest. {SEVERAL if crossed else ONE}",
        "",
    ]
    return "\n".join(lines)


def _power(comparison: Comparison) -> list[str]:
    """What these seeds can see at all."""
    found = sorted(change.detectable for change in comparison.changes if math.isfinite(change.detectable))
    if not found:
        return []
    seen = [change for change in comparison.changes if math.isfinite(change.detectable)]
    seeds, units = sorted({change.n for change in seen}), sorted({f"{change.unit}s" for change in seen})
    n = f"{seeds[0]} common" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]} common"
    middle = percent(found[len(found) // 2])
    spread = f" ({percent(found[0])} to {percent(found[-1])} over rows)" if len(found) > 1 else ""
    return [
        f"**Power:** with {n} {' or '.join(units)} and {len(found)} tests a change of {middle}{spread} is found four "
        "times in five; a smaller one may pass unseen. A rule with a margin (`quality:2%`) does not let it pass.",
        "",
    ]


def _row(change: Change) -> tuple[str, ...]:
    sign = "+" if change.relative > 0 else ""
    relative = "" if math.isnan(change.relative) else f"{sign}{_percent(change.relative)}{change.of_what}"
    return (
        f"`{change.mark}`",
        escape(change.variant),
        escape(change.dataset),
        escape(change.metric),
        number(change.base),
        number(change.new),
        signed(change.difference, change.half),
        relative,
        p_value(change.p),
        str(change.n) if change.n else "",
        escape(change.reason),
    )


def _percent(share: float) -> str:
    return f"-{percent(-share)}" if share < 0 else percent(share)


def _speed(comparison: Comparison) -> list[str]:
    if comparison.speed_reason:
        return [f"**Speed:** not compared: {escape(comparison.speed_reason)}.", ""]
    if not comparison.speeds:
        return ["**Speed:** not compared: no stack has valid timings in both runs.", ""]
    parts = []
    for what in ("training", "evaluation"):
        ratio, low, high = comparison.speed_ratio(what)
        if math.isfinite(ratio):
            interval = f" [{low:.2f}, {high:.2f}]" if math.isfinite(low) else ""
            parts.append(f"{what} takes {ratio:.2f}{interval} times as long")
    rows = [
        (escape(s.variant), escape(s.dataset), s.what, seconds(s.base), seconds(s.new), f"{s.ratio:.2f}")
        for s in comparison.speeds
    ]
    names = ("Variant", "Data", "What", "BASE per seed", "NEW per seed", "NEW / BASE")
    return [f"**Speed:** {'; '.join(parts)} (geometric mean over stacks).", "", *table(names, rows, left=3)]
