"""`differences.csv`: every test of a run's report, with raw and corrected p, its family, effect and interval."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from bench.analysis.hypotheses import Tested
from bench.analysis.sections import Section
from bench.reports.rows import said

COLUMNS = (
    "dataset", "variant", "against", "metric", "unit", "n", "difference", "low", "high", "relative", "relative_of",
    "p", "p_holm", "family", "family_tests", "verdict", "reason", "hypothesis", "declared", "seed_correlation",
    "seeds_needed",
)  # fmt: skip
DECLARED = "declared hypotheses"


def difference_frame(sections: Sequence[Section], hypotheses: Sequence[Tested] = ()) -> pd.DataFrame:
    """One row per declared test, then one per variant × headline metric against the baseline of each data set.

    `difference` is variant - against in the metric's unit, with the ends of its 95 % t interval; `relative` a share of
    `against` (of its excess over 1 where `relative_of` says so); `p_holm` is `p` adjusted over `family_tests` tests.
    """
    rows = [_declared(one) for one in hypotheses]
    rows += [row for section in sections for row in _against_baseline(section)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _declared(one: Tested) -> tuple:
    d = one.difference
    return (
        one.dataset, one.better, one.worse, one.metric, one.unit, d.n, d.mean, d.low, d.high, one.relative, one.of_what,
        one.p, one.adjusted, DECLARED, one.family, one.verdict, one.why, one.text, one.declared, None, None,
    )  # fmt: skip


def _against_baseline(section: Section) -> Iterator[tuple]:
    base = section.baseline
    for index, found in section.differences.items():
        for d in found:
            assert base is not None
            verdict = said(d.verdict, section.rows[index], section.rows[base], d.metric)
            yield (
                section.label, section.rows[index].label, section.rows[base].label, d.metric,
                section.metrics[d.metric].unit, d.n, d.mean, d.mean - d.half, d.mean + d.half, d.relative, d.of_what,
                d.raw_p, d.p, f"short table of {section.label}", section.tests, verdict if d.n else "not judged",
                section.cells[index, d.metric].barred or section.cells[base, d.metric].barred, "", "", d.correlation,
                d.more_seeds,
            )  # fmt: skip
