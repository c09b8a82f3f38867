"""What a sweep over settings of the training shows: a curve along each setting, and choices at the edge of a grid.

Along one setting everything else is held where validation chose it, or at the first setting where it chose none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.spec.call import format_value
from bench.spec.sweep import amount, key_of, split_label

if TYPE_CHECKING:
    from bench.analysis.grids import Grid

#: Values of an ordered setting below which its ends are no edge worth a word.
_LEAST = 3
COLLAPSED = "every setting is collapsed"


@dataclass(frozen=True)
class Curve:
    """A variant along one setting: its values, the rows of the section that have them, and which of them is chosen."""

    variant: str
    values: tuple[Any, ...]
    rows: tuple[int, ...]
    chosen: int | None


@dataclass(frozen=True)
class Swept:
    """One setting with the curves of the variants, whose values are numbers where `ordered`."""

    name: str
    ordered: bool
    curves: list[Curve]


def swept(grids: Sequence[Grid]) -> list[Swept]:
    """Every setting that varies on a data set, in the order of labels."""
    lines: dict[str, list[Curve]] = {}
    for grid in grids:
        labels = [setting.row.label for setting in grid.settings]
        at = next((place for place, setting in enumerate(grid.settings) if setting.chosen), 0)
        for word in split_label(labels[at])[1]:
            places = line_through(labels, at, word)
            if len(places) > 1:
                values = tuple(split_label(labels[place])[1][word] for place in places)
                rows = tuple(grid.settings[place].index for place in places)
                chosen = rows[places.index(at)] if grid.settings[at].chosen else None
                lines.setdefault(word, []).append(Curve(grid.variant, values, rows, chosen))
    return [Swept(key_of(word), _ordered(curves), curves) for word, curves in lines.items()]


def line_through(labels: Sequence[str], at: int, word: str) -> list[int]:
    """Places of the labels that differ from the one `at` in nothing but a setting, in the setting's order."""
    base, setting = split_label(labels[at])
    rest = {key: value for key, value in setting.items() if key != word}
    found = []
    for place, label in enumerate(labels):
        own, words = split_label(label)
        if own == base and word in words and {key: value for key, value in words.items() if key != word} == rest:
            found.append((amount(words[word]), place))
    numbers = all(number is not None for number, _ in found)
    return [place for _, place in (sorted(found) if numbers else found)]


def _ordered(curves: Sequence[Curve]) -> bool:
    return all(amount(value) is not None for curve in curves for value in curve.values)


def at_edge(labels: Sequence[str], at: int) -> list[str]:
    """What to know of a choice that lies at an end of an ordered setting, a phrase each."""
    found = []
    for word, value in split_label(labels[at])[1].items():
        places = line_through(labels, at, word)
        numbers = [amount(split_label(labels[place])[1][word]) for place in places]
        if len(set(numbers)) >= _LEAST and None not in numbers and at in (places[0], places[-1]):
            tried = " to ".join(format_value(split_label(labels[place])[1][word]) for place in (places[0], places[-1]))
            where = f"{key_of(word)} {format_value(value)} lies at the grid's edge ({tried})"
            found.append(f"{where}, and what is beyond was not tried")
    return found
