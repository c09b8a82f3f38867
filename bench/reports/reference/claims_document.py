"""The claims as runs judge them, as one Markdown document.

python -m bench.reports.studies RUN... > results/reference/claims.md
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from bench.reports.model import Report, load_report
from bench.reports.reference.printing import print_document
from bench.reports.studies.claim_evidence import NOTE, Judged
from bench.reports.studies.claims import CLAIMS
from bench.spec.presets import preset_names, read_preset
from bench.text import escape, table

_MARKS = {"supported": "✓ supported", "contradicted": "✗ contradicted", "inconclusive": "? inconclusive"}


def document(directories: Sequence[Path | str]) -> str:
    """A table of verdicts, claims by data sets, then the evidence of each claim and the commands that made it."""
    reports = [load_report(directory) for directory in directories]
    found = [(report, entry) for report in reports for entry in report.claims]
    lines = ["# The lecture note's claims, tested", "", escape(NOTE), ""]
    lines += [
        "Holm's adjustment is over the claims of one data set of one run. Claims that a run has no cells for are blank "
        "there. Every seed's numbers are conditional on one data split and one network.",
        "",
    ]
    columns = list(dict.fromkeys(_column(report, entry) for report, entry in found))
    verdicts = {(entry.claim.number, _column(report, entry)): _MARKS[entry.outcome.verdict] for report, entry in found}
    rows = [
        (str(claim.number), escape(claim.text), *(verdicts.get((claim.number, column), "") for column in columns))
        for claim in CLAIMS
    ]
    lines += table(("#", "Claim", *map(escape, columns)), rows, left=len(columns) + 2)
    for claim in CLAIMS:
        lines += [f"## {claim.number}. {escape(claim.text)}", "", f"Predicted: {escape(claim.prediction)}. "
                  f"Test: {escape(claim.method)}.", ""]  # fmt: skip
        own = [(report, entry) for report, entry in found if entry.claim is claim]
        lines += [line for report, entry in own for line in _evidence(_column(report, entry), entry)]
        if not own:
            why = next((report.untested[claim.number] for report in reports if claim.number in report.untested), "")
            lines += [f"Not tested: {escape(why)}.", ""]
    lines += ["## The runs", ""]
    for report in reports:
        facts = [f"- {escape(name)}: {escape(text)}" for name, text in report.header]
        lines += [
            f"### {escape(report.title)}",
            "",
            *_purpose(report),
            "```sh",
            report.command.replace("`", "'"),
            "```",
            "",
            *facts,
            "",
        ]
    return "\n".join(lines).rstrip() + "\n"


def _purpose(report: Report) -> list[str]:
    """What the run's preset says of itself, where it is one."""
    if report.title not in preset_names():
        return []
    return [escape(read_preset(report.title).get("description", "")), ""]


def _column(report: Report, entry: Judged) -> str:
    return f"{report.title}: {entry.dataset}"


def _evidence(column: str, entry: Judged) -> list[str]:
    return [f"- {escape(column)}: **{entry.outcome.verdict}**. {escape(entry.evidence)}.", ""]


def main(arguments: Sequence[str]) -> int:
    """Print the document of the runs named; exit code 2 for bad input."""
    return print_document(document, arguments, "python -m bench.reports.studies RUN...")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
