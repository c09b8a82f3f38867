"""The top of a report in words: which variant wins what, by how much, and how sure that is."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from bench.analysis.leads import Lead
from bench.analysis.numbers import p_value, percent, seeds_text
from bench.analysis.sections import Section

#: How a verdict's level is called.
LEVELS = {"sure": "sure", "shared": "shared lead", "open": "undecided"}


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
    """One line for each primary metric that has a direction."""
    lines = []
    for metric in section.primary:
        lead = section.leads[metric.name]
        if metric.higher_is_better is None or lead.leader is None:
            continue
        winner, certainty, level = _certainty(section, lead)
        value = section.cells[lead.leader, metric.name].text
        lines.append(
            Verdict(
                metric.name,
                metric.question,
                metric.direction,
                winner,
                value,
                _margin(section, metric.name, lead),
                certainty,
                level,
            )
        )
    return lines


def _certainty(section: Section, lead: Lead) -> tuple[str, str, str]:
    name = section.rows[lead.leader].label
    if lead.rival is None:
        return "no clear winner", f"there is nothing to compare {name} with", "open"
    if lead.marks.get(lead.leader) == "best":
        return name, f"ahead of all others in paired tests (Holm p ≤ {p_value(lead.p).lstrip('< ')})", "sure"
    seeds = _more_seeds(lead, section)
    if lead.marks:
        names = [name, *(section.rows[row].label for row in lead.tied)]
        tied = _listed(names[1:])
        return _listed(names), f"{name} has the best mean, {tied} cannot be told apart from it{seeds}", "shared"
    if not np.isfinite(lead.rival_p):
        return name, "one seed gives no interval; run more seeds", "open"
    return "no clear winner", f"{name} is ahead, but not beyond seed noise{seeds}", "open"


def _more_seeds(lead: Lead, section: Section) -> str:
    """What it would take to separate the leader from the nearest of those it cannot be told apart from."""
    if lead.nearest is None or lead.more_seeds is None:
        return ""
    return (
        f"; {seeds_text(lead.more_seeds, len(section.seeds))} would separate it from {section.rows[lead.nearest].label}"
    )


def _margin(section: Section, metric: str, lead: Lead) -> str:
    if lead.rival is None or not np.isfinite(lead.difference):
        return "–"
    if lead.marks and lead.rival in lead.tied:  # no margin: the certainty says who has the best mean
        return ""
    base = abs(section.cells[lead.rival, metric].mean)
    rival = section.rows[lead.rival].label
    if not base > 0:
        return f"next: {rival}"
    return f"{percent(abs(lead.difference) / base)} ahead of {rival}"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def headline(section: Section) -> str:
    """One sentence: who wins most, and what cannot be decided."""
    lines = verdicts(section)
    if not lines:
        return "There is nothing to rank: no metric with a direction has numbers of a variant that may win."
    if len(section.rows) == 1:
        return f"{section.rows[0].label} is the only variant here: there is nothing to compare it with."
    won = Counter(line.winner for line in lines if line.level == "sure")
    open_ = [line for line in lines if line.level != "sure"]
    total = len(lines)
    if not won:
        return f"No variant is ahead of all others beyond seed noise in any of {total} primary metrics."
    parts = []
    for name, n in won.most_common():
        metrics = [line.metric for line in lines if line.winner == name and line.level == "sure"]
        parts.append(f"{name} wins {n} of {total} ({', '.join(metrics)})")
    tail = f"; {len(open_)} {'is' if len(open_) == 1 else 'are'} shared or undecided" if open_ else ""
    return "; ".join(parts) + tail + "."


def excluded(section: Section) -> list[str]:
    """Why variants got no marks."""
    return [f"{row.label} gets no marks. It is {row.collapsed}." for row in section.rows if row.collapsed]
