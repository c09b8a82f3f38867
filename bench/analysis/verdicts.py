"""Each metric in words: which variant leads it, by how much, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.analysis.catalogue import Metric
from bench.analysis.eligibility import is_baseline, time_to_use
from bench.analysis.leads import Lead
from bench.analysis.numbers import FRESH, p_value, percent, seeds_text
from bench.analysis.sections import Cell, Section
from bench.analysis.stats import LEAST_SEEDS

#: How a verdict's level is called.
LEVELS = {"sure": "sure", "shared": "shared lead", "open": "undecided"}
#: Variants that a sentence names before it counts.
MOST_NAMED = 8
#: How many times less training time a baseline must take for the verdict to say so.
LEAST_SAVED = 10


@dataclass(frozen=True)
class Verdict:
    """One line of the verdict: metric, winner (or leaders), value, margin to the next, certainty."""

    metric: str
    question: str
    direction: str
    winner: str
    value: str
    margin: str
    certainty: str
    level: str  # "sure", "shared" or "open"


def verdicts(section: Section) -> list[Verdict]:
    """One line for each primary metric that has a direction and somebody who may win."""
    found = (verdict_of(section, metric) for metric in section.primary)
    return [line for line in found if line is not None]


def verdict_of(section: Section, metric: Metric) -> Verdict | None:
    """The line of one metric; None where it has no direction or nobody may win."""
    lead = section.leads[metric.name]
    if metric.higher_is_better is None or lead.leader is None:
        return None
    winner, certainty, level = _certainty(section, lead)
    value, margin = section.cells[lead.leader, metric.name].text, _margin(section, metric.name, lead)
    certainty += against_baselines(section, metric.name, lead.leader)
    return Verdict(metric.name, metric.question, metric.direction, winner, value, margin, certainty, level)


def _certainty(section: Section, lead: Lead) -> tuple[str, str, str]:
    assert lead.leader is not None
    name, nobody = section.rows[lead.leader].label, "no clear winner"
    if lead.rival is None:
        return nobody, f"there is nothing to compare {name} with", "open"
    if lead.seeds < LEAST_SEEDS:
        n = f"one {lead.unit}" if lead.seeds == 1 else f"{lead.seeds} {lead.unit}s"
        few = "names no winner" if lead.seeds == 1 else "name no winner"
        return nobody, f"{n} in common {few}; run at least {LEAST_SEEDS}", "open"
    if lead.marks.get(lead.leader) == "best":
        return name, f"ahead of all others in paired tests (Holm p ≤ {p_value(lead.p).lstrip('< ')})", "sure"
    names = [section.rows[row].label for row in lead.tied if row not in lead.noisy]
    noisy = _noisy(section, lead)
    seeds = _fresh_seeds(lead, section)
    if lead.marks and not names:
        return name, f"{name} has the best mean{noisy}{seeds}", "shared"
    if lead.marks:
        return listed([name, *names]), f"{name} has the best mean, {_told(section, lead)}{noisy}{seeds}", "shared"
    return nobody, f"{name} is ahead, but {_open(lead)}{noisy}{seeds}", "open"


def _told(section: Section, lead: Lead) -> str:
    """Why those that share the lead do: by noise, or by a difference too small to matter."""
    rows = [row for row in lead.tied if row not in lead.noisy]
    same = [section.rows[row].label for row in rows if row in lead.same]
    rest = [section.rows[row].label for row in rows if row not in lead.same]
    parts = [f"{listed(rest)} cannot be told apart from it"] if rest else []
    verb = "differs" if len(same) == 1 else "differ"
    parts += [f"{listed(same)} {verb} by less than the smallest effect of interest"] if same else []
    return ", ".join(parts)


def _open(lead: Lead) -> str:
    """Why nobody is marked."""
    if len(lead.same) == len(lead.tied):
        return "by less than the smallest effect of interest"
    return f"not beyond {lead.unit} noise"


def _noisy(section: Section, lead: Lead) -> str:
    reasons: dict[str, list[str]] = {}
    for row, why in lead.noisy.items():
        reasons.setdefault(why, []).append(section.rows[row].label)
    verbs = {why: "is" if len(names) == 1 else "are" for why, names in reasons.items()}
    return "".join(f"; {listed(names)} {verbs[why]} too noisy to judge ({why})" for why, names in reasons.items())


def _fresh_seeds(lead: Lead, section: Section) -> str:
    """What it would take to tell the leader apart from the nearest of those it cannot be told apart from."""
    if lead.nearest is None or lead.more_seeds is None:
        return ""
    return f"; {seeds_text(lead.more_seeds)} would tell it apart from {section.rows[lead.nearest].label}, {FRESH}"


def _margin(section: Section, metric: str, lead: Lead) -> str:
    if lead.rival is None or not np.isfinite(lead.share):
        return "–"
    if lead.marks and lead.rival in lead.tied:  # no margin: the certainty says who has the best mean
        return ""
    of_what = section.metrics[metric].scale.of_what
    return f"{percent(abs(lead.share))}{of_what} ahead of {section.rows[lead.rival].label}"


def against_baselines(section: Section, metric: str, row: int) -> str:
    """Whether a row also beats the best row that is no autoencoder; "" where none has a number.

    By the 95 % intervals over seeds, which must not meet; a baseline that no seed changes is its one number. One that
    has no codes, and so nothing fitted to them, is held against it by what it draws itself. A baseline that does as
    well says what it costs, where it saves nine tenths of the training time at least.
    """
    sign, cells = 1 if section.metrics[metric].higher_is_better else -1, section.cells
    plain = [other for other, entry in enumerate(section.rows) if is_baseline(entry.label)]
    found = [(other, _drawn(section, metric, other)) for other in plain]
    found = [place for place in found if cells[place].n and not cells[place].flagged]
    if not found:
        return ""
    best, measured = max(found, key=lambda one: sign * cells[one].mean)
    own, other, where = cells[row, metric], cells[best, measured], "" if measured == metric else f"{measured} "
    name = f"{section.rows[best].label} ({where}{other.text})"
    if own.n < LEAST_SEEDS:
        return f"; the best that is no autoencoder is {name}"
    ends = [tuple(sorted(sign * end for end in _ends(cell))) for cell in (own, other)]
    if ends[0][0] > ends[1][1]:
        return f"; it beats the best that is no autoencoder, {name}"
    saved = _saved(*(_seconds(section, place) for place in (best, row)))
    if ends[1][0] > ends[0][1]:
        return f"; a plain {name}, which is no autoencoder, is better{saved}"
    return f"; a plain {name}, which is no autoencoder, does as well as far as can be told{saved}"


def _drawn(section: Section, metric: str, row: int) -> str:
    """The metric, or the same of draws of a row's own density, where there are no codes that N(m̂, Σ̂) could fit."""
    own = metric.replace("_fit", "_prior")
    return metric if section.cells[row, metric].n or (row, own) not in section.cells else own


def _seconds(section: Section, row: int) -> float:
    cost = section.costs[row]
    return time_to_use(section.rows[row].label, cost["t_train"], cost["t_eval"])


def _saved(plain: float, trained: float) -> str:
    """What share of the training time a baseline takes, where both are known and it is a tenth at most."""
    if not plain or not trained / plain >= LEAST_SAVED:  # nothing is 0 or NaN
        return ""
    return f", at 1/{trained / plain:,.0f} of the training time"


def _ends(cell: Cell) -> tuple[float, float]:
    return (cell.low, cell.high) if np.isfinite(cell.low) else (cell.mean, cell.mean)


def listed(names: Sequence[str], most: int = MOST_NAMED) -> str:
    """Names in a sentence: "a, b and c", or the first `most` and how many more.

    >>> listed(["a", "b", "c"]), listed(["a", "b", "c"], 1)
    ('a, b and c', 'a and 2 more')
    """
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def excluded(section: Section) -> list[str]:
    """Why numbers of the short table carry no mark though they could, each reason once: who and, if not all, where."""
    names = [metric.name for metric in section.primary if metric.higher_is_better is not None]
    found: dict[str, dict[str, list[str]]] = {}
    for index, row in enumerate(section.rows):
        why = {name: section.cells[index, name].barred for name in names if section.cells[index, name].barred}
        has = sum(section.cells[index, name].n > 0 for name in names)
        for reason in dict.fromkeys(why.values()) if not row.is_control else ():
            where = [name for name, text in why.items() if text == reason]
            found.setdefault(reason, {}).setdefault("" if len(where) == has else ", ".join(where), []).append(row.label)
    return [
        f"No mark for {listed(rows)}{f' in {where}' if where else ''}: {reason}."
        for reason, places in found.items()
        for where, rows in places.items()
    ]


def family_line(section: Section) -> str:
    """What the marks of the short table hold, in one sentence; "" without tests."""
    if not section.tests:
        return ""
    return (
        f"One family of {section.tests:,} tests (all pairs that compete in this table, and everybody against the "
        "baseline): where nothing differs, the chance of any false mark or difference is at most 5 %."
    )
